package v1alpha1

// OperatorSpec has the operator's own fields: the workspace of the cluster and how the
// operator manages it. None of them is sent as a field of the Clusters API.
type OperatorSpec struct {
	// Operator: the workspace and the credential for it. Exactly one of
	// secretRef, workloadIdentity and workspaceRef. Absent: the Secret
	// databricks-credentials of this namespace.
	// +optional
	Connection *Connection `json:"connection,omitzero"`

	// Operator: id of an existing cluster to adopt or observe, such as
	// 0318-151752-abed99. Cannot be changed or removed once set. Absent: the
	// operator creates a cluster.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=100
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_-]+$`
	ClusterID string `json:"clusterID,omitempty"`

	// Operator: AdoptOrCreate adopts the cluster that was created for an earlier
	// object of this namespace and name, such as before a restore, and creates one
	// only if there is none; Never always creates one. Absent: the operator's flag
	// --adoption-policy, which is Never by default.
	// +optional
	AdoptionPolicy AdoptionPolicy `json:"adoptionPolicy,omitempty"`

	// Operator: Manage (default) keeps the cluster as declared; Observe reports
	// the state of the cluster of clusterID and never writes or deletes.
	// +optional
	ManagementPolicy ManagementPolicy `json:"managementPolicy,omitempty"`

	// Operator: true stops all writes to the workspace. Reads continue, status
	// stays current, and deletion still works.
	// +optional
	Suspend bool `json:"suspend,omitempty"`

	// Operator: Manual (default) creates the cluster, and then users, jobs and
	// auto-termination start and stop it; Running starts it whenever it is
	// terminated; Terminated keeps it stopped; Scheduled starts and stops it by
	// schedule.
	// +optional
	RunPolicy RunPolicy `json:"runPolicy,omitempty"`

	// Operator: hours in which the cluster runs, with runPolicy Scheduled.
	// +optional
	Schedule *Schedule `json:"schedule,omitzero"`

	// Operator: when a changed spec that restarts a running cluster is applied.
	// +optional
	UpdateStrategy *UpdateStrategy `json:"updateStrategy,omitzero"`

	// Operator: how drift is handled, that is, changes of declared fields outside
	// of the operator. Correct (default) corrects drift that needs no restart at
	// once, and other drift at the next restart; CorrectWithRestart handles drift
	// like a changed spec, by updateStrategy; Warn only reports drift.
	// +optional
	DriftPolicy DriftPolicy `json:"driftPolicy,omitempty"`

	// Operator: Report shows in the condition PolicyCompliant and in
	// status.violations whether the cluster complies with its cluster policy;
	// Enforce also lets Databricks change the cluster until it does, at once where
	// updateStrategy permits a restart, else when the cluster is down. Absent: the
	// workspace is not asked.
	// +optional
	PolicyCompliance PolicyCompliance `json:"policyCompliance,omitempty"`

	// Operator: what happens to the cluster when the object is deleted. Delete
	// deletes it permanently, Terminate stops it, Retain does not change it.
	// Absent: Retain if clusterID is set, else Delete. May be changed while the
	// object is being deleted: Retain completes the deletion at once, without
	// credentials.
	// +optional
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`

	// Operator: true prevents the deletion of this object.
	// +optional
	DeletionProtection bool `json:"deletionProtection,omitempty"`

	// Operator: true pins the cluster, so that Databricks does not purge it 30
	// days after its termination; false unpins it. The credential must be that of
	// a workspace admin. Absent: not managed.
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

	// Operator: direct permissions on the cluster, authoritative if set: []
	// removes all of them. The operator's own permission and inherited ones are
	// never removed. Absent: not managed.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:XValidation:reason=FieldValueForbidden,rule="self.all(a, self.exists_one(b, has(a.userName) ? has(b.userName) && a.userName == b.userName : has(a.groupName) ? has(b.groupName) && a.groupName == b.groupName : has(a.servicePrincipalName) == has(b.servicePrincipalName) && (!has(a.servicePrincipalName) || a.servicePrincipalName == b.servicePrincipalName)))",message="each userName, groupName and servicePrincipalName may stand once: keep the entry with the highest permissionLevel"
	AccessControlList []AccessControl `json:"accessControlList,omitzero"`

	// Operator: a ConfigMap that the operator creates with DATABRICKS_HOST,
	// DATABRICKS_CLUSTER_ID and the JDBC HTTP path; it contains no secret. The
	// namespace must bind the ClusterRole output-configmap-writer to the operator.
	// +optional
	OutputConfigMap *OutputConfigMap `json:"outputConfigMap,omitzero"`
}

