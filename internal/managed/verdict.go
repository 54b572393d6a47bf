package managed

import (
	"time"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// Verdict describes a situation by a reason and a message of a condition.
type Verdict struct {
	Reason  string
	Message string
	// Stalled is set if nothing changes until the user changes something; otherwise the
	// operator makes progress.
	Stalled bool
}

// With returns the verdict with a remedy at the end of its message.
func (v Verdict) With(remedy string) Verdict {
	v.Message += "; " + remedy
	return v
}

// Blocked is why a workspace cannot be called, as a reason and a message of a condition.
type Blocked struct {
	Reason  string
	Message string
	// Remedy is added to the message, except while the object is being deleted: Kubernetes
	// then refuses new objects if its namespace is being deleted, too. It may be empty.
	Remedy string
	// Stalled is set if the user must change something.
	Stalled bool
	// ByLists is set if the cause is in the lists of the workspace, which a request to
	// reconcile reads again.
	ByLists bool
	// RequeueAt is when to check again without an event; zero: never.
	RequeueAt time.Time
	// Outage is the failure of the workspace that is the cause, if it may pass; else nil.
	Outage *Outage
}

// ReadFailureGrace is how long the reads of a workspace may fail before what was Ready at
// the last read is no longer Ready. It applies to all kinds.
const ReadFailureGrace = 15 * time.Minute

// Outage is a failure of the first call with a credential, as after a restart of the
// operator, that may pass without a change by the user.
type Outage struct {
	Failure *Failure
	// Since is when the first call was made.
	Since time.Time
}

// KeepsReady returns when to evaluate an object again that was Ready before an outage, and
// whether it still is. Without an outage it is not, and the time is RequeueAt.
func (b *Blocked) KeepsReady(now time.Time) (requeueAt time.Time, kept bool) {
	if b.Outage == nil {
		return b.RequeueAt, false
	}
	tooLong := b.Outage.Since.Add(ReadFailureGrace)
	switch {
	case !now.Before(tooLong):
		return b.RequeueAt, false
	case b.RequeueAt.IsZero() || tooLong.Before(b.RequeueAt):
		return tooLong, true
	default:
		return b.RequeueAt, true
	}
}

// Text returns the message with the remedy.
func (b *Blocked) Text() string {
	if b.Remedy == "" {
		return b.Message
	}
	return b.Message + "; " + b.Remedy
}

// Hold is why a step is not sent yet, as a reason and a message of a condition.
type Hold struct{ Reason, Message string }

// Verdict returns the verdict while the step waits.
func (h Hold) Verdict() Verdict { return Verdict{Reason: h.Reason, Message: h.Message} }

// IsOfLimit reports whether the step only waits for the request limit of the workspace,
// which needs no remedy.
func (h Hold) IsOfLimit() bool { return h.Reason == v1alpha1.ReasonRateLimited }

// Presence is whether a remote object exists, as far as is known.
type Presence int

// The presences. Unknown means that no read that is recent enough is available. Purged is
// a cluster that Databricks removed 30 days after its termination.
const (
	Unknown Presence = iota
	Present
	Missing
	Purged
)

// Intent is the creation that is sent next.
type Intent struct {
	Token                string
	Incarnation, Attempt int64
	NotAfter             time.Time
}
