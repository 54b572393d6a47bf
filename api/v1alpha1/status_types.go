package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// DatabricksClusterStatus is the observed state of a cluster. States and codes of
// Databricks are open strings, verbatim. The schema bounds only lists, so that no
// status is refused because of a long message; the operator bounds its texts itself.
type DatabricksClusterStatus struct {
	// Generation of the spec that this status describes; -1 before the first
	// evaluation.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Ready, Synced, Running and LibrariesReady; Reconciling, Stalled and
	// Suspended while they apply.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// Id of the cluster in the workspace.
	// +optional
	// +kubebuilder:validation:MaxLength=100
	ClusterID string `json:"clusterID,omitempty"`

	// Address of the workspace of the cluster; the object is bound to it.
	// +optional
	Host string `json:"host,omitempty"`

	// URL of the cluster's page in the workspace.
	// +optional
	URL string `json:"url,omitempty"`

	// Id of the workspace, if Databricks returns it.
	// +optional
	WorkspaceID string `json:"workspaceID,omitempty"`

	// State of the cluster: PENDING, RUNNING, RESTARTING, RESIZING, TERMINATING,
	// TERMINATED, or a later addition of Databricks.
	// +optional
	State string `json:"state,omitempty"`

	// Message of Databricks about the last change of state.
	// +optional
	StateMessage string `json:"stateMessage,omitempty"`

	// Why the cluster was terminated; only while it is TERMINATING or TERMINATED.
	// +optional
	TerminationReason *TerminationReason `json:"terminationReason,omitzero"`

	// Current number of workers.
	// +optional
	NumWorkers *int32 `json:"numWorkers,omitempty"`

	// Target number of workers.
	// +optional
	TargetWorkers *int32 `json:"targetWorkers,omitempty"`

	// Label selector for the scale subresource. It selects no pods: workers are
	// not pods.
	// +optional
	Selector string `json:"selector,omitempty"`

	// Whether the cluster was adopted instead of created.
	// +optional
	Adopted bool `json:"adopted,omitempty"`

	// Whether the cluster is pinned; absent if not known.
	// +optional
	Pinned *bool `json:"pinned,omitempty"`

	// Values in effect, as set by the spec, the policy, the server or the operator.
	// +optional
	Effective *EffectiveSpec `json:"effective,omitzero"`

	// Fields whose changes wait for a termination or restart of the cluster, as
	// JSON Pointers into spec.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=512
	PendingChanges []string `json:"pendingChanges,omitempty"`

	// Differences that were not corrected, including those made by the server; at
	// most 20.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Drift []DriftedField `json:"drift,omitempty"`

	// Values that violate the policy of the cluster, with spec.policyCompliance; at
	// most 20, sorted by path.
	// +optional
	// +listType=map
	// +listMapKey=path
	// +kubebuilder:validation:MaxItems=20
	Violations []PolicyViolation `json:"violations,omitempty"`

	// Installation status of the declared libraries.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=200
	Libraries []LibraryStatus `json:"libraries,omitempty"`

	// When the creation of the cluster was requested.
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`

	// When the cluster was last started or restarted.
	// +optional
	LastRestartedTime *metav1.Time `json:"lastRestartedTime,omitempty"`

	// When the cluster was terminated; absent while it runs.
	// +optional
	TerminatedTime *metav1.Time `json:"terminatedTime,omitempty"`

	// The creation in progress. Only the incarnation remains after the first
	// comparison of the created cluster.
	// +optional
	Creation *CreationIntent `json:"creation,omitzero"`

	// Fields of the cluster that this object has set, as JSON Pointers into spec,
	// never values.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=1024
	OwnedFields []string `json:"ownedFields,omitempty"`

	// Digest of the last applied cluster fields, such as v1:0123456789abcdef. While
	// it matches the spec, any difference is drift.
	// +optional
	AppliedDigest string `json:"appliedDigest,omitempty"`

	// Digest of the last sent secret values that Databricks does not return. It is
	// too short to confirm a guessed value.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	SecretsDigest string `json:"secretsDigest,omitempty"`

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

	// Since when changes wait for a termination or restart of the cluster.
	// +optional
	PendingSince *metav1.Time `json:"pendingSince,omitempty"`

	// What the names and selectors of the spec stand for in the workspace.
	// +optional
	Resolved *ResolvedStatus `json:"resolved,omitzero"`

	// Where the object is in its schedule, with runPolicy Scheduled.
	// +optional
	Schedule *ScheduleStatus `json:"schedule,omitempty"`

	// Result of the request annotation.
	// +optional
	Request *RequestStatus `json:"request,omitzero"`
}

// TerminationReason is why a cluster was terminated, verbatim.
type TerminationReason struct {
	// Code of the reason, such as INACTIVITY or INIT_SCRIPT_FAILURE.
	// +optional
	Code string `json:"code,omitempty"`

	// Type of the reason: SUCCESS, CLIENT_ERROR, SERVICE_FAULT, CLOUD_FAILURE, or a
	// later addition of Databricks.
	// +optional
	Type string `json:"type,omitempty"`

	// Details by name.
	// +optional
	Parameters map[string]string `json:"parameters,omitempty"`
}

// Types of a TerminationReason that the operator handles differently.
const (
	// TerminationTypeSuccess is a normal termination: by inactivity, on request, or
	// after a job.
	TerminationTypeSuccess = "SUCCESS"
	// TerminationTypeClientError needs a change by a user.
	TerminationTypeClientError = "CLIENT_ERROR"
	// TerminationTypeServiceFault is a fault of Databricks; a new start may succeed.
	TerminationTypeServiceFault = "SERVICE_FAULT"
	// TerminationTypeCloudFailure is a fault of the cloud; a new start may succeed.
	TerminationTypeCloudFailure = "CLOUD_FAILURE"
)

// EffectiveSpec has the values in effect of a cluster.
type EffectiveSpec struct {
	// Runtime.
	// +optional
	SparkVersion string `json:"sparkVersion,omitempty"`

	// Description of the runtime: its release, then ML, GPU and Photon if they
	// apply. Empty for a special image.
	// +optional
	Runtime string `json:"runtime,omitempty"`

	// Machine type of the workers.
	// +optional
	NodeTypeID string `json:"nodeTypeID,omitempty"`

	// Machine type of the driver.
	// +optional
	DriverNodeTypeID string `json:"driverNodeTypeID,omitempty"`

	// Access mode, by the name that Databricks returns.
	// +optional
	DataSecurityMode string `json:"dataSecurityMode,omitempty"`

	// Cluster policy.
	// +optional
	PolicyID string `json:"policyID,omitempty"`

	// Minutes of inactivity until termination; 0 means never.
	// +optional
	AutoterminationMinutes *int32 `json:"autoterminationMinutes,omitempty"`

	// The one user or group that may use the cluster.
	// +optional
	SingleUserName string `json:"singleUserName,omitempty"`

	// Power policy: that of the spec, or Manual.
	// +optional
	RunPolicy RunPolicy `json:"runPolicy,omitempty"`

	// What happens to the cluster when this object is deleted.
	// +optional
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`
}

