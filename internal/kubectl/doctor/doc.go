// Package doctor finds out why an object is not ready: it follows the path from the
// object through the operator, the credential and the network to the cluster, the policy or
// the pool, and says for each part what it found and which command fixes it.
//
//   - doctor, finding: the order of the checks, and their results
//   - object: the object's own conditions and events
//   - operator: whether an operator runs and handles the object
//   - credential: the Secret, the service account or the DatabricksWorkspace
//   - dependencies: the policies and pools that the object refers to
//   - network: DNS, TLS and proxies, from the user's machine
//   - remote, item: the cluster, its policy and its names, or the policy or pool, as the user
//     sees them in the workspace
//   - remedy: what fixes the cause of the reason of a condition
//
// It changes nothing. What the user may not read is reported as not looked at. A value of a
// Secret is never part of a finding.
package doctor
