// Package kubewrite has what every write to the Kubernetes API server needs, whatever the
// kind of the object: the backoff of writes that fail or are refused, and the patch that
// stores the id of what was created.
//
// It knows no kind, decides nothing, and calls neither the API server nor Databricks.
package kubewrite
