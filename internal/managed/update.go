package managed

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/diff"
)

// whenImmutableDiffers: a declared field differs that the API does not change. Nothing is
// deleted and made anew.
func whenImmutableDiffers(in Input) (Plan, bool) {
	found := in.Compared.Immutable
	if len(found) == 0 || in.Object.isObserving() {
		return Plan{}, false
	}
	return Plan{Verdict: in.stalled(v1alpha1.ReasonImmutableField, "Databricks does not change %[2]s of an existing %[1]s; set the former value again, "+
		"or create another %[3]s with the new one, let its users follow, and delete this one", paths(found), in.Kind.Name)}, true
}

// whenDiffers: declared fields differ, and an edit corrects them. The edit is based on a GET
// that began after the differences were found, because it replaces everything.
func whenDiffers(in Input) (Plan, bool) {
	found := in.Compared.Differences
	if len(found) == 0 || in.Object.isObserving() {
		return Plan{}, false
	}
	isDrift := !in.Compared.ChangedByUser
	if isDrift && in.Object.Spec.DriftPolicy == v1alpha1.CorrectionPolicyWarn {
		return Plan{Verdict: Verdict{Reason: v1alpha1.ReasonDriftTolerated, Message: "driftPolicy Warn leaves " + paths(found) + " as it is"}}, true
	}
	next := Plan{Verdict: Verdict{Reason: v1alpha1.ReasonUpdating, Message: "applying " + paths(found)}}
	declared := in.Kind.Fields.Owned(in.Desired)
	switch {
	case !containsAll(in.Object.Status.OwnedFields, declared):
		next.Step = PersistOwnership{}
	case in.Attempts.hasBase(found, in.Observed.Remote):
		next.Step = Edit{ID: *in.Object.ID, Differences: found, Body: in.editBody(found)}
	case in.Attempts.awaitsBase(found, in.Observed.GotAt):
		// The GET is requested, and its answer enqueues the object.
	default:
		next.Step = Read{found}
	}
	next = in.withBackoff(next)
	if isDrift && in.Object.Status.AppliedDigest != "" {
		next = in.corrected(subjectFields, next)
	}
	return next, true
}

func containsAll(have, wanted []string) bool {
	return !slices.ContainsFunc(wanted, func(path string) bool { return !slices.Contains(have, path) })
}

// editBody returns the body of an edit: what the remote object has, with the declared
// fields, and without those that are no longer declared.
func (in Input) editBody(differences []diff.Difference) diff.Tree {
	kept := in.Observed.Remote.Tree.Clone()
	maps.DeleteFunc(kept, func(name string, _ any) bool {
		field, _ := in.Kind.Fields.Field(name)
		return field.Immutable && !slices.Contains(in.Kind.Resent, name) || slices.Contains(in.Kind.ReadOnly, name)
	})
	if in.Kind.Editable != nil {
		kept = in.Kind.Editable(kept)
	}
	for name, want := range in.Desired.Clone() {
		field, _ := in.Kind.Fields.Field(name)
		switch have, isObject := kept[name].(map[string]any); {
		case field.Immutable:
		case isObject && field.Kind != diff.Scalar:
			maps.Copy(have, members(want))
		default:
			kept[name] = want
		}
	}
	for _, d := range differences {
		if d.Desired == nil {
			kept.Remove(diff.SplitPointer(d.Path)...)
		}
	}
	kept[in.Kind.WireID] = *in.Object.ID
	return kept
}

func members(value any) map[string]any {
	object, _ := value.(map[string]any)
	return object
}

// whenPermissionsDiffer: the direct permissions differ from the declared ones, or are not
// known. The object is not ready without them.
func whenPermissionsDiffer(in Input) (Plan, bool) {
	read := in.Observed.Permissions
	if in.Object.Permissions == nil || in.Object.isObserving() {
		return Plan{}, false
	}
	if !read.Known {
		verdict := Verdict{Reason: v1alpha1.ReasonUpdating, Message: "reading the permissions of the " + in.Kind.Noun}
		if read.Failure != nil {
			verdict = read.Failure.VerdictOn(permissionsField)
		}
		return Plan{Verdict: verdict}, !in.Object.wasReady()
	}
	wanted, differ := in.wantedPermissions()
	if !differ {
		return Plan{}, false
	}
	if again := in.backoffUntil(in.Attempts.Side); !again.IsZero() {
		return Plan{Verdict: in.Attempts.Side.Failure.VerdictOn(permissionsField), RequeueAt: again}, true
	}
	return in.corrected(subjectPermissions, Plan{
		Step:    SetPermissions{ID: *in.Object.ID, Permissions: wanted},
		Verdict: Verdict{Reason: v1alpha1.ReasonUpdating, Message: "/accessControlList"},
	}), true
}

