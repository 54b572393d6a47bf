// Package preview says what the operator would do for an object: field by field, call by
// call, with a restart or without, now or later. It evaluates the same pure code as the
// operator (selection, drift, plan and report for clusters, managed and diff for policies
// and instance pools) against one answer of the workspace, and simulates the steps on
// copies.
//
//   - preview: the result, and the simulation of the steps for a cluster
//   - facts: the requests to the workspace for a cluster
//   - listed: both for policies and instance pools
//
// It writes nothing, neither to Kubernetes nor to a workspace, and reads no Secret: values
// that an object refers to by a Secret are not compared.
package preview
