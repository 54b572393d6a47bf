package plan

import (
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// Input has all facts that a decision depends on.
type Input struct {
	Cluster  *v1alpha1.DatabricksCluster
	Observed Observation
	Attempts Attempts
	// SearchFirst is set if the owner tag must be searched for before a create, because the
	// object is older than this process.
	SearchFirst bool
	Adoption    Adoption
	Limits      Limits
	Now         time.Time
}

// Adoption is how the operator is configured to adopt clusters by the names of objects.
type Adoption struct {
	// Default is the policy of objects that have none.
	Default v1alpha1.AdoptionPolicy
	// Predecessors are the ids of operators whose clusters may be adopted, too.
	Predecessors []string
}

// Limits are the durations of the creation protocol and of the backoffs.
type Limits struct {
	// CreateWindow is how long after the intent was made a create may be sent.
	CreateWindow time.Duration
	// RequestDeadline is how long a request may take.
	RequestDeadline time.Duration
	// VisibilityGrace is how long lists and GET may not show a created cluster.
	VisibilityGrace time.Duration
	// ContentionWindow is the span in which reversals are counted; 0 is an hour.
	ContentionWindow time.Duration
	// ContentionBackoff is the pause before the fourth correction within the window,
	// from where it doubles; 0 is 2 minutes.
	ContentionBackoff time.Duration
	// LaunchBackoff is the first pause after a launch that failed; 0 is a minute.
	LaunchBackoff time.Duration
}

// Observation has the observed facts. A failed read is a fact, too.
type Observation struct {
	// Blocked is why the workspace cannot be called; nil: it can.
	Blocked *managed.Blocked
	// Host and WorkspaceID identify the workspace, and Principal is the user or service
	// principal that the credential authenticates as. Host is known once the credentials
	// were read.
	Host, Principal, WorkspaceID string
	// ReadFailure is the current failure of reads of the workspace; nil: they succeed.
	ReadFailure *managed.Failure
	// ReadFailureOfCluster is set if only the GETs of this cluster fail; lists may still
	// return it.
	ReadFailureOfCluster bool
	// ReadFailingSince is when the reads began to fail.
	ReadFailingSince time.Time
	// Presence is whether the cluster exists, and Details is its state.
	Presence managed.Presence
	Details  *compute.ClusterDetails
	// ReadAt is when the read of the cluster began that Presence and Details are from.
	ReadAt time.Time
	// Search is the state of the search for clusters with the owner tag.
	Search Search
	// Owner is the tag of the clusters created for this object; its key is empty if the
	// operator is configured not to tag. A tag of an earlier version has no name.
	Owner drift.Tag
	// ManagedBy is the other object that already manages the cluster; empty: none.
	ManagedBy string
	// Desired is the declared specification in the form of the API, and Differences are
	// the fields in which the cluster differs.
	Desired     drift.Tree
	Differences []drift.Difference
	// Normalized are the fields in which the server keeps another value than it was asked
	// for. The status shows them, and nothing is sent for them.
	Normalized []drift.Difference
	// SpecKnown reports whether Differences uses the spec of a GET that is newer than the
	// last own write and this generation. Only that shows whether a removal is in effect.
	SpecKnown bool
	// SecretsDigest is the digest of the write-only values of Desired, and SecretsRotated
	// reports whether other values were last sent.
	SecretsDigest  string
	SecretsRotated bool
	// SpecAt is when the GET began whose spec was compared; zero: none was.
	SpecAt time.Time
	// ClockSkew is the clock of the workspace minus that of this process; 0: not measured.
	ClockSkew time.Duration
	// Compared reports whether Differences was computed from a read of the cluster.
	Compared bool
	// UnconfirmedDiff reports whether a list showed new differences, which a pending GET
	// must confirm.
	UnconfirmedDiff bool
	// Advice has the values of a new specification that the workspace will probably refuse.
	// It is reported once and blocks nothing.
	Advice []string
	// LacksUpdate reports whether the workspace does not know clusters/update.
	LacksUpdate bool
	// Credential is the fingerprint of the credential in use.
	Credential string
	// Resolved has what the names and selectors of the specification stand for; nil: it has
	// none, or they are unknown.
	Resolved *v1alpha1.ResolvedStatus
	// Libraries has the observed libraries of the cluster.
	Libraries Libraries
	// Pinned is whether the cluster is pinned; nil: unknown.
	Pinned *bool
	// Permissions has the observed permissions of the cluster.
	Permissions Permissions
	// Compliance is the observed compliance of the cluster with its policy.
	Compliance Compliance
	// Output is the observed ConfigMap of the object.
	Output Output
}

// Search is the state of the search for the owner tag in complete lists.
type Search struct {
	CompleteLists int
	Matches       []*compute.ClusterDetails
}

// Plan is a decision: one step, or none, and the verdict for the situation.
type Plan struct {
	// Step is what to do; nil: nothing.
	Step Step
	// NonBlocking is set if a failure of the step blocks no other step.
	NonBlocking bool
	// Request is the state of the request annotation once the step has succeeded; nil:
	// as before.
	Request *v1alpha1.RequestStatus
	// Verdict describes the situation; zero: the state of the cluster does.
	Verdict managed.Verdict
	// Note is appended to the message of the verdict.
	Note string
	// Enforcement is how the enforcement of the violated policy stands, for the condition
	// PolicyCompliant; empty: it is not declared.
	Enforcement string
	// LibrariesWait is set if ChangesDeferred includes libraries.
	LibrariesWait bool
	// Contended are the subjects that other actors set back for at least the fourth time
	// within the window.
	Contended []Contention
	// Reversed are the subjects that were set back, Corrects those that the step corrects,
	// and Restored those that are as declared again without a step.
	Reversed, Corrects, Restored []string
	// RequeueAt is when the decision changes without a new fact; zero: never.
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

// RequestsReread reports whether the step acknowledges a request to reconcile, which ends
// every backoff and repeats all reads.
func (p Plan) RequestsReread() bool {
	acknowledged, _ := p.Step.(AcknowledgeRequest)
	return acknowledged.Request.Phase == v1alpha1.RequestSucceeded && managed.VerbOf(acknowledged.Request.Value) == v1alpha1.RequestReconcile
}

// Kind returns the name of the plan's step.
func (p Plan) Kind() StepKind { return KindOf(p.Step) }
