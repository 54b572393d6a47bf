package v1alpha1

// Condition types. Reconciling and Stalled are present only while they are
// true, and never together; Suspended only while the object is suspended.
const (
	// ConditionReady reports that the cluster is usable under its policies and no change is pending.
	ConditionReady = "Ready"
	// ConditionSynced reports that the last comparison succeeded and the remote configuration matches.
	ConditionSynced = "Synced"
	// ConditionRunning reports that the cluster is RUNNING or RESIZING.
	ConditionRunning = "Running"
	// ConditionLibrariesReady reports that every declared library is installed; Unknown while the cluster is not running.
	ConditionLibrariesReady = "LibrariesReady"
	// ConditionPolicyCompliant reports whether the cluster complies with its cluster policy; Unknown until the workspace told.
	// It is present only with spec.policyCompliance.
	ConditionPolicyCompliant = "PolicyCompliant"
	// ConditionSuspended reports that writes stopped because spec.suspend is true.
	ConditionSuspended = "Suspended"
	// ConditionReconciling reports that the operator is working on the object. kstatus defines the name.
	ConditionReconciling = "Reconciling"
	// ConditionStalled reports that the operator cannot continue until a user changes something. kstatus defines the name.
	ConditionStalled = "Stalled"
)

// Reasons of Ready=True. Ready=False has the reason of Reconciling or Stalled.
const (
	// ReasonRunning means that the cluster runs. It is also the reason of Running=True.
	ReasonRunning = "Running"
	// ReasonTerminatedNormally means that the cluster was terminated by inactivity or on request under
	// runPolicy Manual. Start it in Databricks or by the request annotation, or set runPolicy Running.
	ReasonTerminatedNormally = "TerminatedNormally"
	// ReasonTerminatedBySchedule means that the cluster is down outside of the hours of its schedule. Wait for
	// status.schedule.nextTransitionTime, or start it by a request.
	ReasonTerminatedBySchedule = "TerminatedBySchedule"
	// ReasonTerminatedByRunPolicy means that the cluster is kept stopped. Set another runPolicy to use it.
	ReasonTerminatedByRunPolicy = "TerminatedByRunPolicy"
	// ReasonObserved means that the cluster is observed and not managed. The state of the cluster does not matter.
	ReasonObserved = "Observed"
	// ReasonChangesDeferred means that updateStrategy OnTermination or Window defers changes; Synced names them.
	// Restart or terminate the cluster to apply them now.
	ReasonChangesDeferred = "ChangesDeferred"
	// ReasonDriftTolerated means that there is drift which driftPolicy does not correct now; Synced and
	// status.drift name the fields.
	ReasonDriftTolerated = "DriftTolerated"
	// ReasonPurged means that Databricks purged the idle cluster, 30 days after its termination. It is
	// created again for runPolicy Running, a start request or a changed spec.
	ReasonPurged = "Purged"
	// ReasonAvailable means that the policy or the instance pool exists as declared.
	ReasonAvailable = "Available"
	// ReasonConnected means that the workspace accepts the credential. Ready=True of a
	// DatabricksWorkspace.
	ReasonConnected = "Connected"
)

// Reasons of Synced.
const (
	// ReasonInSync means that every field of this object is as declared. Synced=True.
	ReasonInSync = "InSync"
	// ReasonNotCompared means that no comparison has been made yet. Synced=Unknown.
	ReasonNotCompared = "NotCompared"
	// ReasonDriftDetected means that fields of this object were changed outside of the operator. Change them
	// back, change the spec, or set another driftPolicy. Synced=False.
	ReasonDriftDetected = "DriftDetected"
	// ReasonServerNormalized means that the server keeps other values than the requested ones; the message
	// and status.drift name them. They are not sent again. Declare the values that the server keeps, or
	// accept the difference. Synced=False.
	ReasonServerNormalized = "ServerNormalized"
	// ReasonPendingRestart means that changes of the spec wait for a termination or restart of the cluster.
	// Restart it to apply them now. Synced=False.
	ReasonPendingRestart = "PendingRestart"
	// ReasonContended means that another actor reverted a correction of this operator for the fourth time
	// within an hour. Corrections continue with backoff. Find the other actor, or change the spec.
	// Synced=False, and Reconciling if the cluster waits for the correction.
	ReasonContended = "Contended"
	// ReasonUpdateFailed means that Databricks refused a change; the message is that of Databricks. Change
	// the spec, or correct the cause in the message. Synced=False.
	ReasonUpdateFailed = "UpdateFailed"
	// ReasonAPIUnavailable means that the workspace cannot be reached or returns unusable answers, so that
	// no comparison was possible. It is retried. Synced=Unknown.
	ReasonAPIUnavailable = "APIUnavailable"
	// ReasonRateLimited means that Databricks throttles the calls to this workspace. They are retried when
	// Databricks allows it. Synced=Unknown, and Reconciling if a change is pending.
	ReasonRateLimited = "RateLimited"
)

