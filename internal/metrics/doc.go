// Package metrics is what the operator tells Prometheus. docs/monitoring.md has
// every metric, and a test holds the two together.
//
//   - Calls counts the requests to Databricks as they are made
//   - State reads, at every scrape, what the objects, the workspaces and the
//     orphan report show
//   - Add registers them for as long as this process leads
//
// What is read at a scrape needs no clearing: a series vanishes with the object
// or the workspace that it was about. Every label has few values, by
// construction: endpoints and not paths, reasons and not messages, and no names
// of objects, which kube-state-metrics tells better.
package metrics
