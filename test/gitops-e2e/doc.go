// Package gitops runs the operator together with the GitOps tools that deploy it:
// Flux's kustomize-controller, and Argo CD's repo-server and
// application-controller, as real programs in separate processes, with
// kube-controller-manager, a real API server, and the simulator as the workspace.
//
// `make e2e-gitops` builds the programs and runs it. A tool whose modules cannot
// be fetched is skipped, and the summary reports that. The package is a separate
// module, so that the operator does not get its dependencies.
package gitops
