package plan

import (
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
)

// Input is everything that a decision depends on.
type Input struct {
	Cluster  *v1alpha1.DatabricksCluster
	Observed Observation
	// Last is what was done last for this object by this process; zero: nothing.
	Last Attempt
	// SideAttempts are the last attempts at the steps that hold up no other.
	SideAttempts map[Step]Attempt
	// Corrections are those counted so far, by status or, where they are newer, by
	// this process.
	Corrections []v1alpha1.Correction
	// PendingSince is when this process first saw the creation that the status
	// records; zero: not known, so its deadline is relied on.
	PendingSince time.Time
	// SearchFirst reports that the owner tag must be looked for before anything is
	// created: the object is older than this process.
	SearchFirst bool
	Limits      Limits
	Now         time.Time
}

// Limits are the spans of time that the creation protocol rests on.
type Limits struct {
	// CreateWindow is how long after the intent was made a create may be sent.
	CreateWindow time.Duration
	// RequestDeadline is how long a request may take.
	RequestDeadline time.Duration
	// VisibilityGrace is how long a created cluster may stay unseen by lists
	// and by GET.
	VisibilityGrace time.Duration
	// ContentionWindow is the span in which reversals are counted; 0 is an hour.
	ContentionWindow time.Duration
	// ContentionBackoff is the pause before the fourth correction within the window,
	// from where it doubles; 0 is 2 minutes.
	ContentionBackoff time.Duration
	// LaunchBackoff is the first pause after a launch that failed; 0 is a minute.
	LaunchBackoff time.Duration
}

// World is what observe found. A failure to find something is a fact too.
type Observation struct {
	// Blocked is why there is no workspace to speak to; nil: there is one.
	Blocked *Blocked
	// Host and Principal are the workspace's and whom it takes us for. Host is
	// known as soon as the credentials could be read.
	Host, Principal, WorkspaceID string
	// ReadFailure is what the workspace's reads have failed with lately; nil
	// when they succeed.
	ReadFailure *Failure
	// ReadFailureOfCluster marks one of the GETs of this cluster alone, which lists
	// may still return.
	ReadFailureOfCluster bool
	// ReadFailingSince is when that began.
	ReadFailingSince time.Time
	// Presence tells whether the object's cluster exists, Details how it is.
	Presence Presence
	Details  *compute.ClusterDetails
	// Search is the state of the look for clusters with the owner tag.
	Search Search
	// Owner is the tag of the clusters created for this object; its key is
	// empty where the operator was told not to tag.
	Owner drift.Tag
	// ManagedBy names the other object that already manages the cluster this one
	// wants; empty: none.
	ManagedBy string
	// Desired is the declared specification on the wire, Differences where the
	// cluster is not as declared.
	Desired     drift.Tree
	Differences []drift.Difference
	// Normalized are the paths at which the server keeps another value than it was
	// asked for. They are shown, and nothing is sent for them.
	Normalized []drift.Difference
	// SpecKnown reports whether Differences rests on a GET's spec that is newer
	// than the last own write and this generation: without it a removal cannot be
	// seen to be in place.
	SpecKnown bool
	// SecretsDigest is the digest of the write-only values that Desired has, and
	// SecretsRotated reports whether others were last sent.
	SecretsDigest  string
	SecretsRotated bool
	// SpecAt is when the GET began whose spec was compared; zero: none was.
	SpecAt time.Time
	// ClockSkew is the workspace's clock minus ours; 0 where it was not measured.
	ClockSkew time.Duration
	// Compared tells that Differences was computed from a look at the cluster.
	Compared bool
	// UnconfirmedDiff tells that a list showed other differences than were known, and
	// that the GET which has to confirm them is under way.
	UnconfirmedDiff bool
	// Advice are what the workspace will probably refuse of a specification that
	// is new: told once, and no reason to stop.
	Advice []string
	// Credential is the fingerprint of the credential in use.
	Credential string
	// Libraries is what is known of the cluster's libraries.
	Libraries Libraries
	// Pinned tells whether the cluster is pinned; nil: nobody knows yet.
	Pinned *bool
	// Permissions is what is known of who may use the cluster.
	Permissions Permissions
	// Output is what is known of the object's ConfigMap.
	Output Output
}

// Blocked is why a workspace cannot be spoken to, and what a person sees of it.
type Blocked struct {
	Reason  string
	Message string
	// Stalled tells that a person must act.
	Stalled bool
	// RequeueAt is when to look once more though nothing was heard; zero: never.
	RequeueAt time.Time
}

// Presence is whether a cluster exists, as far as is known.
type Presence int

