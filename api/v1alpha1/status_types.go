package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// DatabricksClusterStatus is what is known about an object's cluster. States
// and codes of Databricks are open strings, verbatim. The operator bounds
// what it writes here; the schema bounds only lists, so that a status is
// never refused for a long message.
type DatabricksClusterStatus struct {
	// The generation of the spec that this status is about; -1 before the first
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

	// Address of the workspace the cluster lives in; the object is bound to it.
	// +optional
	Host string `json:"host,omitempty"`

	// Page of the cluster in the workspace.
	// +optional
	URL string `json:"url,omitempty"`

	// Id of the workspace, where Databricks tells it.
	// +optional
	WorkspaceID string `json:"workspaceID,omitempty"`

	// State of the cluster: PENDING, RUNNING, RESTARTING, RESIZING, TERMINATING,
	// TERMINATED, or what Databricks adds.
	// +optional
	State string `json:"state,omitempty"`

	// What Databricks says about the last change of state.
	// +optional
	StateMessage string `json:"stateMessage,omitempty"`

	// Why the cluster ended; only while it is TERMINATING or TERMINATED.
	// +optional
	TerminationReason *TerminationReason `json:"terminationReason,omitzero"`

	// Workers the cluster has now.
	// +optional
	NumWorkers *int32 `json:"numWorkers,omitempty"`

	// Workers the cluster is going to have.
	// +optional
	TargetWorkers *int32 `json:"targetWorkers,omitempty"`

	// Label selector for the scale subresource. It selects no pods: workers are
	// not pods.
	// +optional
	Selector string `json:"selector,omitempty"`

	// Whether the cluster was adopted instead of created.
	// +optional
	Adopted bool `json:"adopted,omitempty"`

	// Whether the cluster is pinned, where that is known.
	// +optional
	Pinned *bool `json:"pinned,omitempty"`

	// Values in effect, whoever set them: spec, policy, server or operator.
	// +optional
	Effective *EffectiveSpec `json:"effective,omitzero"`

	// Fields whose changes wait for the cluster to be down or restarted, as JSON
	// Pointers into spec.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=512
	PendingChanges []string `json:"pendingChanges,omitempty"`

	// Differences that were not corrected, those included that the server made, 20 at most.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Drift []DriftedField `json:"drift,omitempty"`

	// Declared libraries and how far they are.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=200
	Libraries []LibraryStatus `json:"libraries,omitempty"`

	// When the creation of the cluster was asked for.
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`

	// When the cluster was last started or restarted.
	// +optional
	LastRestartedTime *metav1.Time `json:"lastRestartedTime,omitempty"`

	// When the cluster ended; absent while it is up.
	// +optional
	TerminatedTime *metav1.Time `json:"terminatedTime,omitempty"`

	// The creation under way. Only the incarnation stays once it is settled and compared.
	// +optional
	Creation *CreationIntent `json:"creation,omitzero"`

	// Fields of the cluster that this object has set, as JSON Pointers into spec,
	// never values.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=1024
	OwnedFields []string `json:"ownedFields,omitempty"`

	// Digest of the declared cluster fields that were last in place, such as v1:0123456789abcdef: while it
	// matches the spec, any difference was changed elsewhere.
	// +optional
	AppliedDigest string `json:"appliedDigest,omitempty"`

	// Digest of the secret values that were last sent and that Databricks does not show again, too short to
	// confirm a guess at them.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	SecretsDigest string `json:"secretsDigest,omitempty"`

	// Fields for which the server keeps another value than it was asked for. Nothing is sent for them until
	// the spec or the value in effect changes.
	// +optional
	// +listType=map
	// +listMapKey=path
	// +kubebuilder:validation:MaxItems=64
	NormalizedFields []NormalizedField `json:"normalizedFields,omitempty"`

	// Corrections of what others changed, by subject. An hour after the last reversal, or with an edit of
	// the object, a subject is counted anew.
	// +optional
	// +listType=map
	// +listMapKey=subject
	// +kubebuilder:validation:MaxItems=100
	Corrections []Correction `json:"corrections,omitempty"`

	// Since when changes wait for the cluster to be down or restarted.
	// +optional
	PendingSince *metav1.Time `json:"pendingSince,omitempty"`

	// Answer to the request annotation.
	// +optional
	Request *RequestStatus `json:"request,omitzero"`
}

// TerminationReason says why a cluster ended, verbatim.
type TerminationReason struct {
	// What happened, such as INACTIVITY or INIT_SCRIPT_FAILURE.
	// +optional
	Code string `json:"code,omitempty"`

	// Whose doing it was: SUCCESS, CLIENT_ERROR, SERVICE_FAULT, CLOUD_FAILURE, or
	// what Databricks adds.
	// +optional
	Type string `json:"type,omitempty"`

	// Details by name.
	// +optional
	Parameters map[string]string `json:"parameters,omitempty"`
}

// Types of a TerminationReason on which decisions branch.
const (
	// TerminationTypeSuccess is a normal end: inactivity, a request, a job that
	// finished.
	TerminationTypeSuccess = "SUCCESS"
	// TerminationTypeClientError needs a change by a person.
	TerminationTypeClientError = "CLIENT_ERROR"
	// TerminationTypeServiceFault is Databricks' fault and worth another start.
	TerminationTypeServiceFault = "SERVICE_FAULT"
	// TerminationTypeCloudFailure is the cloud's fault and worth another start.
	TerminationTypeCloudFailure = "CLOUD_FAILURE"
)

// EffectiveSpec is what a cluster runs with, whoever decided it.
type EffectiveSpec struct {
	// Runtime.
	// +optional
	SparkVersion string `json:"sparkVersion,omitempty"`

	// What that runtime is, in words: its release, then ML, GPU and Photon where it is that. Empty for a
	// special image.
	// +optional
	Runtime string `json:"runtime,omitempty"`

	// Machine type of the workers.
	// +optional
	NodeTypeID string `json:"nodeTypeID,omitempty"`

	// Machine type of the driver.
	// +optional
	DriverNodeTypeID string `json:"driverNodeTypeID,omitempty"`

	// Access mode, by the name Databricks answers with.
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

	// What becomes of the cluster when this object is deleted.
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

// NormalizedField is a field for which the server keeps another value than it was
// asked for.
type NormalizedField struct {
	// JSON Pointer into spec.
	// +required
	Path string `json:"path,omitempty"`

	// Digest of the path with its desired and actual values.
	// +required
	Digest string `json:"digest,omitempty"`
}

// Correction counts how often others set back one subject of an object.
type Correction struct {
	// JSON Pointer into spec, or one of size, power, existence, pin, permissions
	// and libraries.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Subject string `json:"subject,omitempty"`

	// Reversals seen within the hour before the last one.
	// +optional
	Count int32 `json:"count,omitempty"`

	// When the first of them was seen.
	// +optional
	FirstTime *metav1.Time `json:"firstTime,omitempty"`

	// When the last of them was seen.
	// +optional
	LastTime *metav1.Time `json:"lastTime,omitempty"`

	// When the subject was last corrected; absent while a reversal waits for its
	// correction.
	// +optional
	CorrectedTime *metav1.Time `json:"correctedTime,omitempty"`
}

// LibraryStatus says how far a declared library is.
type LibraryStatus struct {
	// The library as declared.
	// +required
	Library Library `json:"library"`

	// PENDING, RESOLVING, INSTALLING, INSTALLED, SKIPPED, FAILED,
	// UNINSTALL_ON_RESTART, RESTORED, or what Databricks adds.
	// +optional
	Status string `json:"status,omitempty"`

	// What Databricks says about it.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Messages []string `json:"messages,omitempty"`
}

// CreationIntent is what the operator persists before it asks for a cluster,
// so that whoever finds it knows that a cluster may exist.
type CreationIntent struct {
	// Idempotency token of the request; empty once the creation is settled.
	// +optional
	Token string `json:"token,omitempty"`

	// Counts the clusters this object has had; a cluster that was lost and is
	// made anew is the next one.
	// +optional
	Incarnation int64 `json:"incarnation,omitempty"`

	// Counts the tries at this incarnation.
	// +optional
	Attempt int64 `json:"attempt,omitempty"`

	// Until when the request may be sent, in whole seconds.
	// +optional
	NotAfter *metav1.Time `json:"notAfter,omitempty"`

	// Digest of the declared cluster fields that the request asked for, until its cluster was first compared.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Digest string `json:"digest,omitempty"`
}

// RequestStatus is the answer to one value of the request annotation.
type RequestStatus struct {
	// The annotation's value that this answers.
	// +optional
	Value string `json:"value,omitempty"`

	// Accepted, InProgress, Succeeded, Refused or Failed.
	// +optional
	Phase RequestPhase `json:"phase,omitempty"`

	// What happened, and what to do where it was refused or failed.
	// +optional
	Message string `json:"message,omitempty"`

	// When the cluster had last been restarted as the request was accepted; a
	// later restart is the request's.
	// +optional
	RestartedTimeBefore *metav1.Time `json:"restartedTimeBefore,omitempty"`
}

// RequestPhase is how far a request is.
//
// +kubebuilder:validation:Enum=Accepted;InProgress;Succeeded;Refused;Failed
type RequestPhase string

const (
	// RequestAccepted is noted and not yet acted on.
	RequestAccepted RequestPhase = "Accepted"
	// RequestInProgress was sent and is not yet done.
	RequestInProgress RequestPhase = "InProgress"
	// RequestSucceeded is done.
	RequestSucceeded RequestPhase = "Succeeded"
	// RequestRefused will not be done, by policy or because it came with a new
	// object.
	RequestRefused RequestPhase = "Refused"
	// RequestFailed was tried and did not work.
	RequestFailed RequestPhase = "Failed"
)
