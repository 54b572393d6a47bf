package managed

import (
	"fmt"
	"slices"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/owner"
)

// rule returns the plan for one situation; ok is false in every other situation.
type rule func(in Input) (plan Plan, ok bool)

// liveRules is the chain for an object that is not being deleted.
var liveRules = []rule{
	whenUnreachable,
	whenHostChanged,
	whenManagedElsewhere,
	whenWithoutFinalizer,
	whenAdoptingByID,
	whenCreatedButNotStored,
	whenResolving,
	whenRequested,
	whenNotCreated,
	whenNotObserved,
	whenGone,
	whenReadsFail,
	whenImmutableDiffers,
	whenDiffers,
	whenPermissionsDiffer,
	whenUnusable,
}

// deletionRules is the chain for an object that is being deleted.
var deletionRules = []rule{
	whenReleased,
	whenRetained,
	whenProtected,
	whenNothingToDelete,
	whenUnreachable,
	whenHostChanged,
	whenCreatedButNotStored,
	whenResolving,
	whenManagedElsewhereWhileDeleting,
	whenGoneWhileDeleting,
	whenDeleting,
}

// Make returns the plan for the next step.
func Make(in Input) Plan {
	if in.Object.IsDeleting() {
		return in.withRemedy(in.firstMatch(deletionRules))
	}
	next := in.withVerdictAfterRequest(in.firstMatch(liveRules))
	return in.untilExpiry(in.withoutWritesIfSuspended(next))
}

// untilExpiry requeues an object without a step when the first count of corrections expires,
// so that it leaves the status then, and not with an unrelated reconcile.
func (in Input) untilExpiry(next Plan) Plan {
	if next.Step != nil {
		return next
	}
	for _, known := range in.Object.Status.Corrections {
		if known.CorrectedTime == nil {
			continue
		}
		if end := known.CorrectedTime.Add(in.Limits.contentionWindow()); in.Now.Before(end) && (next.RequeueAt.IsZero() || end.Before(next.RequeueAt)) {
			next.RequeueAt = end
		}
	}
	return next
}

// firstMatch returns the plan of the first rule that matches.
func (in Input) firstMatch(chain []rule) Plan {
	for _, rule := range chain {
		if plan, ok := rule(in); ok {
			return plan
		}
	}
	return Plan{}
}

// withoutWritesIfSuspended removes a step that writes to the workspace from the plan of a
// suspended object.
func (in Input) withoutWritesIfSuspended(next Plan) Plan {
	if !in.Object.Spec.Suspend || !next.Kind().WritesToDatabricks() && next.Kind() != StepRead && next.Kind() != StepPersistOwnership {
		return next
	}
	held := Plan{}
	if in.Observed.Presence != Present {
		held.Verdict = Verdict{
			Reason:  v1alpha1.ReasonSuspended,
			Message: fmt.Sprintf("there is no %s, and none is created while spec.suspend is true", in.Kind.Noun),
		}
	}
	return held
}

// verdict returns a verdict of a reason with a message about the remote object, in which
// the noun of the kind is the first argument.
func (in Input) verdict(reason, format string, args ...any) Verdict {
	return Verdict{Reason: reason, Message: fmt.Sprintf(format, append([]any{in.Kind.Noun}, args...)...)}
}

// stalled is verdict for a situation that needs a change by the user.
func (in Input) stalled(reason, format string, args ...any) Verdict {
	verdict := in.verdict(reason, format, args...)
	verdict.Stalled = true
	return verdict
}

// whenUnreachable: the workspace cannot be called.
func whenUnreachable(in Input) (Plan, bool) {
	blocked := in.Observed.Blocked
	if blocked == nil {
		return Plan{}, false
	}
	if next, kept := in.keepReady(blocked); kept {
		return next, true
	}
	message := blocked.Text()
	if in.Object.IsDeleting() {
		message = blocked.Message
	}
	return Plan{Verdict: Verdict{Reason: blocked.Reason, Message: message, Stalled: blocked.Stalled}, RequeueAt: blocked.RequeueAt}, true
}