// The presences: Unknown until somebody looked since it mattered.
const (
	Unknown Presence = iota
	Present
	Missing
	Purged
)

// Search is the state of a look for the owner tag in complete lists.
type Search struct {
	CompleteLists int
	Matches       []*compute.ClusterDetails
}

// Step is one thing to do.
type Step string

// The steps. WritesToDatabricks tells which change the workspace.
const (
	StepNone               Step = ""
	StepAddFinalizer       Step = "AddFinalizer"
	StepStoreClusterID     Step = "Record"
	StepRemoveFinalizer    Step = "Release"
	StepPersistOwnership   Step = "Own"
	StepAcknowledgeRequest Step = "NoteRequest"
	StepCreate             Step = "Create"
	StepStart              Step = "Start"
	StepRestart            Step = "Restart"
	StepResize             Step = "Resize"
	StepUpdate             Step = "Update"
	StepTerminate          Step = "Terminate"
	StepUnpin              Step = "Unpin"
	StepPermanentDelete    Step = "PermanentDelete"

	StepPublish            Step = "Publish"
	StepPin                Step = "Pin"
	StepSetPermissions     Step = "SetGrants"
	StepPersistLibraries   Step = "OwnLibraries"
	StepInstallLibraries   Step = "InstallLibraries"
	StepUninstallLibraries Step = "UninstallLibraries"
)

// Plan is a decision: one step, or none, and how the situation is called.
type Plan struct {
	Step Step
	// ClusterID is the cluster that the step is about.
	ClusterID string
	// Adopted tells that Record takes over a cluster that somebody else made.
	Adopted bool
	// Found tells that Record is about a cluster that a search has found.
	Found bool
	// Intent is what Create must persist before it may send anything.
	Intent Intent
	// Differences are those that the step corrects.
	Differences []drift.Difference
	// Libraries are those that the step installs or takes away.
	Libraries []compute.Library
	// Contended are the subjects that others set back for at least the fourth time
	// within the window.
	Contended []Contention
	// Reversed are the subjects that were seen set back, Corrects those that the
	// step corrects.
	// Settled are those that are as declared again without a step.
	Reversed, Corrects, Settled []string
	// Permissions are those that the step puts in place of all others.
	Permissions []drift.Permission
	// LibrariesWait tells that ChangesDeferred is about libraries, too.
	LibrariesWait bool
	// Verdict is what to tell while this is so; zero: the cluster's own state
	// speaks for itself.
	Verdict Verdict
	// Request is what is known of the request annotation now; nil: as before.
	Request *v1alpha1.RequestStatus
	// NonBlocking tells a step whose failure holds up nothing else.
	NonBlocking bool
	// Note is what to tell beside the verdict.
	Note string
	// RequeueAt is when time alone changes the decision; zero: only news does.
	RequeueAt time.Time
}

// Intent is the creation that is about to be tried.
type Intent struct {
	Token                string
	Incarnation, Attempt int64
	NotAfter             time.Time
}

// Verdict names a situation by the conditions' own reasons.
type Verdict struct {
	Reason  string
	Message string
	// Stalled tells that nothing will happen until a person changes something;
	// otherwise the operator is at work.
	Stalled bool
}

// Attempt is the last step that this process carried out for an object.
type Attempt struct {
	Step Step
	// ClusterID is what Create learned, kept in case it could not be persisted.
	ClusterID string
	// Token and CreateAttempt are the creation that ClusterID belongs to.
	Token         string
	CreateAttempt int64
	// Failure is how the step failed; nil: it succeeded.
	Failure *Failure
	// Failures counts how often in a row the step has failed.
	Failures int
	// At is when it ended.
	At time.Time
	// Differences is a digest of those that the step was to mend.
	Differences string
	// Corrected are those differences, and SecretsDigest is the digest of the
	// write-only values that went with them.
	Corrected     []drift.Difference
	SecretsDigest string
	// Libraries are those that the step installed or took away.
	Libraries []compute.Library
	// Generation and Credential are what it was tried with.
	Generation int64
	Credential string
}

// Failure is an error of the Databricks API as a fact.
type Failure struct {
	Class databricks.Class
	// Message is the API's "error_code: message", cleaned.
	Message string
	// RetryAfter is what the server asked for; 0 where it did not.
	RetryAfter time.Duration
}

// WritesToDatabricks tells the steps that change a workspace from those that
// change only the object.
func (s Step) WritesToDatabricks() bool {
	switch s {
	case StepNone, StepAddFinalizer, StepStoreClusterID, StepRemoveFinalizer, StepPersistOwnership, StepAcknowledgeRequest, StepPersistLibraries, StepPublish:
		return false
	default:
		return true
	}
}
