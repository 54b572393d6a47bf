package managed

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/diff"
)

// Outcome is the result of the step of a plan.
type Outcome struct {
	// Ran reports whether the step was carried out, successfully or not. It is false if
	// there was no step or the step waits.
	Ran bool
	// Created is the id that a create call returned.
	Created string
	// Failure is the failure of the step; nil: it succeeded.
	Failure *Failure
	// Held is why the step was not sent for some time; nil: it does not wait, or not long
	// enough to report.
	Held *Hold
	// KubernetesRefusal is the answer by which the Kubernetes API refused a write of the
	// step; empty if it did not.
	KubernetesRefusal string
}

// IsRefused reports whether a create certainly did not happen.
func (o Outcome) IsRefused() bool {
	return o.Failure != nil && o.Failure.Class != databricks.ClassAmbiguous
}

// ReportInput has all facts that a report depends on.
type ReportInput struct {
	// Input has the object before the report. Its Object is not changed.
	Input

	Plan    Plan
	Outcome Outcome
}

// Report has the events of one reconciliation.
type Report struct {
	// ActionEvents are emitted even if the status cannot be written, because a later
	// reconciliation cannot repeat them. Events are emitted after the write of the status.
	ActionEvents, Events []Event
}

// ReportTo writes the new status of an object to a copy of it, and returns the events.
func ReportTo(in ReportInput, after Object) Report {
	in.recordIdentity(after)
	in.recordOwnership(after.Status)
	in.recordCorrections(after.Status)
	if acknowledged, ok := in.Plan.Step.(AcknowledgeRequest); ok {
		after.Status.Request = &acknowledged.Request
	}
	in.setConditions(after.Status)
	after.Status.ObservedGeneration = in.Object.GetGeneration()
	return Report{ActionEvents: in.actionEvents(), Events: in.events(after.Status)}
}

// recordIdentity stores the remote object and its workspace.
func (in ReportInput) recordIdentity(after Object) {
	status := after.Status
	if stored, ok := in.Plan.Step.(StoreID); ok {
		*after.ID = stored.ID
		status.Adopted = stored.Source == AdoptedByID || stored.Source == AdoptedByName
	}
	if in.Outcome.Created != "" {
		*after.ID = in.Outcome.Created
	}
	isVoid := in.createdNothing()
	if creation := status.Creation; creation != nil && (isVoid || *after.ID != "") {
		finished := &v1alpha1.CreationIntent{Incarnation: creation.Incarnation}
		if !isVoid && !in.Compared.Known {
			// They are kept until the first comparison.
			finished.Digest, finished.NotAfter = creation.Digest, creation.NotAfter
		}
		status.Creation = finished
	}
	if isVoid {
		// There is nothing in the workspace, so the object is not bound to it.
		status.Host, status.Name = "", ""
	}
	if *after.ID == "" {
		status.URL = ""
		return
	}
	if remote := in.Observed.Remote; remote != nil && in.Observed.Presence == Present {
		status.Name = databricks.PlainText(remote.Name)
	}
	if status.Host == "" {
		status.Host = in.Observed.Host
	}
	if status.WorkspaceID == "" {
		status.WorkspaceID = in.Observed.WorkspaceID
	}
	status.URL = status.Host + in.Kind.Path(*after.ID)
}

// createdNothing reports whether the creation in the status certainly created nothing. A
// later attempt may be refused because an earlier one created the name.
func (in ReportInput) createdNothing() bool {
	creation := in.Object.Status.Creation
	switch in.Plan.Step.(type) {
	case AbandonCreation:
		return true
	case Create:
		return in.Outcome.IsRefused() && creation != nil && creation.Attempt <= 1
	default:
		return false
	}
}