// Further reasons of Running and LibrariesReady.
const (
	// ReasonNotRunning means that the cluster is neither RUNNING nor RESIZING.
	ReasonNotRunning = "NotRunning"
	// ReasonLibrariesInstalled means that every declared library is installed. LibrariesReady=True.
	ReasonLibrariesInstalled = "LibrariesInstalled"
)

// Reasons of PolicyCompliant. Unknown also has the reasons of failed calls.
const (
	// ReasonCompliant means that the cluster complies with its policy. PolicyCompliant=True.
	ReasonCompliant = "Compliant"
	// ReasonPolicyViolated means that values of the cluster violate its policy; status.violations names them.
	// Change the spec or the policy, or set policyCompliance Enforce. PolicyCompliant=False.
	ReasonPolicyViolated = "PolicyViolated"
	// ReasonNoPolicy means that the cluster has no policy. Set policyID, policyName or policyRef. PolicyCompliant=Unknown.
	ReasonNoPolicy = "NoPolicy"
	// ReasonNotChecked means that the workspace has not told the compliance of the cluster yet.
	// PolicyCompliant=Unknown.
	ReasonNotChecked = "NotChecked"
)

// ReasonSuspended means that spec.suspend is true. Set it to false to resume.
const ReasonSuspended = "Suspended"

// Reasons of Reconciling. They need no action unless their meaning names one.
const (
	// ReasonCreating means that the cluster is requested or launches for the first time.
	ReasonCreating = "Creating"
	// ReasonStarting means that the cluster launches again.
	ReasonStarting = "Starting"
	// ReasonUpdating means that a changed spec is being applied.
	ReasonUpdating = "Updating"
	// ReasonResizing means that workers are added or removed.
	ReasonResizing = "Resizing"
	// ReasonRestarting means that the cluster restarts.
	ReasonRestarting = "Restarting"
	// ReasonTerminating means that the cluster is being stopped.
	ReasonTerminating = "Terminating"
	// ReasonInstallingLibraries means that declared libraries are being installed.
	ReasonInstallingLibraries = "InstallingLibraries"
	// ReasonDeleting means that the object is being deleted and deletionPolicy is applied to the cluster.
	ReasonDeleting = "Deleting"
	// ReasonRetryingAfterError means that a call failed and is retried; the message is the error.
	ReasonRetryingAfterError = "RetryingAfterError"
	// ReasonUnknownState means that this operator does not know the state of the cluster. It waits for
	// another state.
	ReasonUnknownState = "UnknownState"
	// ReasonDependencyNotReady means that the object which policyRef, instancePoolRef or driverInstancePoolRef
	// names does not exist or is not Ready yet. Create it, or see its conditions. An existing cluster stays as it is.
	ReasonDependencyNotReady = "DependencyNotReady"
	// ReasonCredentialsNotReady means that the Secret, service account or DatabricksWorkspace that
	// spec.connection names does not exist yet. Create it.
	ReasonCredentialsNotReady = "CredentialsNotReady"
)

