// Command demo demonstrates the operator on a machine without a cluster: a real
// kube-apiserver, a simulated Databricks workspace and the operator, as separate
// processes. `make demo` builds all of them and runs this command.
//
// It uses only what users have: documented flags, server-side apply, and a watch
// of the columns that kubectl shows. It ends with `demo: ok`, or prints an error
// and fails. It stops everything that it started.
//
//   - demo: the chapters and their order
//   - lifecycle: the lifecycle of every sample, and the check at the end
//   - changes: a scale, an edit, and a deferred edit
//   - clusters: a cluster that another user created, and one that cannot start
//   - promote: one set of manifests in two workspaces
//   - plugin: what the kubectl plugin is tried with, if the demo is kept
//   - hints: how to use the programs, if the demo is kept
//   - workspace: changes of other users in the workspace, and the operator's writes to it
//   - environment: the processes, from start to stop
//   - samples: config/samples, configured for the simulator
//   - watch, board: the changes of the objects, and their display
//   - figures: the number of calls and writes
//   - screen: lines, progress and colors, with or without a terminal
package main
