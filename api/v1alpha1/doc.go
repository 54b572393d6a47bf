// Package v1alpha1 is the DatabricksCluster resource, and DatabricksWorkspace
// beside it: their types, the rules that
// the API server checks before anything is stored, and the words (condition
// types, reasons, annotations) by which the operator speaks about a cluster.
//
// Fields of the Clusters API keep their names in Kubernetes camelCase and their
// enum values verbatim; an absent field is not managed by the object. There are
// no defaults in the schema, so what a user wrote stays what a user wrote.
//
// Only apimachinery is imported here, and nothing here decides or calls.
//
// +kubebuilder:object:generate=true
// +groupName=compute.databricks-operator.io
package v1alpha1