// Reasons of Stalled. The operator retries at long intervals, and at once when the
// spec or the Secret changes.
const (
	// ReasonInvalidSpec means that Databricks refused the specification, or that it is larger than 256 KiB.
	// The message is that of Databricks. Change the field that it names.
	ReasonInvalidSpec = "InvalidSpec"
	// ReasonPolicyViolation means that the cluster policy refuses a value, that policyCompliance Enforce and
	// a field of the spec contradict each other, or that the DatabricksWorkspace does not permit a field or a
	// policy. Change the value, or ask the platform team.
	ReasonPolicyViolation = "PolicyViolation"
	// ReasonReferenceNotFound means that a name of the spec is not that of a policy or pool which the credential
	// can see, that several have it, or that policyRef, instancePoolRef or driverInstancePoolRef names an object of
	// another workspace. Correct the name, create what it names, or set the field with the id.
	ReasonReferenceNotFound = "ReferenceNotFound"
	// ReasonNoMatch means that nothing which the workspace offers matches a selector of the spec. Relax the
	// selector, or set the field with the id.
	ReasonNoMatch = "NoMatch"
	// ReasonAuthenticationFailed means that Databricks does not accept the credential. Renew it in the Secret.
	ReasonAuthenticationFailed = "AuthenticationFailed"
	// ReasonPermissionDenied means that the credential lacks a permission, that the DatabricksWorkspace
	// does not allow this namespace, or that Kubernetes does not permit the operator what a field needs. Grant the permission that the message names.
	ReasonPermissionDenied = "PermissionDenied"
	// ReasonQuotaExceeded means that a limit of the workspace or the cloud account is reached. Raise the
	// limit or free resources.
	ReasonQuotaExceeded = "QuotaExceeded"
	// ReasonCredentialsInvalid means that the Secret, service account or DatabricksWorkspace is incomplete or
	// contradictory, or has been missing for some time. Correct it as the message describes.
	ReasonCredentialsInvalid = "CredentialsInvalid"
	// ReasonHostNotAllowed means that the operator may not call this host. Add it to the operator's allowed
	// hosts, or correct the Secret.
	ReasonHostNotAllowed = "HostNotAllowed"
	// ReasonHostChanged means that the credential is now for another workspace than that of the
	// cluster. Restore the host, or create another object for the other workspace.
	ReasonHostChanged = "HostChanged"
	// ReasonAdoptionTargetNotFound means that clusterID names no cluster of the workspace. Create
	// another object with the correct id.
	ReasonAdoptionTargetNotFound = "AdoptionTargetNotFound"
	// ReasonNameTaken means that the workspace has a policy or an instance pool of this name already, which this
	// object does not own. Set adoptByName or the field with the id to adopt it, or choose another name.
	ReasonNameTaken = "NameTaken"
	// ReasonPoolStopped means that Databricks stopped the instance pool, so that clusters get no instances from
	// it. Ask Databricks, or create another pool.
	ReasonPoolStopped = "PoolStopped"
	// ReasonAlreadyManaged means that the cluster belongs to another object or operator, or to a job or
	// pipeline. Remove the other owner, or use the take-over annotation.
	ReasonAlreadyManaged = "AlreadyManaged"
	// ReasonDuplicateClusters means that several clusters carry this object's owner tag. Delete all of them
	// but one; the message names them.
	ReasonDuplicateClusters = "DuplicateClusters"
	// ReasonClusterPurged means that the adopted cluster no longer exists. Delete the object, or create
	// one without clusterID.
	ReasonClusterPurged = "ClusterPurged"
	// ReasonImmutableField means that Databricks does not allow changes of this field. Change it back,
	// or create another cluster.
	ReasonImmutableField = "ImmutableField"
	// ReasonAutoterminationConflict means that runPolicy Running conflicts with the auto-termination of a policy.
	// Set another runPolicy or policy.
	ReasonAutoterminationConflict = "AutoterminationConflict"
	// ReasonStartFailed means that the cluster could not start because of its specification;
	// status.terminationReason has the reason. Change the spec.
	ReasonStartFailed = "StartFailed"
	// ReasonTerminatedUnexpectedly means that the cluster was terminated by a fault; status.terminationReason has
	// the reason. Start it, change the spec, or set runPolicy Running.
	ReasonTerminatedUnexpectedly = "TerminatedUnexpectedly"
	// ReasonLibraryInstallFailed means that a declared library could not be installed; status.libraries
	// has the messages. Correct or remove it. It is also the reason of LibrariesReady=False.
	ReasonLibraryInstallFailed = "LibraryInstallFailed"
	// ReasonWriteRefused means that the Kubernetes API refuses a change by the operator, such as the removal of
	// its finalizer; the message is the answer of the API server. Let the admission policy permit the operator's account.
	ReasonWriteRefused = "WriteRefused"
	// ReasonDeletionBlocked means that deletionPolicy cannot be applied to the cluster of a deleted object.
	// Correct the cause in the message, or set deletionPolicy Retain to delete only the object.
	ReasonDeletionBlocked = "DeletionBlocked"
)