// recordOwnership stores which fields are owned, which specification was applied, and the
// differences.
func (in ReportInput) recordOwnership(status *v1alpha1.ManagementStatus) {
	if _, ok := in.Plan.Step.(PersistOwnership); ok {
		status.OwnedFields = union(status.OwnedFields, in.Kind.Fields.Owned(in.Desired))
	}
	if !in.Compared.Known || in.Object.IsDeleting() {
		return
	}
	found := in.Compared
	if found.isEqual() && !in.Object.isObserving() {
		status.OwnedFields = in.Kind.Fields.Owned(in.Desired)
		status.AppliedDigest = in.Kind.Fields.Digest(in.Desired)
	}
	const maxNormalized, maxDrift = 64, 20
	status.NormalizedFields = nil
	for _, d := range found.Normalized[:min(len(found.Normalized), maxNormalized)] {
		status.NormalizedFields = append(status.NormalizedFields, v1alpha1.NormalizedField{Path: d.SpecPath, Digest: differenceKey(d)})
	}
	status.Drift = nil
	for _, d := range slices.Concat(found.Immutable, found.Differences, found.Normalized) {
		if len(status.Drift) < maxDrift {
			status.Drift = append(status.Drift, v1alpha1.DriftedField{Path: d.SpecPath, Desired: shown(d, d.Desired), Actual: shown(d, d.Actual)})
		}
	}
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// shown returns the text of a value of a difference, redacted if it may contain a secret.
func shown(d diff.Difference, value any) string {
	if value != nil && d.Secret {
		return "[redacted]"
	}
	return ValueText(value)
}

// recordCorrections counts the corrections of drift. An edit of the object resets them.
func (in ReportInput) recordCorrections(status *v1alpha1.ManagementStatus) {
	if !in.Object.isEvaluated() {
		status.Corrections = nil
	}
	status.Corrections = slices.DeleteFunc(slices.Clone(status.Corrections), func(known v1alpha1.Correction) bool {
		return known.CorrectedTime == nil || !in.Now.Before(known.CorrectedTime.Add(in.Limits.contentionWindow()))
	})
	if len(status.Corrections) == 0 {
		status.Corrections = nil
	}
	subject := in.Plan.Reverses
	if subject == "" || !in.Outcome.Ran || in.Outcome.Failure != nil || !in.Plan.Kind().WritesToDatabricks() {
		return
	}
	now := metav1.NewTime(in.Now.UTC())
	i := slices.IndexFunc(status.Corrections, func(known v1alpha1.Correction) bool { return known.Subject == subject })
	if i < 0 {
		status.Corrections = append(status.Corrections, v1alpha1.Correction{Subject: subject, Count: 1, FirstTime: &now, LastTime: &now, CorrectedTime: &now})
		return
	}
	status.Corrections[i].Count++
	status.Corrections[i].LastTime, status.Corrections[i].CorrectedTime = &now, &now
}

// verdict returns the verdict of the plan, or that of the failure of its step. It is empty
// if there are no new facts.
func (in ReportInput) verdict() Verdict {
	if refusal := in.Outcome.KubernetesRefusal; refusal != "" {
		return Verdict{
			Reason: v1alpha1.ReasonWriteRefused, Stalled: true,
			Message: "Kubernetes refuses a change by the operator, which is tried again: " + refusal,
		}
	}
	verdict := in.Plan.Verdict
	_, setsPermissions := in.Plan.Step.(SetPermissions)
	switch {
	case in.Outcome.Failure != nil && setsPermissions:
		verdict = in.Outcome.Failure.VerdictOn(permissionsField)
	case in.Outcome.Failure != nil:
		// The next plan has the same failure and the same verdict.
		verdict = in.verdictOn(in.Outcome.Failure)
	case in.Outcome.Held != nil:
		verdict = in.Outcome.Held.Verdict()
	}
	if verdict.Reason != "" && in.Object.IsDeleting() {
		verdict = in.withRemedy(Plan{Verdict: verdict}).Verdict
	}
	switch {
	case verdict.Reason != "" || in.Object.IsDeleting() || in.Observed.Presence != Present || !in.Compared.Known:
		return verdict
	case in.Object.isObserving():
		return Verdict{Reason: v1alpha1.ReasonObserved, Message: "the " + in.Kind.Noun + " is observed and not managed"}
	case in.Compared.isEqual():
		return in.Input.verdict(v1alpha1.ReasonAvailable, "the %s exists as declared")
	case in.Object.Spec.Suspend:
		return in.Input.verdict(v1alpha1.ReasonAvailable, "the %s exists, and changes wait while spec.suspend is true")
	default:
		return Verdict{Reason: v1alpha1.ReasonUpdating, Message: "comparing the " + in.Kind.Noun}
	}
}

// isReady reports whether a reason is one of Ready=True.
func isReady(reason string) bool {
	return slices.Contains([]string{v1alpha1.ReasonAvailable, v1alpha1.ReasonObserved, v1alpha1.ReasonDriftTolerated}, reason)
}

// setConditions sets every condition, so that no condition outlives its facts.
func (in ReportInput) setConditions(status *v1alpha1.ManagementStatus) {
	set := Conditions{List: &status.Conditions, Generation: in.Object.GetGeneration(), Now: in.Now}
	switch verdict := in.verdict(); {
	case verdict.Reason == "":
		set.Keep()
	case isReady(verdict.Reason):
		set.Ready(verdict)
	case verdict.Reason == v1alpha1.ReasonSuspended:
		set.Idle(verdict)
	default:
		set.NotReady(verdict)
	}
	in.setSynced(set)
	if !in.Object.Spec.Suspend {
		set.Remove(v1alpha1.ConditionSuspended)
		return
	}
	set.Set(v1alpha1.ConditionSuspended, metav1.ConditionTrue, v1alpha1.ReasonSuspended,
		"spec.suspend is true: the state of the "+in.Kind.Noun+" is shown, and nothing is written to it")
}

func (in ReportInput) setSynced(set Conditions) {
	failure, found := in.Observed.ReadFailure, in.Compared
	unknown := func(reason, message string) {
		set.Set(v1alpha1.ConditionSynced, metav1.ConditionUnknown, reason, message)
	}
	differs := func(reason, message string) {
		set.Set(v1alpha1.ConditionSynced, metav1.ConditionFalse, reason, message)
	}
	_, permissionsDiffer := in.wantedPermissions()
	last := meta.FindStatusCondition(*set.List, v1alpha1.ConditionSynced)
	switch {
	case failure != nil && failure.Class == databricks.ClassThrottled:
		unknown(v1alpha1.ReasonRateLimited, failure.Message)
	case failure != nil:
		unknown(v1alpha1.ReasonAPIUnavailable, failure.Message)
	case in.Plan.Contended != "":
		differs(v1alpha1.ReasonContended, contendedMessage(in.Input, in.Plan.Contended))
	case !found.Known && last != nil && (in.Object.IsDeleting() || in.Observed.Blocked == nil && last.ObservedGeneration == set.Generation):
		last.ObservedGeneration = set.Generation
	case !found.Known:
		unknown(v1alpha1.ReasonNotCompared, "nothing to compare with yet")
	case len(found.Immutable) > 0:
		differs(v1alpha1.ReasonImmutableField, "not as declared: "+paths(found.Immutable))
	case len(found.Differences) > 0:
		differs(in.differenceReason(), "not as declared: "+paths(found.Differences))
	case in.permissionFailure() != nil:
		differs(v1alpha1.ReasonUpdateFailed, permissionsField+in.permissionFailure().Message)
	case permissionsDiffer:
		differs(v1alpha1.ReasonDriftDetected, "not as declared: spec.accessControlList")
	case len(found.Normalized) > 0:
		differs(v1alpha1.ReasonServerNormalized, "the workspace keeps other values than it was asked for: "+paths(found.Normalized))
	default:
		set.Set(v1alpha1.ConditionSynced, metav1.ConditionTrue, v1alpha1.ReasonInSync, "the "+in.Kind.Noun+" is as declared")
	}
}

// permissionFailure returns the failure of the last change of the permissions; nil: there is
// none, or they are as declared.
func (in ReportInput) permissionFailure() *Failure {
	_, differ := in.wantedPermissions()
	_, isStep := in.Plan.Step.(SetPermissions)
	switch {
	case !differ:
		return nil
	case isStep && in.Outcome.Ran:
		return in.Outcome.Failure
	default:
		return in.Attempts.Side.Failure
	}
}

// differenceReason returns the reason for a difference: a failed edit, a change by the
// user, or drift.
func (in ReportInput) differenceReason() string {
	switch {
	case in.Outcome.Failure != nil || in.Plan.Step == nil && in.Plan.Verdict.Stalled:
		return v1alpha1.ReasonUpdateFailed
	case in.Compared.ChangedByUser:
		return v1alpha1.ReasonUpdating
	default:
		return v1alpha1.ReasonDriftDetected
	}
}

// actionEvents returns the events of the step of this reconciliation.
func (in ReportInput) actionEvents() []Event {
	if !in.Outcome.Ran || in.Outcome.Failure != nil {
		return nil
	}
	event := func(reason, note string) Event {
		return Event{Type: corev1.EventTypeNormal, Reason: reason, Action: string(in.Plan.Kind()), Note: note}
	}
	noun := in.Kind.Noun
	switch step := in.Plan.Step.(type) {
	case Create:
		return []Event{event(EventCreated, "created "+noun+" "+in.Outcome.Created+" with the name "+step.Name)}
	case Edit:
		if in.Compared.ChangedByUser {
			return []Event{event(EventUpdated, "applied "+paths(step.Differences))}
		}
		return []Event{event(EventDriftCorrected, "corrected "+paths(step.Differences))}
	case SetPermissions:
		return []Event{event(EventUpdated, "set the permissions of spec.accessControlList")}
	case Delete:
		events := []Event{event(EventDeleted, "deleted "+noun+" "+step.ID)}
		if users := in.Observed.Users; users.Known && users.Count > 0 {
			events = append(events, Event{
				Type: corev1.EventTypeWarning, Reason: EventDeletedInUse, Action: string(StepDelete), Note: in.usersText(step.ID),
			})
		}
		return events
	case RemoveFinalizer:
		if *in.Object.ID != "" && in.Observed.Presence != Missing {
			return []Event{event(EventRetained, "the "+noun+" "+*in.Object.ID+" stays in the workspace")}
		}
	default:
	}
	return nil
}

// events returns the events of transitions that the status records.
func (in ReportInput) events(after *v1alpha1.ManagementStatus) []Event {
	var all []Event
	add := func(kind, reason, action, note string) {
		all = append(all, Event{Type: kind, Reason: reason, Action: action, Note: note})
	}
	noun, before := in.Kind.Noun, in.Object.Status
	if stored, ok := in.Plan.Step.(StoreID); ok {
		switch {
		case in.Object.isObserving():
			add(corev1.EventTypeNormal, EventObserved, string(StepStoreID), "observes "+noun+" "+stored.ID)
		case stored.Source == AdoptedByID, stored.Source == AdoptedByName:
			add(corev1.EventTypeNormal, EventAdopted, string(StepStoreID), "adopted "+noun+" "+stored.ID)
		default:
			add(corev1.EventTypeNormal, EventCreated, string(StepStoreID), "found "+noun+" "+stored.ID+", which was created for this object")
		}
	}
	if asked, ok := in.Plan.Step.(AcknowledgeRequest); ok && asked.Request.Phase == v1alpha1.RequestRefused {
		add(corev1.EventTypeWarning, EventRequestRefused, string(StepAcknowledgeRequest), asked.Request.Value+" was refused: "+asked.Request.Message)
	}
	if stalled := changedTo(before.Conditions, after.Conditions, v1alpha1.ConditionStalled); stalled != nil {
		add(corev1.EventTypeWarning, stalled.Reason, "Reconcile", stalled.Message)
	}
	wasSuspended := meta.IsStatusConditionTrue(before.Conditions, v1alpha1.ConditionSuspended)
	switch isSuspended := in.Object.Spec.Suspend; {
	case isSuspended && !wasSuspended:
		add(corev1.EventTypeNormal, EventSuspended, "Suspend", "writes to the "+noun+" stop; its state is still shown")
	case wasSuspended && !isSuspended:
		add(corev1.EventTypeNormal, EventResumed, "Resume", "the "+noun+" is managed again")
	}
	return all
}

// changedTo returns a condition that is True and was not, or had another reason; nil: it is
// none.
func changedTo(before, after []metav1.Condition, kind string) *metav1.Condition {
	is := meta.FindStatusCondition(after, kind)
	if is == nil || is.Status != metav1.ConditionTrue {
		return nil
	}
	if was := meta.FindStatusCondition(before, kind); was != nil && was.Reason == is.Reason {
		return nil
	}
	return is
}
