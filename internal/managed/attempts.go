package managed

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/diff"
)

// Attempts is the state of an object in one process: the steps that it tried, and when it
// first observed each fact. It is a value: methods that change it return a new one. Facts
// that must survive a restart of the operator are in the status of the object.
type Attempts struct {
	// Last is the last step that wrote to the workspace, except for permissions, and Side
	// the last change of permissions; zero: none.
	Last, Side Attempt
	// GenerationSeenAt is when this generation was first seen, CreationSeenAt when the
	// creation that the status records was; zero: it records none. DeletionSeenAt is when
	// the object was first seen to be deleted; zero: it is not.
	GenerationSeenAt, CreationSeenAt, DeletionSeenAt time.Time
	// RereadAfter is when the object was last requested to be reconciled; zero: never.
	RereadAfter time.Time
	// ReadsFailSince is when the reads of the workspace began to fail; zero: they succeed.
	ReadsFailSince time.Time
	// Ineffective counts, for each difference that edits of this process were sent for,
	// how often in a row it was still there afterwards.
	Ineffective map[string]int

	generation int64
	// creation is the creation that was seen, and notAfter its deadline.
	creation string
	notAfter time.Time
	// base is a digest of the differences that an edit will be based on a GET for which
	// began at baseAt or later.
	base   string
	baseAt time.Time
	// confirmAfter is when the list began that did not have the remote object; zero: the
	// newest one has it.
	confirmAfter time.Time
	// comparedSeenAt is when it was first seen that what a creation made had been compared,
	// maybe by another process, so that every later read shows it; zero: before this process
	// knew the object.
	comparedSeenAt time.Time
	hold           HeldStep
}

// Attempt is one step that this process carried out for an object.
type Attempt struct {
	Step StepKind
	// ID is the id that Create returned, kept in case it could not be stored; Token and
	// CreateAttempt are the creation that it belongs to.
	ID, Token     string
	CreateAttempt int64
	// Failure is how the step failed; nil: it succeeded. Failures counts how often in a row
	// it has.
	Failure  *Failure
	Failures int
	// At is when it ended, and ValidAfter the time after which a read must have begun to
	// show its effect.
	At, ValidAfter time.Time
	// Sent are the differences that an edit was to correct.
	Sent []diff.Difference
	// Generation and Credential are what it was tried with.
	Generation int64
	Credential string
}

// Seen returns the attempts after the object was read.
func (a Attempts) Seen(object Object, now time.Time) Attempts {
	if a.generation != object.GetGeneration() || a.GenerationSeenAt.IsZero() {
		a.generation, a.GenerationSeenAt = object.GetGeneration(), now
	}
	if a.DeletionSeenAt.IsZero() && object.IsDeleting() {
		a.DeletionSeenAt = now
	}
	creation := object.Status.Creation
	if creation == nil || creation.NotAfter == nil && creation.Token == "" {
		if a.creation != "" {
			a.comparedSeenAt = now
		}
		a.creation, a.CreationSeenAt = "", time.Time{}
		return a
	}
	var notAfter time.Time
	if creation.NotAfter != nil {
		notAfter = creation.NotAfter.Time
	}
	this := fmt.Sprint(creation.Incarnation)
	if creation.Token != "" {
		this = fmt.Sprint(creation.Incarnation, "/", creation.Attempt)
	}
	// The token and the attempt are cleared when the id is stored, maybe that of an attempt
	// which this process has not seen; the deadline is still that of the attempt.
	isStored := creation.Token == "" && strings.HasPrefix(a.creation, this+"/") && notAfter.Equal(a.notAfter)
	if a.CreationSeenAt.IsZero() || a.creation != this && !isStored {
		a.creation, a.notAfter, a.CreationSeenAt = this, notAfter, now
	}
	return a
}

// Recorded returns the attempts after a step that wrote to the workspace.
func (a Attempts) Recorded(attempt Attempt) Attempts {
	last := &a.Last
	if attempt.Step == StepSetPermissions {
		last = &a.Side
	}
	if attempt.Failure != nil {
		attempt.Failures = 1
		if last.Step == attempt.Step && last.Generation == attempt.Generation {
			attempt.Failures += last.Failures
		}
	}
	*last = attempt
	if attempt.Step == StepSetPermissions {
		return a
	}
	a.base, a.baseAt = "", time.Time{}
	if attempt.Step == StepEdit && attempt.Failure == nil {
		counts := make(map[string]int, len(attempt.Sent))
		for _, d := range attempt.Sent {
			counts[differenceKey(d)] = a.Ineffective[differenceKey(d)] + 1
		}
		a.Ineffective = counts
	}
	return a
}

// WithComparison returns the attempts after a comparison. An edit whose difference is not
// there any more was effective.
func (a Attempts) WithComparison(found Comparison) Attempts {
	if !found.Known || len(a.Ineffective) == 0 {
		return a
	}
	left := map[string]int{}
	for _, d := range slices.Concat(found.Differences, found.Normalized) {
		if count := a.Ineffective[differenceKey(d)]; count > 0 {
			left[differenceKey(d)] = count
		}
	}
	a.Ineffective = left
	return a
}

// WithBase returns the attempts once a GET that begins now is needed, for an edit of these
// differences to be based on.
func (a Attempts) WithBase(differences []diff.Difference, now time.Time) Attempts {
	a.base, a.baseAt = differencesKey(differences), now
	return a
}

// Reread returns the attempts after a request to reconcile the object: they are empty, so
// that no backoff applies, and reads that begin now are needed.
func (a Attempts) Reread(now time.Time) Attempts { return Attempts{RereadAfter: now} }

// WithReads returns the attempts after reads of the workspace that failed, or succeeded if
// the failure is nil.
func (a Attempts) WithReads(failure *Failure, now time.Time) Attempts {
	switch {
	case failure == nil:
		a.ReadsFailSince = time.Time{}
	case a.ReadsFailSince.IsZero():
		a.ReadsFailSince = now
	}
	return a
}

// Held returns the attempts while a reason prevents a step from being sent, and the reason
// that the conditions report; see HeldStep.
func (a Attempts) Held(
	conditions []metav1.Condition, step StepKind, reason Hold, now time.Time,
) (after Attempts, reported *Hold, reportAt time.Time) {
	a.hold, reported, reportAt = a.hold.Held(conditions, string(step), reason, now)
	return a, reported, reportAt
}

// NotHeld returns the attempts once no step waits.
func (a Attempts) NotHeld() Attempts {
	a.hold = HeldStep{}
	return a
}

// ValidAfter returns the time after which a read of the remote object must have begun to
// show the effect of the last step; zero: any read serves.
func (a Attempts) ValidAfter() time.Time {
	failure := a.Last.Failure
	if failure == nil || failure.Class == databricks.ClassAmbiguous || failure.Class == databricks.ClassMissing {
		return a.Last.ValidAfter
	}
	return time.Time{}
}

// hasBase reports whether a read is the GET that an edit of these differences may be based
// on.
func (a Attempts) hasBase(differences []diff.Difference, read *Remote) bool {
	return a.isBaseOf(differences) && read.FromGet && !read.At.Before(a.baseAt)
}

// awaitsBase reports whether the GET that an edit of these differences needs was requested
// and not answered. got is when the newest answer began; a list that began later has taken
// its place, so another GET is needed.
func (a Attempts) awaitsBase(differences []diff.Difference, got time.Time) bool {
	return a.isBaseOf(differences) && got.Before(a.baseAt)
}

func (a Attempts) isBaseOf(differences []diff.Difference) bool {
	return !a.baseAt.IsZero() && a.base == differencesKey(differences)
}
