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
	Attempts Attempts
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
	// LacksUpdate reports that the workspace does not know clusters/update.
	LacksUpdate bool
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

// Plan is a decision: one step, or none, and how the situation is called.
type Plan struct {
	// Step is what to do; nil: nothing.
	Step Step
	// NonBlocking reports that a failure of the step holds up nothing else.
	NonBlocking bool
	// Request is the state of the request annotation once the step has succeeded; nil:
	// as before.
	Request *v1alpha1.RequestStatus
	// Verdict names the situation; zero: the state of the cluster names it.
	Verdict Verdict
	// Note is shown beside the verdict.
	Note string
	// LibrariesWait reports that ChangesDeferred is about libraries, too.
	LibrariesWait bool
	// Contended are the subjects that others set back for at least the fourth time
	// within the window.
	Contended []Contention
	// Reversed are the subjects that were found set back, Corrects those that the step
	// corrects, Settled those that are as declared again without a step.
	Reversed, Corrects, Settled []string
	// RequeueAt is when time alone changes the decision; zero: only another fact does.
	RequeueAt time.Time
}

// RequestAfter returns the state of the request annotation once the step has
// succeeded; nil: as before.
func (p Plan) RequestAfter() *v1alpha1.RequestStatus {
	if acknowledged, ok := p.Step.(AcknowledgeRequest); ok {
		return &acknowledged.Request
	}
	return p.Request
}

// RequestsReread reports whether the step acknowledges a request to reconcile, which
// ends every backoff and reads everything again.
func (p Plan) RequestsReread() bool {
	acknowledged, ok := p.Step.(AcknowledgeRequest)
	return ok && acknowledged.Request.Phase == v1alpha1.RequestSucceeded && verbOf(acknowledged.Request.Value) == v1alpha1.RequestReconcile
}

// Kind returns the name of the plan's step.
func (p Plan) Kind() StepKind { return KindOf(p.Step) }

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

// Failure is an error of the Databricks API as a fact.
type Failure struct {
	Class databricks.Class
	// Message is the API's "error_code: message", cleaned.
	Message string
	// RetryAfter is what the server asked for; 0 where it did not.
	RetryAfter time.Duration
}
