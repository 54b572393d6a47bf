package v1alpha1

// Condition types. Reconciling and Stalled are present only while they are
// true, and never together; Suspended only while the object is suspended.
const (
	// ConditionReady says that the cluster is usable as the policies say and that nothing is due now.
	ConditionReady = "Ready"
	// ConditionSynced says that the last comparison succeeded and the remote configuration matches.
	ConditionSynced = "Synced"
	// ConditionRunning says that the cluster is RUNNING or RESIZING.
	ConditionRunning = "Running"
	// ConditionLibrariesReady says that every declared library is installed; Unknown while the cluster is down.
	ConditionLibrariesReady = "LibrariesReady"
	// ConditionSuspended says that writes stopped because spec.suspend is true.
	ConditionSuspended = "Suspended"
	// ConditionReconciling says that the operator is at work. The name is kstatus'.
	ConditionReconciling = "Reconciling"
	// ConditionStalled says that nothing will happen until a person changes something. The name is kstatus'.
	ConditionStalled = "Stalled"
)

// Reasons of Ready=True. With Ready=False the reason is that of Reconciling or
// Stalled, whichever is present.
const (
	// ReasonRunning means that the cluster runs. It is also the reason of Running=True.
	ReasonRunning = "Running"
	// ReasonTerminatedNormally means that the cluster ended by inactivity or on request under runPolicy
	// Manual. Start it in Databricks or by the request annotation, or set runPolicy Running.
	ReasonTerminatedNormally = "TerminatedNormally"
	// ReasonTerminatedByRunPolicy means that the cluster is kept stopped. Set another runPolicy to use it.
	ReasonTerminatedByRunPolicy = "TerminatedByRunPolicy"
	// ReasonObserved means that the cluster is mirrored and not managed, whatever its state.
	ReasonObserved = "Observed"
	// ReasonChangesDeferred means that changes wait by updateStrategy OnTermination; Synced names them.
	// Restart or terminate the cluster to apply them now.
	ReasonChangesDeferred = "ChangesDeferred"
	// ReasonDriftTolerated means that others changed fields of this object and driftPolicy leaves them
	// for now; Synced and status.drift name them.
	ReasonDriftTolerated = "DriftTolerated"
	// ReasonPurged means that Databricks purged the idle cluster, 30 days after it ended. It is created
	// again when it is needed: by runPolicy Running, a start request or a changed spec.
	ReasonPurged = "Purged"
	// ReasonConnected means that the workspace answers to the credential. Ready=True of a
	// DatabricksWorkspace.
	ReasonConnected = "Connected"
)

// Reasons of Synced.
const (
	// ReasonInSync means that every field of this object is as declared. Synced=True.
	ReasonInSync = "InSync"
	// ReasonNotCompared means that there is nothing to compare with yet. Synced=Unknown.
	ReasonNotCompared = "NotCompared"
	// ReasonDriftDetected means that others changed fields of this object. Change them back, change the
	// spec, or let driftPolicy mend them. Synced=False.
	ReasonDriftDetected = "DriftDetected"
	// ReasonServerNormalized means that the server keeps other values than it was asked for; the message and
	// status.drift name them. Nothing is sent again. Declare what it keeps, or leave it so. Synced=False.
	ReasonServerNormalized = "ServerNormalized"
	// ReasonPendingRestart means that changes of the spec wait until the cluster is down or restarted.
	// Restart it to apply them now. Synced=False.
	ReasonPendingRestart = "PendingRestart"
	// ReasonContended means that something else set back what this operator corrected, for the fourth time
	// within an hour. Corrections go on, ever more slowly. Find what changes it, or change the spec.
	// Synced=False, and Reconciling where the cluster waits for it.
	ReasonContended = "Contended"
	// ReasonUpdateFailed means that a change was sent and refused; the message is Databricks'. Change the
	// spec or what the message names. Synced=False.
	ReasonUpdateFailed = "UpdateFailed"
	// ReasonAPIUnavailable means that the workspace cannot be reached or does not answer sensibly, so
	// that nothing could be compared. It is tried again. Synced=Unknown.
	ReasonAPIUnavailable = "APIUnavailable"
	// ReasonRateLimited means that Databricks throttles this workspace's calls. It is tried again when
	// Databricks allows. Synced=Unknown, and Reconciling where something is due.
	ReasonRateLimited = "RateLimited"
)

// Reasons of Running and LibrariesReady, beside those they share with others.
const (
	// ReasonNotRunning means that the cluster is neither RUNNING nor RESIZING.
	ReasonNotRunning = "NotRunning"
	// ReasonLibrariesInstalled means that every declared library is installed. LibrariesReady=True.
	ReasonLibrariesInstalled = "LibrariesInstalled"
)

// ReasonSuspended means that spec.suspend is true. Set it to false to go on.
const ReasonSuspended = "Suspended"

