package v1alpha1

// OperatorSpec is the part of the spec that belongs to the operator: where
// the cluster lives and how the object treats it. Nothing of it is sent as a
// field of the Clusters API.
type OperatorSpec struct {
	// Operator: the workspace and the credential to reach it. Exactly one of
	// secretRef, workloadIdentity and workspaceRef. Absent: the Secret
	// databricks-credentials of this namespace.
	// +optional
	Connection *Connection `json:"connection,omitzero"`

	// Operator: id of an existing cluster to adopt or observe, such as
	// 0318-151752-abed99. Cannot be changed or removed once set. Absent: the
	// object has a cluster of its own.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=100
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_-]+$`
	ClusterID string `json:"clusterID,omitempty"`

	// Operator: Manage (default) keeps the cluster as declared; Observe mirrors
	// the cluster of clusterID and never writes or deletes.
	// +optional
	ManagementPolicy ManagementPolicy `json:"managementPolicy,omitempty"`

	// Operator: true stops every write to the workspace while reads go on and
	// status stays current. Deletion still works.
	// +optional
	Suspend bool `json:"suspend,omitempty"`

	// Operator: Manual (default) creates the cluster, then people, jobs and
	// auto-termination decide; Running starts it again whenever it ends;
	// Terminated keeps it stopped.
	// +optional
	RunPolicy RunPolicy `json:"runPolicy,omitempty"`

	// Operator: when a changed spec that restarts a running cluster is applied.
	// +optional
	UpdateStrategy *UpdateStrategy `json:"updateStrategy,omitzero"`

	// Operator: what happens to fields of this object that others changed.
	// Correct (default) mends what needs no restart, and the rest at the next
	// occasion; CorrectWithRestart treats them like a changed spec, so
	// updateStrategy decides; Warn only tells.
	// +optional
	DriftPolicy DriftPolicy `json:"driftPolicy,omitempty"`

	// Operator: what becomes of the cluster when the object is deleted. Delete
	// removes it for good, Terminate stops and keeps it, Retain leaves it as it
	// is. Absent: Retain where clusterID is set, else Delete. May be changed
	// while the object is being deleted: Retain needs no credentials and lets it
	// go at once.
	// +optional
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`

	// Operator: true refuses the deletion of this object until it is set to
	// false.
	// +optional
	DeletionProtection bool `json:"deletionProtection,omitempty"`

	// Operator: true pins the cluster, so that Databricks does not purge it 30
	// days after it ended; false unpins it. Needs a workspace admin. Absent: not
	// managed.
	// +optional
	Pinned *bool `json:"pinned,omitempty"`

	// Operator: libraries to install, each with exactly one of pypi, maven, cran,
	// jar, whl and requirements. Only the declared ones are managed. At most 100;
	// for more use a requirements file.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:XValidation:reason=FieldValueForbidden,rule="self.all(a, self.exists_one(b, a == b))",message="each library may stand once: remove the repeated one"
	Libraries []Library `json:"libraries,omitzero"`

	// Operator: direct grants on the cluster, authoritative when set: [] removes
	// all of them. The operator's own grant is never taken away, inherited ones
	// are left alone. Absent: not managed.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:XValidation:reason=FieldValueForbidden,rule="self.all(a, self.exists_one(b, has(a.userName) ? has(b.userName) && a.userName == b.userName : has(a.groupName) ? has(b.groupName) && a.groupName == b.groupName : has(a.servicePrincipalName) == has(b.servicePrincipalName) && (!has(a.servicePrincipalName) || a.servicePrincipalName == b.servicePrincipalName)))",message="each userName, groupName and servicePrincipalName may stand once: keep the entry with the highest permissionLevel"
	AccessControlList []AccessControl `json:"accessControlList,omitzero"`

	// Operator: a ConfigMap of this object's own, to be filled with
	// DATABRICKS_HOST, DATABRICKS_CLUSTER_ID and the JDBC HTTP path; never a
	// secret.
	// +optional
	OutputConfigMap *OutputConfigMap `json:"outputConfigMap,omitzero"`
}

