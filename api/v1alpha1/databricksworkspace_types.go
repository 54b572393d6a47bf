package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// DatabricksWorkspace is a Databricks workspace that a platform team shares.
// Objects in the allowed namespaces refer to it by name, and their users cannot
// read its credential. It is optional: a Secret in the namespace is sufficient.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,shortName=dbw,categories=databricks
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`,description="The workspace accepts the credential"
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`,description="Why Ready has its value"
// +kubebuilder:printcolumn:name="Host",type=string,JSONPath=`.spec.host`
// +kubebuilder:printcolumn:name="Clusters",type=integer,JSONPath=`.status.clusters`,description="Objects that refer to it"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Cloud",type=string,priority=1,JSONPath=`.status.cloud`
// +kubebuilder:printcolumn:name="Principal",type=string,priority=1,JSONPath=`.status.principal`
// +kubebuilder:printcolumn:name="Limit",type=integer,priority=1,JSONPath=`.status.requestLimitPerMinute`,description="Measured request limit of the workspace, per minute"
// +kubebuilder:printcolumn:name="Used-%",type=integer,priority=1,JSONPath=`.status.requestLimitUsedPercent`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type DatabricksWorkspace struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// The workspace, its credential, and the namespaces that may use it.
	// +required
	Spec DatabricksWorkspaceSpec `json:"spec"`

	// The observed state, written only by the operator.
	// +optional
	// +default={"observedGeneration":-1}
	Status DatabricksWorkspaceStatus `json:"status,omitzero"`
}

// DatabricksWorkspaceSpec names a workspace, a credential that only the operator
// can read, and the namespaces that may use both.
//
// +kubebuilder:validation:XValidation:reason=FieldValueForbidden,rule="has(self.secretRef) != has(self.workloadIdentity)",message="set exactly one of secretRef and workloadIdentity"
type DatabricksWorkspaceSpec struct {
	// Operator: address of the workspace: https:// and the host name only.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=261
	// +kubebuilder:validation:XValidation:reason=FieldValueInvalid,rule="self.matches('^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?$')",message="host must be https:// and the host name alone, such as https://adb-123.4.azuredatabricks.net"
	Host string `json:"host,omitempty"`

	// Operator: a Secret in the operator's own namespace with the credential and
	// the same host. A credential is sent only to the host in its Secret.
	// +optional
	SecretRef *OperatorSecretReference `json:"secretRef,omitzero"`

	// Operator: the operator's own service account, whose short-lived token is
	// exchanged for a Databricks token; no Secret is needed.
	// +optional
	WorkloadIdentity *OperatorIdentity `json:"workloadIdentity,omitzero"`

	// Operator: namespaces whose objects may refer to this workspace, by name or
	// by label. Absent: none.
	// +optional
	AllowedNamespaces *AllowedNamespaces `json:"allowedNamespaces,omitzero"`

	// Operator: kinds of the objects that may refer to this workspace. Absent:
	// DatabricksCluster only, because this workspace's credential may have the rights
	// of an admin, which policies and instance pools need.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=3
	AllowedKinds []AllowedKind `json:"allowedKinds,omitempty"`

	// Operator: true permits these objects to adopt and observe clusters by
	// clusterID: any cluster that this workspace's credential can read, including
	// those of other namespaces. Absent: they may only create their own clusters.
	// +optional
	AllowAdoption bool `json:"allowAdoption,omitempty"`

	// Operator: ids of the cluster policies that these objects may name, at most
	// 100. Absent: any.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=100
	AllowedPolicyIDs []string `json:"allowedPolicyIDs,omitempty"`

	// Operator: true refuses these objects unless they name a cluster policy.
	// Absent: they may have none.
	// +optional
	RequirePolicy bool `json:"requirePolicy,omitempty"`

	// Operator: fields of spec that these objects may not set, such as initScripts
	// or awsAttributes.instanceProfileARN, at most 100. Absent: none.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=200
	// +kubebuilder:validation:items:Pattern=`^[a-zA-Z0-9]+(\.[a-zA-Z0-9]+)*$`
	ForbiddenFields []string `json:"forbiddenFields,omitempty"`
}

// AllowedKind is a kind of object that may refer to a DatabricksWorkspace.
//
// +kubebuilder:validation:Enum=DatabricksCluster;DatabricksClusterPolicy;DatabricksInstancePool
type AllowedKind string

// OperatorSecretReference names a Secret in the operator's own namespace. It has
// no namespace field, so that no workspace can reach a tenant's Secret.
type OperatorSecretReference struct {
	// Operator: name of a Secret in the operator's own namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name,omitempty"`
}

// OperatorIdentity describes how the operator's own service account authenticates to
// Databricks.
// +kubebuilder:validation:XValidation:reason=FieldValueInvalid,rule="!has(self.azureTenantID) || (has(self.clientID) && !has(self.audience))",message="azureTenantID needs clientID, the id of the application in Entra ID, and no audience"
type OperatorIdentity struct {
	// Operator: application id of the service principal to authenticate as. Absent: an
	// account-wide federation policy selects it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	ClientID string `json:"clientID,omitempty"`

	// Operator: audience of the token, as the federation policy expects it: an
	// address of the workspace, an account id, or one that the operator's flag
	// --allowed-token-audiences names. Absent: the default audience of the
	// workspace, else its token endpoint.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:reason=FieldValueInvalid,rule="!self.lowerAscii().matches('^(https?://)?kubernetes([.:/]|$)')",message="audience must not be the Kubernetes API: Databricks would be sent a token that is good there"
	Audience string `json:"audience,omitempty"`

	// Operator: id or domain of the Entra ID tenant that exchanges the token for one of
	// Azure Databricks, by a federated credential of the application clientID. Absent:
	// the workspace exchanges it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[0-9A-Za-z]([0-9A-Za-z.-]*[0-9A-Za-z])?$`
	AzureTenantID string `json:"azureTenantID,omitempty"`
}

// AllowedNamespaces selects namespaces by name and by label.
type AllowedNamespaces struct {
	// Operator: names of namespaces.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=1000
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Names []string `json:"names,omitempty"`

	// Operator: labels of namespaces. An empty selector matches all of them.
	// +optional
	Selector *metav1.LabelSelector `json:"selector,omitempty"`
}

// DatabricksWorkspaceList is a list of DatabricksWorkspace.
//
// +kubebuilder:object:root=true
type DatabricksWorkspaceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []DatabricksWorkspace `json:"items"`
}
