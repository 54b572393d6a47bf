package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// DatabricksCluster is one all-purpose cluster of a Databricks workspace: created, kept as declared, mirrored in status, and dealt with by deletionPolicy when the object goes.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=dbc,categories=databricks
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.numWorkers,statuspath=.status.numWorkers,selectorpath=.status.selector
// +kubebuilder:selectablefield:JSONPath=`.spec.policyID`
// +kubebuilder:selectablefield:JSONPath=`.status.state`
// +kubebuilder:selectablefield:JSONPath=`.status.clusterID`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`,description="Usable as the policies say"
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`,description="Why Ready has its value"
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`,description="State of the cluster, as Databricks names it"
// +kubebuilder:printcolumn:name="Workers",type=integer,JSONPath=`.status.numWorkers`,description="Workers the cluster has now"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Synced",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Synced")].status`,description="Whether the remote configuration matches"
// +kubebuilder:printcolumn:name="Cluster-ID",type=string,priority=1,JSONPath=`.status.clusterID`
// +kubebuilder:printcolumn:name="Runtime",type=string,priority=1,JSONPath=`.status.effective.sparkVersion`
// +kubebuilder:printcolumn:name="Node-Type",type=string,priority=1,JSONPath=`.status.effective.nodeTypeID`
// +kubebuilder:printcolumn:name="Run-Policy",type=string,priority=1,JSONPath=`.spec.runPolicy`,description="Empty means Manual"
// +kubebuilder:printcolumn:name="Host",type=string,priority=1,JSONPath=`.status.host`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:fieldPath=".spec.clusterID",reason=FieldValueForbidden,rule="has(oldSelf.spec.clusterID) || !has(self.spec.clusterID) || (has(self.status) && self.status.?clusterID.orValue('') == self.spec.clusterID)",message="clusterID can be added later only with the value of status.clusterID: this object has, or is about to have, a cluster of its own; create another object to adopt another cluster"
type DatabricksCluster struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// The cluster as it is wanted. A field that is absent is not managed by this object: its value is left to the policy, the server and people.
	// +required
	Spec DatabricksClusterSpec `json:"spec"`

	// What the operator and Databricks report. Written by the operator alone.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status DatabricksClusterStatus `json:"status,omitzero"`
}

// DatabricksClusterSpec is flat on the wire and two structs in Go: what belongs
// to the operator, and what is sent to the Clusters API. A test keeps their
// names apart as the API grows.
//
// +kubebuilder:validation:XValidation:fieldPath=".clusterID",reason=FieldValueForbidden,rule="!has(oldSelf.clusterID) || self.?clusterID.orValue('') == oldSelf.clusterID",message="clusterID cannot be changed or removed once set: an object stays with the cluster it adopted; create another object to adopt another cluster"
type DatabricksClusterSpec struct {
	OperatorSpec `json:",inline"`
	ClusterSpec  `json:",inline"`
}

// DatabricksClusterList is a list of DatabricksCluster.
//
// +kubebuilder:object:root=true
type DatabricksClusterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []DatabricksCluster `json:"items"`
}