// keepReady returns the plan for what was Ready before an outage that does not affect it yet.
func (in Input) keepReady(blocked *Blocked) (Plan, bool) {
	requeueAt, kept := blocked.KeepsReady(in.Now)
	return Plan{RequeueAt: requeueAt}, kept && in.Object.wasReady() && !in.Object.IsDeleting()
}

// whenHostChanged: the credentials name another workspace than the one that has the remote
// object. A read there would report it as missing.
func whenHostChanged(in Input) (Plan, bool) {
	bound, now := in.Object.Status.Host, in.Observed.Host
	if bound == now {
		bound, now = in.Object.Status.WorkspaceID, in.Observed.WorkspaceID
	}
	if bound == "" || now == "" || bound == now {
		return Plan{}, false
	}
	return Plan{Verdict: in.stalled(v1alpha1.ReasonHostChanged, "the %s is in %s, but the credentials now name %s; restore the host, "+
		"or delete this object with deletionPolicy: Retain and create it again", bound, now)}, true
}

// whenManagedElsewhere: the remote object belongs to another object or operator.
func whenManagedElsewhere(in Input) (Plan, bool) {
	why := in.managedElsewhere()
	if in.Object.isObserving() || why == "" {
		return Plan{}, false
	}
	return Plan{Verdict: Verdict{Reason: v1alpha1.ReasonAlreadyManaged, Stalled: true, Message: why}}, true
}

// managedElsewhere returns why a remote object must not be managed; "": it may be managed.
func (in Input) managedElsewhere() string {
	id := in.Object.CurrentID()
	if id == "" {
		return ""
	}
	if by := in.Observed.ManagedBy; by != "" {
		return in.managedBy(id)
	}
	if in.Observed.Presence != Present {
		return ""
	}
	tag := in.tagOf(in.Observed.Remote)
	if tag == "" || in.isOwnTag(tag) || in.mayTakeOver(tag) {
		return ""
	}
	return fmt.Sprintf("%s %s carries the owner tag %s of another object; to take it over, annotate this one with %s: %s",
		in.Kind.Noun, id, databricks.PlainText(tag), v1alpha1.AnnotationTakeOver, databricks.PlainText(tag))
}

// managedBy returns the message about the object that manages a remote object. It names no
// object of another namespace, which the reader may not be allowed to see.
func (in Input) managedBy(id string) string {
	namespace, name := in.Object.GetNamespace(), in.Observed.ManagedBy
	if len(name) <= len(namespace) || name[:len(namespace)+1] != namespace+"/" {
		return fmt.Sprintf("%s %s is already managed by an object of another namespace; use managementPolicy: Observe, or have that object removed", in.Kind.Noun, id)
	}
	return fmt.Sprintf("%s %s is already managed by %s %s; remove one of the two", in.Kind.Noun, id, in.Kind.Name, name)
}

// tagOf returns the owner tag of a remote object; empty: it has none.
func (in Input) tagOf(remote *Remote) string {
	if in.Kind.TagField == "" {
		return ""
	}
	value, _ := remote.Tree.At(in.Kind.TagField, in.Kind.TagKey)
	tag, _ := value.(string)
	return tag
}

// isOwn reports whether a remote object, which may be nil, carries the owner tag of the
// object.
func (in Input) isOwn(remote *Remote) bool { return remote != nil && in.isOwnTag(in.tagOf(remote)) }

func (in Input) isOwnTag(tag string) bool {
	return in.Owner != "" && owner.Parse(tag).ID() == owner.Parse(in.Owner).ID()
}

// mayTakeOver reports whether the take-over annotation names the owner in the tag: the whole
// tag, the operator id, or the uid of the object.
func (in Input) mayTakeOver(tag string) bool {
	named := in.Object.GetAnnotations()[v1alpha1.AnnotationTakeOver]
	of := owner.Parse(tag)
	return named != "" && slices.Contains([]string{tag, of.ID(), of.Operator, of.UID}, named)
}