// DriftedField is one difference between the object and its cluster. Values
// that may hold a secret are redacted.
type DriftedField struct {
	// JSON Pointer into spec.
	// +required
	Path string `json:"path,omitempty"`

	// Value of the spec.
	// +optional
	Desired string `json:"desired,omitempty"`

	// Value of the cluster.
	// +optional
	Actual string `json:"actual,omitempty"`
}

// PolicyViolation is a value that violates the policy of the cluster.
type PolicyViolation struct {
	// Path in the policy language, such as spark_conf.spark.speculation.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Path string `json:"path,omitempty"`

	// Message of Databricks.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// NormalizedField is a field for which the server keeps another value than the
// requested one.
type NormalizedField struct {
	// JSON Pointer into spec.
	// +required
	Path string `json:"path,omitempty"`

	// Digest of the path with its desired and actual values.
	// +required
	Digest string `json:"digest,omitempty"`
}

// Correction counts how often other actors reverted one subject of an object.
type Correction struct {
	// JSON Pointer into spec, or one of size, power, existence, pin, permissions
	// and libraries.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Subject string `json:"subject,omitempty"`

	// Reversals observed within the hour before the last one.
	// +optional
	Count int32 `json:"count,omitempty"`

	// When the first of them was observed.
	// +optional
	FirstTime *metav1.Time `json:"firstTime,omitempty"`

	// When the last of them was observed.
	// +optional
	LastTime *metav1.Time `json:"lastTime,omitempty"`

	// When the subject was last corrected; absent while a reversal waits for its
	// correction.
	// +optional
	CorrectedTime *metav1.Time `json:"correctedTime,omitempty"`
}

// LibraryStatus is the installation status of a declared library.
type LibraryStatus struct {
	// The library as declared.
	// +required
	Library Library `json:"library"`

	// PENDING, RESOLVING, INSTALLING, INSTALLED, SKIPPED, FAILED,
	// UNINSTALL_ON_RESTART, RESTORED, or a later addition of Databricks.
	// +optional
	Status string `json:"status,omitempty"`

	// Messages of Databricks about it.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Messages []string `json:"messages,omitempty"`
}

// CreationIntent is persisted before the operator requests a cluster. It records that
// a cluster may exist.
type CreationIntent struct {
	// Idempotency token of the request; empty once the creation is completed.
	// +optional
	Token string `json:"token,omitempty"`

	// Number of clusters that this object has created, including this one.
	// +optional
	Incarnation int64 `json:"incarnation,omitempty"`

	// Number of create attempts for this incarnation.
	// +optional
	Attempt int64 `json:"attempt,omitempty"`

	// Deadline for sending the request, in whole seconds.
	// +optional
	NotAfter *metav1.Time `json:"notAfter,omitempty"`

	// Digest of the requested cluster fields, until the cluster is first compared.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Digest string `json:"digest,omitempty"`
}

// RequestStatus is the result of one value of the request annotation.
type RequestStatus struct {
	// Value of the annotation. One of more than 256 characters is refused and
	// shown by its beginning and its digest.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Value string `json:"value,omitempty"`

	// Accepted, InProgress, Succeeded, Refused or Failed.
	// +optional
	Phase RequestPhase `json:"phase,omitempty"`

	// The value again once the phase is Succeeded, Refused or Failed, so that a script
	// waits for one thing.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Finished string `json:"finished,omitempty"`

	// Result, with the remedy if the request was refused or failed.
	// +optional
	Message string `json:"message,omitempty"`

	// When the cluster had last been restarted before the request was accepted. A
	// later restart completes the request.
	// +optional
	RestartedTimeBefore *metav1.Time `json:"restartedTimeBefore,omitempty"`
}

// RequestPhase is the phase of a request.
//
// +kubebuilder:validation:Enum=Accepted;InProgress;Succeeded;Refused;Failed
type RequestPhase string

const (
	// RequestAccepted: the request is recorded and not yet sent.
	RequestAccepted RequestPhase = "Accepted"
	// RequestInProgress: the request was sent and is not yet completed.
	RequestInProgress RequestPhase = "InProgress"
	// RequestSucceeded: the request is completed.
	RequestSucceeded RequestPhase = "Succeeded"
	// RequestRefused: the request will not be sent, because of a policy or because it
	// was set on a new object.
	RequestRefused RequestPhase = "Refused"
	// RequestFailed: the request was sent and failed.
	RequestFailed RequestPhase = "Failed"
)

// ResolvedStatus has the ids that the names, references and selectors of a spec stand for.
type ResolvedStatus struct {
	// Id of spec.policyName or spec.policyRef.
	// +optional
	PolicyID string `json:"policyID,omitempty"`

	// Id of spec.instancePoolName or spec.instancePoolRef.
	// +optional
	InstancePoolID string `json:"instancePoolID,omitempty"`

	// Id of spec.driverInstancePoolName or spec.driverInstancePoolRef.
	// +optional
	DriverInstancePoolID string `json:"driverInstancePoolID,omitempty"`

	// Runtime of spec.sparkVersionSelector.
	// +optional
	SparkVersion string `json:"sparkVersion,omitempty"`

	// Machine type of spec.nodeTypeSelector.
	// +optional
	NodeTypeID string `json:"nodeTypeID,omitempty"`

	// Machine type of spec.driverNodeTypeSelector.
	// +optional
	DriverNodeTypeID string `json:"driverNodeTypeID,omitempty"`

	// The name, the name of the referenced object, or the selector that each of them is
	// for, by its field of the spec.
	// +optional
	For map[string]string `json:"for,omitempty"`
}
