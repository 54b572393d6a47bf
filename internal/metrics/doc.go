// Package metrics exports the operator's metrics to Prometheus. A test ensures that
// docs/monitoring.md documents every metric.
//
//   - Calls counts the requests to Databricks.
//   - State computes metrics of the objects, the workspaces and the orphan report at
//     every scrape.
//   - Add registers them while this process is the leader.
//
// A metric that is computed at a scrape disappears with its object or workspace.
// Every label has few values: endpoints instead of paths, reasons instead of messages,
// and no names of objects, which kube-state-metrics exports.
package metrics
