// Package gitops runs the operator beside the tools that people deploy it with:
// Flux's kustomize-controller, and Argo CD's repo-server and
// application-controller, each the real program as a process of its own, with
// kube-controller-manager against a real API server, and the simulator as the
// workspace.
//
// `make e2e-gitops` builds what it needs and runs it. A tool whose modules could
// not be fetched is skipped, and the summary says so. The module is one of its
// own so that the operator's stays small.
package gitops