// Connection is a workspace and the credential for it.
//
// +structType=atomic
// +kubebuilder:validation:XValidation:reason=FieldValueForbidden,rule="[has(self.secretRef), has(self.workloadIdentity), has(self.workspaceRef)].exists_one(chosen, chosen)",message="set exactly one of secretRef, workloadIdentity and workspaceRef"
type Connection struct {
	// Operator: a Secret in this namespace with the host and the credential,
	// under the SDK's attribute names (host, token, client_id, client_secret) or
	// its environment names (DATABRICKS_HOST, DATABRICKS_TOKEN).
	// +optional
	SecretRef *LocalSecretReference `json:"secretRef,omitzero"`

	// Operator: a service account of this namespace whose short-lived token is
	// exchanged for a Databricks token; no Secret is needed.
	// +optional
	WorkloadIdentity *WorkloadIdentity `json:"workloadIdentity,omitzero"`

	// Operator: a cluster-scoped DatabricksWorkspace of the platform team. Its
	// users cannot read its credential.
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

// WorkloadIdentity is a service account whose tokens Databricks accepts by a
// federation policy, or Entra ID by a federated credential.
// +kubebuilder:validation:XValidation:reason=FieldValueInvalid,rule="!has(self.azureTenantID) || (has(self.clientID) && !has(self.audience))",message="azureTenantID needs clientID, the id of the application in Entra ID, and no audience"
type WorkloadIdentity struct {
	// Operator: address of the workspace: https:// and the host name only.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=261
	// +kubebuilder:validation:XValidation:reason=FieldValueInvalid,rule="self.matches('^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?$')",message="host must be https:// and the host name alone, such as https://adb-123.4.azuredatabricks.net"
	Host string `json:"host,omitempty"`

	// Operator: application id of the service principal to authenticate as. Absent: an
	// account-wide federation policy selects it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	ClientID string `json:"clientID,omitempty"`

	// Operator: service account in this namespace whose token is exchanged.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	ServiceAccountName string `json:"serviceAccountName,omitempty"`

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

// AdoptionPolicy is what happens before the first cluster of an object is created.
//
// +kubebuilder:validation:Enum=Never;AdoptOrCreate
type AdoptionPolicy string

const (
	// AdoptionPolicyNever creates a cluster without a search. The default.
	AdoptionPolicyNever AdoptionPolicy = "Never"
	// AdoptionPolicyAdoptOrCreate adopts the cluster of an earlier object of the same
	// namespace and name.
	AdoptionPolicyAdoptOrCreate AdoptionPolicy = "AdoptOrCreate"
)

// ManagementPolicy is whether the operator manages or only observes the cluster.
//
// +kubebuilder:validation:Enum=Manage;Observe
type ManagementPolicy string

const (
	// ManagementPolicyManage keeps the cluster as declared. The default.
	ManagementPolicyManage ManagementPolicy = "Manage"
	// ManagementPolicyObserve reports the state of a cluster and never writes or
	// deletes.
	ManagementPolicyObserve ManagementPolicy = "Observe"
)

// RunPolicy is whether the operator starts or stops the cluster.
//
// +kubebuilder:validation:Enum=Manual;Running;Terminated;Scheduled
type RunPolicy string

const (
	// RunPolicyManual leaves starts and stops to users, jobs and auto-termination.
	// The default.
	RunPolicyManual RunPolicy = "Manual"
	// RunPolicyRunning starts the cluster whenever it is terminated.
	RunPolicyRunning RunPolicy = "Running"
	// RunPolicyTerminated keeps the cluster stopped.
	RunPolicyTerminated RunPolicy = "Terminated"
	// RunPolicyScheduled starts and stops the cluster by a schedule.
	RunPolicyScheduled RunPolicy = "Scheduled"
)

// UpdateStrategy is when a change that restarts a running cluster is applied.
//
// +kubebuilder:validation:XValidation:fieldPath=".maxWaitMinutes",reason=FieldValueForbidden,rule="!has(self.maxWaitMinutes) || self.?type.orValue('Restart') != 'Restart'",message="maxWaitMinutes needs type: OnTermination or Window; with Restart nothing waits"
// +kubebuilder:validation:XValidation:fieldPath=".windows",reason=FieldValueForbidden,rule="has(self.windows) == (self.?type.orValue('Restart') == 'Window')",message="windows and type: Window need each other: set both, or remove both"
type UpdateStrategy struct {
	// Operator: Restart (default) applies it now; OnTermination waits until the
	// cluster is terminated, or restarted for another reason; Window waits for that
	// or for one of windows.
	// +optional
	Type UpdateStrategyType `json:"type,omitempty"`

	// Operator: times at which Window may restart the cluster, 1 to 20.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=20
	Windows []UpdateWindow `json:"windows,omitempty"` //nolint:kubeapilinter // from and to are required and inlined

	// Operator: maximum minutes that OnTermination and Window wait before they restart
	// the cluster, 1 to 43200 (30 days). Absent: no maximum.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=43200
	MaxWaitMinutes *int32 `json:"maxWaitMinutes,omitempty"`
}

// UpdateStrategyType is the kind of an UpdateStrategy.
//
// +kubebuilder:validation:Enum=Restart;OnTermination;Window
type UpdateStrategyType string

const (
	// UpdateStrategyRestart applies a change now, with a restart. The default.
	UpdateStrategyRestart UpdateStrategyType = "Restart"
	// UpdateStrategyOnTermination waits until the cluster is terminated, or restarted
	// for another reason.
	UpdateStrategyOnTermination UpdateStrategyType = "OnTermination"
	// UpdateStrategyWindow waits for a window, or until the cluster is terminated or
	// restarted for another reason.
	UpdateStrategyWindow UpdateStrategyType = "Window"
)

// DriftPolicy is how drift of owned fields is handled.
//
// +kubebuilder:validation:Enum=Correct;CorrectWithRestart;Warn
type DriftPolicy string

const (
	// DriftPolicyCorrect corrects drift that needs no restart at once, and other drift
	// at the next restart. The default.
	DriftPolicyCorrect DriftPolicy = "Correct"
	// DriftPolicyCorrectWithRestart handles drift like a changed spec.
	DriftPolicyCorrectWithRestart DriftPolicy = "CorrectWithRestart"
	// DriftPolicyWarn reports drift and corrects nothing.
	DriftPolicyWarn DriftPolicy = "Warn"
)

// PolicyCompliance is how the compliance with the cluster policy is handled.
//
// +kubebuilder:validation:Enum=Report;Enforce
type PolicyCompliance string

const (
	// PolicyComplianceReport reports violations and changes nothing.
	PolicyComplianceReport PolicyCompliance = "Report"
	// PolicyComplianceEnforce lets Databricks enforce the policy on the cluster.
	PolicyComplianceEnforce PolicyCompliance = "Enforce"
)

// DeletionPolicy is what happens to the cluster when its object is deleted.
//
// +kubebuilder:validation:Enum=Delete;Terminate;Retain
type DeletionPolicy string

const (
	// DeletionPolicyDelete deletes the cluster permanently. The default without
	// clusterID.
	DeletionPolicyDelete DeletionPolicy = "Delete"
	// DeletionPolicyTerminate stops the cluster.
	DeletionPolicyTerminate DeletionPolicy = "Terminate"
	// DeletionPolicyRetain does not change the cluster. The default with clusterID.
	DeletionPolicyRetain DeletionPolicy = "Retain"
)

// AccessControl grants one permission level to one principal.
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

// PermissionLevel is a permission level of the Permissions API, verbatim.
//
// +kubebuilder:validation:Enum=CAN_ATTACH_TO;CAN_RESTART;CAN_MANAGE
type PermissionLevel string

// The permission levels of a cluster.
const (
	PermissionLevelCanAttachTo PermissionLevel = "CAN_ATTACH_TO"
	PermissionLevelCanRestart  PermissionLevel = "CAN_RESTART"
	PermissionLevelCanManage   PermissionLevel = "CAN_MANAGE"
)

// OutputConfigMap names the ConfigMap with the address of the cluster.
type OutputConfigMap struct {
	// Operator: name of a ConfigMap in this namespace. This object creates and
	// owns it; an existing one is refused.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name,omitempty"`
}
