package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// Attempts is the state of an object in one process: the steps that it tried, and when it
// first observed each fact. It is a value: methods that change it return a new one. Facts
// that must survive a restart of the operator are in the status of the object.
type Attempts struct {
	// Last is the last step that blocks other steps; zero: none.
	Last Attempt
	// Side has the last attempts at the steps that block no other step.
	Side map[StepKind]Attempt
	// GenerationSeenAt is when this generation was first seen.
	GenerationSeenAt time.Time
	// CreationSeenAt is when the creation that the status records was first seen; zero:
	// it records none, or the time is unknown and the deadline of the creation applies.
	CreationSeenAt time.Time
	// DeletionSeenAt is when the object was first seen to be deleted; zero: it is not.
	DeletionSeenAt time.Time
	// SearchSince is when the search for the owner tag began; zero: there is none.
	SearchSince time.Time
	// Compared is the spec that the object was last compared with.
	Compared ComparedSpec
	// Unstored are corrections that could not be stored in the status; nil: all were.
	Unstored []v1alpha1.Correction

	generation int64
	creation   string
	// base is a digest of the differences that an update will be based on a GET for
	// which began at baseAt or later.
	base   string
	baseAt time.Time
	// adviceFor is the last generation that this process found not to be evaluated, and
	// advised the last one that was compared with the catalog.
	adviceFor, advised int64
	hold               managed.HeldStep
}

// Attempt is one step that this process carried out for an object.
type Attempt struct {
	Step StepKind
	// ClusterID is the id that Create returned, kept in case it could not be stored.
	ClusterID string
	// Token and CreateAttempt are the creation that ClusterID belongs to.
	Token         string
	CreateAttempt int64
	// Failure is how the step failed; nil: it succeeded.
	Failure *managed.Failure
	// Failures counts how often in a row the step has failed.
	Failures int
	// At is when it ended.
	At time.Time
	// Corrected are the differences that the step was to correct, and SecretsDigest is
	// the digest of the write-only values that were sent with them.
	Corrected     []drift.Difference
	SecretsDigest string
	// Libraries are those that the step installed or uninstalled.
	Libraries []compute.Library
	// Generation and Credential are what it was tried with.
	Generation int64
	Credential string
}

// Seen returns the attempts after the object was read.
func (a Attempts) Seen(cluster *v1alpha1.DatabricksCluster, now time.Time) Attempts {
	if a.generation != cluster.Generation {
		a.generation, a.GenerationSeenAt = cluster.Generation, now
	}
	if a.DeletionSeenAt.IsZero() && !cluster.DeletionTimestamp.IsZero() {
		a.DeletionSeenAt = now
	}
	if cluster.Status.ObservedGeneration != cluster.Generation {
		a.adviceFor = cluster.Generation
	}
	return a.seenCreation(cluster.Status.Creation, now)
}

func (a Attempts) seenCreation(creation *v1alpha1.CreationIntent, now time.Time) Attempts {
	if creation == nil || creation.NotAfter == nil && creation.Token == "" {
		a.creation, a.CreationSeenAt = "", time.Time{}
		return a
	}
	// The token is cleared when the id is stored; that is still the same creation.
	this := fmt.Sprint(creation.Incarnation)
	if creation.Token != "" {
		this = fmt.Sprint(creation.Incarnation, "/", creation.Attempt)
	}
	if a.creation != this && !strings.HasPrefix(a.creation, this+"/") {
		a.creation, a.CreationSeenAt = this, now
	}
	return a
}

// Recorded returns the attempts after a step that blocks other steps.
func (a Attempts) Recorded(attempt Attempt) Attempts {
	if attempt.Failure != nil {
		attempt.Failures = 1
		if a.Last.Step == attempt.Step && a.Last.Generation == attempt.Generation {
			attempt.Failures += a.Last.Failures
		}
	}
	a.Last = attempt
	a.base, a.baseAt = "", time.Time{}
	// A comparison from before the step does not show its effect.
	a.Compared = ComparedSpec{}
	return a
}

// RecordedSideStep returns the attempts after a step that blocks no other step.
func (a Attempts) RecordedSideStep(attempt Attempt) Attempts {
	if attempt.Failure != nil {
		attempt.Failures = a.Side[attempt.Step].Failures + 1
	}
	a.Side = maps.Clone(a.Side)
	if a.Side == nil {
		a.Side = map[StepKind]Attempt{}
	}
	a.Side[attempt.Step] = attempt
	return a
}