// Connection names one workspace and one way to be let in.
//
// +structType=atomic
// +kubebuilder:validation:XValidation:reason=FieldValueForbidden,rule="[has(self.secretRef), has(self.workloadIdentity), has(self.workspaceRef)].exists_one(chosen, chosen)",message="set exactly one of secretRef, workloadIdentity and workspaceRef"
type Connection struct {
	// Operator: a Secret in this namespace that carries host and credential
	// together, under the SDK's attribute names (host, token, client_id,
	// client_secret) or its environment names (DATABRICKS_HOST,
	// DATABRICKS_TOKEN).
	// +optional
	SecretRef *LocalSecretReference `json:"secretRef,omitzero"`

	// Operator: a service account of this namespace whose short-lived token is
	// exchanged for a Databricks token; no Secret is needed.
	// +optional
	WorkloadIdentity *WorkloadIdentity `json:"workloadIdentity,omitzero"`

	// Operator: a cluster-scoped DatabricksWorkspace kept by the platform team,
	// whose credential its users cannot read.
	// +optional
	WorkspaceRef *WorkspaceReference `json:"workspaceRef,omitzero"`
}

// LocalSecretReference names a Secret in the object's own namespace. It has
// no namespace field, so that no object can reach another tenant's Secret.
type LocalSecretReference struct {
	// Operator: name of a Secret in this namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name,omitempty"`
}

// LocalSecretKeyReference names one key of a Secret in the object's own
// namespace.
type LocalSecretKeyReference struct {
	// Operator: name of a Secret in this namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name,omitempty"`

	// Operator: key within the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	Key string `json:"key,omitempty"`
}

// WorkloadIdentity is a credential that Kubernetes issues and Databricks
// trusts by a federation policy.
type WorkloadIdentity struct {
	// Operator: address of the workspace, https:// and the host name alone.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=261
	// +kubebuilder:validation:XValidation:reason=FieldValueInvalid,rule="self.matches('^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?$')",message="host must be https:// and the host name alone, such as https://adb-123.4.azuredatabricks.net"
	Host string `json:"host,omitempty"`

	// Operator: application id of the Databricks service principal to become.
	// Absent: an account-wide federation policy decides.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	ClientID string `json:"clientID,omitempty"`

	// Operator: service account in this namespace for which the token is issued.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	ServiceAccountName string `json:"serviceAccountName,omitempty"`

	// Operator: audience of the token, as the federation policy expects it.
	// Absent: what the workspace names as its default, else its token endpoint.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:reason=FieldValueInvalid,rule="!self.startsWith('https://kubernetes.default')",message="audience must not be the Kubernetes API: Databricks would be sent a token that is good there"
	Audience string `json:"audience,omitempty"`
}

// WorkspaceReference names a DatabricksWorkspace.
type WorkspaceReference struct {
	// Operator: name of a cluster-scoped DatabricksWorkspace that allows this
	// namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name,omitempty"`
}

// ManagementPolicy says whether the operator may write.
//
// +kubebuilder:validation:Enum=Manage;Observe
type ManagementPolicy string

const (
	// ManagementPolicyManage keeps the cluster as declared. The default.
	ManagementPolicyManage ManagementPolicy = "Manage"
	// ManagementPolicyObserve mirrors a cluster and never writes or deletes.
	ManagementPolicyObserve ManagementPolicy = "Observe"
)

// RunPolicy says when the cluster should be up.
//
// +kubebuilder:validation:Enum=Manual;Running;Terminated
type RunPolicy string

const (
	// RunPolicyManual leaves it to people, jobs and auto-termination. The
	// default.
	RunPolicyManual RunPolicy = "Manual"
	// RunPolicyRunning starts the cluster again whenever it ends.
	RunPolicyRunning RunPolicy = "Running"
	// RunPolicyTerminated keeps the cluster stopped.
	RunPolicyTerminated RunPolicy = "Terminated"
)