// whenWithoutFinalizer: nothing is created for an object that could vanish unnoticed. What
// is observed is never deleted, so its object may go.
func whenWithoutFinalizer(in Input) (Plan, bool) {
	if in.Object.isObserving() || in.Object.HasFinalizer(in.Kind) {
		return Plan{}, false
	}
	return Plan{Step: AddFinalizer{}, Verdict: in.creating()}, true
}

func (in Input) creating() Verdict {
	return in.verdict(v1alpha1.ReasonCreating, "the %s is being created")
}

// whenRequested: the request annotation has a one-off request. It is stored, so that a
// crash does not repeat it, and its result is in the status.
func whenRequested(in Input) (Plan, bool) {
	asked, stored := RequestOf(in.Object.GetAnnotations()), in.Object.Status.Request
	if asked.Value == "" || in.Object.isObserving() && asked.Verb != v1alpha1.RequestReconcile || stored != nil && stored.Value == asked.Value {
		return Plan{}, false
	}
	request := v1alpha1.RequestStatus{Value: asked.Value, Phase: v1alpha1.RequestRefused, Finished: asked.Value}
	switch {
	case asked.IsTooLong:
		request.Message = fmt.Sprintf("the annotation %s has more than %d characters; write reconcile@<any token>",
			v1alpha1.AnnotationRequest, v1alpha1.MaxRequestLength)
	case asked.Verb != v1alpha1.RequestReconcile:
		request.Message = fmt.Sprintf("a %s knows only the request reconcile; write reconcile@<any token>", in.Kind.Name)
	case !asked.HasToken:
		request.Message = LacksToken(asked.Verb)
	default:
		request.Phase, request.Message = v1alpha1.RequestSucceeded, "the workspace is read again"
	}
	return Plan{Step: AcknowledgeRequest{request}}, true
}

// withVerdictAfterRequest gives a plan that stores the state of a request the verdict of the
// plan that follows: the request itself says nothing about the remote object, and the
// object may have been edited together with it.
func (in Input) withVerdictAfterRequest(next Plan) Plan {
	acknowledged, ok := next.Step.(AcknowledgeRequest)
	if !ok {
		return next
	}
	in.Object.Status = in.Object.Status.DeepCopy()
	in.Object.Status.Request = &acknowledged.Request
	after := Make(in)
	next.Verdict, next.Contended = after.Verdict, after.Contended
	return next
}

// whenNotObserved: the status names a remote object that has not been read since it was
// required. The conditions stay as they are, except for a new generation.
func whenNotObserved(in Input) (Plan, bool) {
	if in.Observed.Presence != Unknown {
		return Plan{}, false
	}
	if in.Observed.ReadFailure != nil {
		return whenReadsFail(in)
	}
	if in.Object.isEvaluated() && len(in.Object.Status.Conditions) > 0 {
		return Plan{RequeueAt: in.missingAcceptedAt()}, true
	}
	return Plan{Verdict: in.verdict(v1alpha1.ReasonUpdating, "reading the %s"), RequeueAt: in.missingAcceptedAt()}, true
}

// whenReadsFail: the reads of the workspace fail. A transient failure does not affect Ready
// for ReadFailureGrace; a rejected credential affects it immediately.
func whenReadsFail(in Input) (Plan, bool) {
	failure := in.Observed.ReadFailure
	if failure == nil {
		return Plan{}, false
	}
	tooLong := in.Observed.ReadFailingSince.Add(ReadFailureGrace)
	if !failure.MayPass() || !in.Object.isEvaluated() || !in.Now.Before(tooLong) {
		return Plan{Verdict: failure.Verdict()}, true
	}
	return Plan{RequeueAt: tooLong}, true
}

// whenUnusable: the remote object is as declared and cannot be used.
func whenUnusable(in Input) (Plan, bool) {
	if in.Kind.Usability == nil {
		return Plan{}, false
	}
	verdict := in.Kind.Usability(in.Observed.Remote.Tree)
	return Plan{Verdict: verdict}, verdict.Reason != ""
}