// WithComparison returns the attempts after a comparison.
func (a Attempts) WithComparison(found Comparison) Attempts {
	a.Compared = found.Compared
	return a
}

// WithBase returns the attempts once a GET that begins now is needed, for an update of
// these differences to be based on.
func (a Attempts) WithBase(differences []drift.Difference, now time.Time) Attempts {
	a.base, a.baseAt = DiffDigest(differences), now
	return a
}

// Reread returns the attempts after a request to reconcile the object: they are empty, so
// that no backoff applies, and a GET that begins now is needed.
func (a Attempts) Reread(now time.Time) Attempts {
	return Attempts{base: v1alpha1.RequestReconcile, baseAt: now}
}

// WithSearch returns the attempts once it is known whether the owner tag is searched for.
func (a Attempts) WithSearch(needed SearchNeed, now time.Time) Attempts {
	switch {
	case needed == NoSearch:
		a.SearchSince = time.Time{}
	case a.SearchSince.IsZero():
		a.SearchSince = now
	}
	return a
}

// Advised returns the attempts once this generation was compared with the catalog.
func (a Attempts) Advised(generation int64) Attempts {
	a.advised = generation
	return a
}

// NeedsAdvice reports whether a generation must still be compared with the catalog of the
// workspace. A generation that was evaluated before this process started is not compared.
func (a Attempts) NeedsAdvice(generation int64) bool {
	return a.adviceFor == generation && a.advised != generation
}

// Held returns the attempts while a reason prevents a step from being sent, and the reason
// that the conditions report; see managed.HeldStep.
func (a Attempts) Held(
	cluster *v1alpha1.DatabricksCluster, step StepKind, reason managed.Hold, now time.Time,
) (after Attempts, reported *managed.Hold, reportAt time.Time) {
	a.hold, reported, reportAt = a.hold.Held(cluster.Status.Conditions, string(step), reason, now)
	return a, reported, reportAt
}

// NotHeld returns the attempts once no step waits.
func (a Attempts) NotHeld() Attempts {
	a.hold = managed.HeldStep{}
	return a
}

// Corrections returns those counted so far: those that could not be stored, else those
// of the status.
func (a Attempts) Corrections(cluster *v1alpha1.DatabricksCluster) []v1alpha1.Correction {
	if a.Unstored != nil {
		return a.Unstored
	}
	return cluster.Status.Corrections
}

// Pinned returns the last state of the pin that this process set, and when; zero: none.
func (a Attempts) Pinned() (pinned bool, at time.Time) {
	for _, step := range []StepKind{StepPin, StepUnpin} {
		if attempt := a.Side[step]; attempt.Failure == nil && attempt.At.After(at) {
			pinned, at = step == StepPin, attempt.At
		}
	}
	return pinned, at
}

// staleReads are the failures after which earlier reads of the cluster are out of date.
var staleReads = []databricks.Class{databricks.ClassBusy, databricks.ClassMissing, databricks.ClassAmbiguous}

// readAfter returns the time after which a read of the cluster must have begun, because
// of the last step; zero: any read serves.
func (a Attempts) readAfter() time.Time {
	if a.Last.Failure == nil || slices.Contains(staleReads, a.Last.Failure.Class) {
		return a.Last.At
	}
	return time.Time{}
}

// RestartIsNext reports whether a running cluster is about to be restarted: an update waits
// for the GET that it is based on, or a request to restart was accepted. Changes that wait
// for a restart are made with it.
func RestartIsNext(cluster *v1alpha1.DatabricksCluster, attempts Attempts) bool {
	updateIsNext := attempts.base != "" && attempts.base != v1alpha1.RequestReconcile
	return updateIsNext || (Input{Cluster: cluster}).hasAccepted(v1alpha1.RequestRestart)
}

// hasBase reports whether a GET that began at specAt is what an update of these
// differences may be based on.
func (a Attempts) hasBase(differences []drift.Difference, specAt time.Time) bool {
	return a.base == DiffDigest(differences) && !specAt.Before(a.baseAt)
}
