// Command demo shows the operator at work, on a bare machine: a real
// kube-apiserver, a simulated Databricks workspace and the operator, each a
// process of its own. `make demo` builds all of it and runs this.
//
// It does what a user would do, with nothing that a user lacks: flags of
// --help, server-side apply, a watch of the columns that kubectl shows. It ends
// with `demo: ok`, or says what went wrong and fails. Nothing that it started
// outlives it.
//
//   - demo: the story, chapter by chapter
//   - life: what every sample goes through, and what is left in the end
//   - changes: a scale, an edit, and one that waits
//   - others: a cluster that somebody else made, and one that cannot start
//   - workspace: what others do in the workspace, and what the operator wrote to it
//   - world: the processes, from start to stop
//   - samples: config/samples, pointed at the simulator
//   - watch, board: what the API server tells of the objects, and how it is shown
//   - figures: what it cost
//   - screen: lines, progress and colors, on a terminal or not
package main
