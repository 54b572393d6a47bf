package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ManagementSpec has the operator's own fields that the kinds have in common which a
// workspace lists in one call: DatabricksClusterPolicy and DatabricksInstancePool. None of
// them is sent to Databricks.
type ManagementSpec struct {
	// Operator: the workspace and the credential for it. Exactly one of
	// secretRef, workloadIdentity and workspaceRef. Absent: the Secret
	// databricks-credentials of this namespace.
	// +optional
	Connection *Connection `json:"connection,omitzero"`

	// Operator: true adopts an existing one of this name. Absent: a taken name is
	// reported, and nothing is written.
	// +optional
	AdoptByName bool `json:"adoptByName,omitempty"`

	// Operator: Manage (default) keeps it as declared; Observe reports its state and
	// never writes or deletes.
	// +optional
	ManagementPolicy ManagementPolicy `json:"managementPolicy,omitempty"`

	// Operator: true stops all writes to the workspace. Reads continue, status
	// stays current, and deletion still works.
	// +optional
	Suspend bool `json:"suspend,omitempty"`

	// Operator: how drift is handled, that is, changes of declared fields outside
	// of the operator. Correct (default) corrects it at once; Warn only reports it.
	// +optional
	DriftPolicy CorrectionPolicy `json:"driftPolicy,omitempty"`

	// Operator: what happens in the workspace when the object is deleted. Delete
	// deletes it there, Retain does not change it. Absent: Retain if it was adopted
	// or is observed, else Delete. May be changed while the object is being deleted:
	// Retain completes the deletion at once, without credentials.
	// +optional
	DeletionPolicy RemovalPolicy `json:"deletionPolicy,omitempty"`

	// Operator: true prevents the deletion of this object.
	// +optional
	DeletionProtection bool `json:"deletionProtection,omitempty"`
}

// CorrectionPolicy is how drift of declared fields is handled.
//
// +kubebuilder:validation:Enum=Correct;Warn
type CorrectionPolicy string

const (
	// CorrectionPolicyCorrect corrects drift at once. The default.
	CorrectionPolicyCorrect CorrectionPolicy = "Correct"
	// CorrectionPolicyWarn reports drift and corrects nothing.
	CorrectionPolicyWarn CorrectionPolicy = "Warn"
)

// RemovalPolicy is what happens in the workspace when an object is deleted.
//
// +kubebuilder:validation:Enum=Delete;Retain
type RemovalPolicy string

const (
	// RemovalPolicyDelete deletes it in the workspace. The default for what the operator
	// created.
	RemovalPolicyDelete RemovalPolicy = "Delete"
	// RemovalPolicyRetain leaves it in the workspace. The default for what was adopted.
	RemovalPolicyRetain RemovalPolicy = "Retain"
)

// ManagementStatus has the status that these kinds have in common.
type ManagementStatus struct {
	// Generation of the spec that this status describes; -1 before the first
	// evaluation.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Ready and Synced; Reconciling, Stalled and Suspended while they apply.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// Name in the workspace.
	// +optional
	Name string `json:"name,omitempty"`

	// Address of the workspace; the object is bound to it.
	// +optional
	Host string `json:"host,omitempty"`

	// Id of the workspace, if Databricks returns it.
	// +optional
	WorkspaceID string `json:"workspaceID,omitempty"`

	// URL of its page in the workspace.
	// +optional
	URL string `json:"url,omitempty"`

	// Whether it was adopted instead of created.
	// +optional
	Adopted bool `json:"adopted,omitempty"`

	// Differences that were not corrected, including those made by the server; at
	// most 20.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Drift []DriftedField `json:"drift,omitempty"`

	// The creation in progress. Only the incarnation remains afterwards.
	// +optional
	Creation *CreationIntent `json:"creation,omitzero"`

	// Fields that this object has set, as JSON Pointers into spec, never values.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=1024
	OwnedFields []string `json:"ownedFields,omitempty"`

	// Digest of the last applied fields, such as v1:0123456789abcdef. While it
	// matches the spec, any difference is drift.
	// +optional
	AppliedDigest string `json:"appliedDigest,omitempty"`

	// Fields for which the server keeps another value than the requested one. They
	// are not sent again until the spec or the value in effect changes.
	// +optional
	// +listType=map
	// +listMapKey=path
	// +kubebuilder:validation:MaxItems=64
	NormalizedFields []NormalizedField `json:"normalizedFields,omitempty"`

	// Corrections of drift, by subject. The count of a subject is reset an hour
	// after its last reversal, or when the object is edited.
	// +optional
	// +listType=map
	// +listMapKey=subject
	// +kubebuilder:validation:MaxItems=100
	Corrections []Correction `json:"corrections,omitempty"`

	// Result of the request annotation.
	// +optional
	Request *RequestStatus `json:"request,omitzero"`
}

// Principal is exactly one user, group or service principal.
type Principal struct {
	// Operator: e-mail address of a user. Permissions API `user_name`.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	UserName string `json:"userName,omitempty"`

	// Operator: name of a group. Permissions API `group_name`.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	GroupName string `json:"groupName,omitempty"`

	// Operator: application id of a service principal. Permissions API
	// `service_principal_name`.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	ServicePrincipalName string `json:"servicePrincipalName,omitempty"`
}
