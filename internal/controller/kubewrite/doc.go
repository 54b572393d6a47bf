// Package kubewrite has what every write to the Kubernetes API server needs, whatever the
// kind of the object: the backoff of writes that fail or are refused, the cause of a conflict,
// and the patch that stores the id of what was created.
//
// It knows no kind, decides nothing, writes nothing and does not call Databricks.
package kubewrite