// permissionsField begins the message of a failure of reading or setting permissions.
const permissionsField = "spec.accessControlList: "

// wantedPermissions returns the direct permissions that the remote object should have, and
// whether it has others.
func (in Input) wantedPermissions() (wanted []diff.Permission, differ bool) {
	if in.Object.Permissions == nil || !in.Observed.Permissions.Known {
		return nil, false
	}
	direct := in.Observed.Permissions.Direct
	wanted = in.Kind.Levels.Desired(in.Object.Permissions, direct, in.Observed.Principal)
	return wanted, !diff.SamePermissions(wanted, direct)
}

// The subjects of corrections.
const (
	subjectFields      = "fields"
	subjectPermissions = "permissions"
	subjectExistence   = "existence"
)

const (
	// contentionWindow is the span in which reversals are counted, and contentionBackoff
	// the pause before the first correction that is delayed.
	contentionWindow, contentionBackoff = time.Hour, 2 * time.Minute
	// maxImmediateCorrections is how many reversals within the window are corrected at once.
	maxImmediateCorrections = 3
)

// corrected returns the plan that corrects a subject, or, if another actor set the subject
// back more than three times within the window, a plan without its step until the backoff
// has passed.
func (in Input) corrected(subject string, next Plan) Plan {
	if !next.Kind().WritesToDatabricks() && next.Kind() != StepRead {
		return next
	}
	count, last := in.correctionsOf(subject)
	next.Reverses = subject
	if count <= maxImmediateCorrections {
		return next
	}
	again := last.Add(in.Limits.correctionBackoff(count))
	held := Plan{Contended: subject, RequeueAt: again, Verdict: next.Verdict}
	if in.Now.Before(again) {
		held.Verdict = Verdict{Reason: v1alpha1.ReasonContended, Message: contendedMessage(in, subject)}
		return held
	}
	next.Contended = subject
	return next
}

// contendedMessage returns the message about a subject that another actor sets back.
func contendedMessage(in Input, subject string) string {
	what := map[string]string{
		subjectFields: paths(in.Compared.Differences), subjectPermissions: "spec.accessControlList", subjectExistence: "the existence of the " + in.Kind.Noun,
	}[subject]
	return fmt.Sprintf("another actor has set back %s more than three times within an hour; corrections continue with backoff", what)
}

// correctionsOf returns how often a subject was corrected within the window, plus the
// present time, and when it last was.
func (in Input) correctionsOf(subject string) (count int32, last time.Time) {
	for _, known := range in.Object.Status.Corrections {
		if known.Subject == subject && in.Object.isEvaluated() && known.CorrectedTime != nil &&
			in.Now.Before(known.CorrectedTime.Add(in.Limits.contentionWindow())) {
			return known.Count + 1, known.CorrectedTime.Time
		}
	}
	return 0, time.Time{}
}

func (l Limits) contentionWindow() time.Duration {
	if l.ContentionWindow > 0 {
		return l.ContentionWindow
	}
	return contentionWindow
}

// correctionBackoff is the pause before a correction. It doubles with every reversal
// beyond maxImmediateCorrections, up to the window.
func (l Limits) correctionBackoff(count int32) time.Duration {
	pause := contentionBackoff
	if l.ContentionBackoff > 0 {
		pause = l.ContentionBackoff
	}
	for range min(count-maxImmediateCorrections-1, 16) {
		pause = min(2*pause, l.contentionWindow())
	}
	return min(pause, l.contentionWindow())
}

// withBackoff returns the plan, or a plan without its step during the backoff of the step.
// The verdict is then that of the failure.
func (in Input) withBackoff(next Plan) Plan {
	last := in.Attempts.Last
	isNext := last.Step == next.Kind() || last.Step == StepEdit && next.Kind() == StepRead
	again := in.backoffUntil(last)
	if !isNext || again.IsZero() {
		return next
	}
	return Plan{Verdict: in.verdictOn(last.Failure), RequeueAt: again}
}

// backoffUntil returns until when a failed step is not retried; zero: it may be sent.
func (in Input) backoffUntil(last Attempt) time.Time {
	if last.Failure == nil {
		return time.Time{}
	}
	changed := last.Generation != in.Object.GetGeneration() || last.Credential != in.Observed.Credential
	again := last.At.Add(last.Failure.Backoff(last.Failures))
	if last.Failure.Stalls() && changed || !in.Now.Before(again) {
		return time.Time{}
	}
	return again
}

// verdictOn returns the verdict for a failed step, now and during its backoff.
func (in Input) verdictOn(failure *Failure) Verdict {
	verdict := failure.Verdict()
	if in.Object.IsDeleting() && verdict.Stalled {
		verdict.Reason = v1alpha1.ReasonDeletionBlocked
	}
	return verdict
}
