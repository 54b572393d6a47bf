package managed

import (
	"time"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/diff"
)

// Input has all facts that a decision about an object depends on.
type Input struct {
	Kind   *Kind
	Object Object
	// Desired is the declared specification in the form of the API.
	Desired  diff.Tree
	Observed Observation
	// Compared is the result of Compare for these facts.
	Compared Comparison
	Attempts Attempts
	// Owner is the value of the owner tag of the object.
	Owner  string
	Limits Limits
	Now    time.Time
}

// Limits are the durations of the creation protocol and of the backoffs.
type Limits struct {
	// CreateWindow is how long after the intent was made a create may be sent.
	CreateWindow time.Duration
	// RequestDeadline is how long a request may take.
	RequestDeadline time.Duration
	// VisibilityGrace is how long lists and GET may not show what was created.
	VisibilityGrace time.Duration
	// ContentionWindow is the span in which reversals are counted; 0 is an hour.
	ContentionWindow time.Duration
	// ContentionBackoff is the pause before the fourth correction within the window,
	// from where it doubles; 0 is 2 minutes.
	ContentionBackoff time.Duration
}

// Observation has the observed facts. A failed read is a fact, too.
type Observation struct {
	// Blocked is why the workspace cannot be called; nil: it can.
	Blocked *Blocked
	// Host and WorkspaceID identify the workspace, and Principal is the user or service
	// principal that the credential authenticates as. Credential is its fingerprint.
	Host, WorkspaceID, Principal, Credential string
	// ClockSkew is the clock of the workspace minus that of this process; 0: not measured.
	ClockSkew time.Duration
	// ReadFailure is the current failure of reads of the workspace, which began at
	// ReadFailingSince; nil: they succeed.
	ReadFailure      *Failure
	ReadFailingSince time.Time
	// Presence is whether the remote object exists, and Remote is its state if it does.
	Presence Presence
	Remote   *Remote
	// GotAt is when the newest GET of the remote object began; zero: there is none.
	GotAt time.Time
	// ListedAt is when the list began that Named is from; zero: there is none that is
	// recent enough. Named is the remote object with the target name; nil: there is none.
	// While the object's own is not listed, it is rather the one with its owner tag.
	ListedAt time.Time
	Named    *Remote
	// ManagedBy is the other object that manages the remote object, or the one with the
	// target name; empty: none.
	ManagedBy string
	// Permissions are the observed permissions.
	Permissions PermissionsRead
	// Users is how many clusters use the remote object.
	Users Users
}

// Remote is one read of a remote object.
type Remote struct {
	ID, Name string
	// Tree is the whole object, with the members that the SDK does not know.
	Tree diff.Tree
	// At is when the read began. FromGet reports whether a GET returned it; otherwise a
	// list did.
	At      time.Time
	FromGet bool
}

// PermissionsRead is a read of the direct permissions of a remote object.
type PermissionsRead struct {
	// Known reports whether there is an answer that is recent enough.
	Known  bool
	Direct []diff.Permission
	// Failure is the failure of the newest read; nil: it succeeded.
	Failure *Failure
}

// Users is how many clusters use a remote object.
type Users struct {
	// Known reports whether the workspace told, and Failed that it refused to.
	Known, Failed bool
	Count         int
	// More is set if there are more than Count.
	More bool
}

// Plan is a decision: one step, or none, and the verdict for the situation.
type Plan struct {
	// Step is what to do; nil: nothing.
	Step Step
	// Verdict describes the situation; zero: the remote object is as declared, or nothing
	// is known that is newer than the conditions.
	Verdict Verdict
	// Contended names the subject that another actor set back for at least the fourth time
	// within the window; empty: none.
	Contended string
	// Reverses is the subject of the correction that the step is; empty: it is none.
	Reverses string
	// RequeueAt is when the decision changes without a new fact; zero: never.
	RequeueAt time.Time
}

// Kind returns the name of the plan's step.
func (p Plan) Kind() StepKind { return KindOf(p.Step) }

// RequestsReread reports whether the step acknowledges a request to reconcile, which ends
// every backoff and repeats all reads.
func (p Plan) RequestsReread() bool {
	acknowledged, ok := p.Step.(AcknowledgeRequest)
	return ok && acknowledged.Request.Phase == v1alpha1.RequestSucceeded
}