// Reasons of Reconciling. Nothing needs to be done about them but to wait.
const (
	// ReasonCreating means that the cluster is asked for or launches for the first time.
	ReasonCreating = "Creating"
	// ReasonStarting means that the cluster launches again.
	ReasonStarting = "Starting"
	// ReasonUpdating means that a changed spec is being applied.
	ReasonUpdating = "Updating"
	// ReasonResizing means that workers are added or taken away.
	ReasonResizing = "Resizing"
	// ReasonRestarting means that the cluster restarts.
	ReasonRestarting = "Restarting"
	// ReasonTerminating means that the cluster is being stopped.
	ReasonTerminating = "Terminating"
	// ReasonInstallingLibraries means that declared libraries are being installed.
	ReasonInstallingLibraries = "InstallingLibraries"
	// ReasonDeleting means that the object is deleted and the cluster is dealt with by deletionPolicy.
	ReasonDeleting = "Deleting"
	// ReasonRetryingAfterError means that a call failed and is tried again; the message is the error.
	ReasonRetryingAfterError = "RetryingAfterError"
	// ReasonUnknownState means that the cluster is in a state that this operator does not know. It waits
	// for another one.
	ReasonUnknownState = "UnknownState"
	// ReasonCredentialsNotReady means that the Secret, service account or DatabricksWorkspace that
	// spec.connection names is not there yet. Create it.
	ReasonCredentialsNotReady = "CredentialsNotReady"
)

// Reasons of Stalled. It is tried again slowly, and at once when the spec or the
// Secret changes.
const (
	// ReasonInvalidSpec means that Databricks refused the specification; the message is its own. Change
	// the field it names. Or the spec is larger than 256 KiB in all.
	ReasonInvalidSpec = "InvalidSpec"
	// ReasonPolicyViolation means that the cluster policy refuses a value. Change the value or the policy.
	ReasonPolicyViolation = "PolicyViolation"
	// ReasonAuthenticationFailed means that Databricks does not accept the credential. Renew it in the Secret.
	ReasonAuthenticationFailed = "AuthenticationFailed"
	// ReasonPermissionDenied means that the credential may not do this, or that the DatabricksWorkspace
	// does not allow it to this namespace. Grant what the message names.
	ReasonPermissionDenied = "PermissionDenied"
	// ReasonQuotaExceeded means that a limit of the workspace or the cloud account is reached. Raise it
	// or free something.
	ReasonQuotaExceeded = "QuotaExceeded"
	// ReasonCredentialsInvalid means that the Secret, service account or DatabricksWorkspace is missing
	// for long, incomplete or contradicts itself. Complete it by the message.
	ReasonCredentialsInvalid = "CredentialsInvalid"
	// ReasonHostNotAllowed means that the operator may not talk to this host. Ask for it in the
	// operator's allowed hosts, or correct the Secret.
	ReasonHostNotAllowed = "HostNotAllowed"
	// ReasonHostChanged means that the credential now names another workspace than the one the cluster
	// lives in. Restore the host, or create another object for the other workspace.
	ReasonHostChanged = "HostChanged"
	// ReasonAdoptionTargetNotFound means that clusterID names no cluster of the workspace. Create the
	// object anew with the right id.
	ReasonAdoptionTargetNotFound = "AdoptionTargetNotFound"
	// ReasonAlreadyManaged means that the cluster belongs to another object or operator, or to a job or
	// pipeline. Remove the other owner, or use the take-over annotation.
	ReasonAlreadyManaged = "AlreadyManaged"
	// ReasonDuplicateClusters means that several clusters carry this object's owner tag. Delete those
	// that the message names but one.
	ReasonDuplicateClusters = "DuplicateClusters"
	// ReasonClusterPurged means that the adopted cluster no longer exists. Delete the object, or create
	// one without clusterID.
	ReasonClusterPurged = "ClusterPurged"
	// ReasonImmutableField means that Databricks does not take a change of this field. Change it back,
	// or create another cluster.
	ReasonImmutableField = "ImmutableField"
	// ReasonAutoterminationConflict means that runPolicy Running and auto-termination by a policy fight.
	// Set another runPolicy or policy.
	ReasonAutoterminationConflict = "AutoterminationConflict"
	// ReasonStartFailed means that the cluster could not start for a reason of its own making;
	// status.terminationReason has it. Change the spec.
	ReasonStartFailed = "StartFailed"
	// ReasonTerminatedUnexpectedly means that the cluster ended by a fault; status.terminationReason has
	// it. Start it, change the spec, or set runPolicy Running.
	ReasonTerminatedUnexpectedly = "TerminatedUnexpectedly"
	// ReasonLibraryInstallFailed means that a declared library could not be installed; status.libraries
	// has the messages. Correct or remove it. It is also the reason of LibrariesReady=False.
	ReasonLibraryInstallFailed = "LibraryInstallFailed"
	// ReasonDeletionBlocked means that the object is deleted and its cluster cannot be dealt with. Mend
	// what the message names, or set deletionPolicy Retain to let the object go.
	ReasonDeletionBlocked = "DeletionBlocked"
)