// UpdateStrategy says when a change that restarts a running cluster is
// applied.
//
// +kubebuilder:validation:XValidation:fieldPath=".maxWaitMinutes",reason=FieldValueForbidden,rule="!has(self.maxWaitMinutes) || self.?type.orValue('Restart') == 'OnTermination'",message="maxWaitMinutes needs type: OnTermination; with Restart nothing waits"
type UpdateStrategy struct {
	// Operator: Restart (default) applies it now; OnTermination waits until the
	// cluster is down or is restarted anyway.
	// +optional
	Type UpdateStrategyType `json:"type,omitempty"`

	// Operator: minutes that OnTermination waits at most before it restarts the
	// cluster, 1 to 43200 (30 days). Absent: it waits for ever.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=43200
	MaxWaitMinutes *int32 `json:"maxWaitMinutes,omitempty"`
}

// UpdateStrategyType is the kind of an UpdateStrategy.
//
// +kubebuilder:validation:Enum=Restart;OnTermination
type UpdateStrategyType string

const (
	// UpdateStrategyRestart applies a change now, restart included. The default.
	UpdateStrategyRestart UpdateStrategyType = "Restart"
	// UpdateStrategyOnTermination waits until the cluster is down or is restarted
	// anyway.
	UpdateStrategyOnTermination UpdateStrategyType = "OnTermination"
)

// DriftPolicy says what happens to owned fields that others changed.
//
// +kubebuilder:validation:Enum=Correct;CorrectWithRestart;Warn
type DriftPolicy string

const (
	// DriftPolicyCorrect mends what needs no restart, the rest at the next
	// occasion. The default.
	DriftPolicyCorrect DriftPolicy = "Correct"
	// DriftPolicyCorrectWithRestart treats drift like a changed spec.
	DriftPolicyCorrectWithRestart DriftPolicy = "CorrectWithRestart"
	// DriftPolicyWarn tells and mends nothing.
	DriftPolicyWarn DriftPolicy = "Warn"
)

// DeletionPolicy says what becomes of the cluster when its object is deleted.
//
// +kubebuilder:validation:Enum=Delete;Terminate;Retain
type DeletionPolicy string

const (
	// DeletionPolicyDelete removes the cluster for good. The default without
	// clusterID.
	DeletionPolicyDelete DeletionPolicy = "Delete"
	// DeletionPolicyTerminate stops the cluster and leaves it.
	DeletionPolicyTerminate DeletionPolicy = "Terminate"
	// DeletionPolicyRetain leaves the cluster as it is. The default with
	// clusterID.
	DeletionPolicyRetain DeletionPolicy = "Retain"
)

// AccessControl grants one principal one level of permission.
//
// +kubebuilder:validation:XValidation:reason=FieldValueForbidden,rule="[has(self.userName), has(self.groupName), has(self.servicePrincipalName)].exists_one(chosen, chosen)",message="set exactly one of userName, groupName and servicePrincipalName"
type AccessControl struct {
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

	// Operator: CAN_ATTACH_TO, CAN_RESTART or CAN_MANAGE. Permissions API
	// `permission_level`.
	// +required
	PermissionLevel PermissionLevel `json:"permissionLevel,omitempty"`
}

// PermissionLevel is what a principal may do with a cluster, verbatim.
//
// +kubebuilder:validation:Enum=CAN_ATTACH_TO;CAN_RESTART;CAN_MANAGE
type PermissionLevel string

// The permission levels of a cluster.
const (
	PermissionLevelCanAttachTo PermissionLevel = "CAN_ATTACH_TO"
	PermissionLevelCanRestart  PermissionLevel = "CAN_RESTART"
	PermissionLevelCanManage   PermissionLevel = "CAN_MANAGE"
)

// OutputConfigMap names the ConfigMap through which workloads find the
// cluster.
type OutputConfigMap struct {
	// Operator: name of a ConfigMap in this namespace. It is created and owned by
	// this object; one that exists already is refused.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name,omitempty"`
}
