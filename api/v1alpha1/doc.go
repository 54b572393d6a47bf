// Package v1alpha1 defines the DatabricksCluster and DatabricksWorkspace resources:
// their types, their validation rules, and the condition types, reasons and
// annotations that the operator uses.
//
// Fields of the Clusters API keep their names in Kubernetes camelCase and their
// enum values verbatim. An absent field is not managed by the object. The schema
// has no defaults, so a stored object contains only the fields that its user set.
//
// The package imports only apimachinery and has no logic.
//
// +kubebuilder:object:generate=true
// +groupName=compute.databricks-operator.io
package v1alpha1
