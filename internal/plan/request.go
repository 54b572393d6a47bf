package plan

import (
	"fmt"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// whenRequested: the request annotation has a one-off request. It is stored before it is
// carried out, so that a crash neither repeats nor loses it, and its result is in the
// status, where scripts can wait for it.
func whenRequested(in Input) (Plan, bool) {
	asked := in.requested()
	if asked.Value == "" || in.isObserving() {
		return Plan{}, false
	}
	stored := in.Cluster.Status.Request
	if stored == nil || stored.Value != asked.Value {
		return in.acknowledge(asked), true
	}
	switch stored.Phase {
	case v1alpha1.RequestAccepted, v1alpha1.RequestInProgress:
		return in.advance(asked.Verb, *stored)
	default:
		return Plan{}, false
	}
}

// whenReconcileRequested: the request is to reconcile, which needs no cluster. It ends every
// backoff, also after a refused create.
func whenReconcileRequested(in Input) (Plan, bool) {
	asked, stored := in.requested(), in.Cluster.Status.Request
	if asked.Verb != v1alpha1.RequestReconcile || (stored != nil && stored.Value == asked.Value) {
		return Plan{}, false
	}
	if !asked.HasToken {
		return acknowledgeWith(v1alpha1.RequestStatus{Value: asked.Value, Phase: v1alpha1.RequestRefused, Message: managed.LacksToken(asked.Verb)}), true
	}
	return acknowledgeWith(v1alpha1.RequestStatus{Value: asked.Value, Phase: v1alpha1.RequestSucceeded, Message: "the workspace is read again"}), true
}

// requested returns the request annotation of the object.
func (in Input) requested() managed.Request { return managed.RequestOf(in.Cluster.Annotations) }

// acknowledge returns the plan that stores or refuses a request.
func (in Input) acknowledge(asked managed.Request) Plan {
	request := v1alpha1.RequestStatus{Value: asked.Value, Phase: v1alpha1.RequestAccepted}
	why := in.refusalReason(asked.Verb)
	switch {
	case why == "" && !asked.HasToken:
		why = managed.LacksToken(asked.Verb)
	case asked.IsTooLong:
		why = fmt.Sprintf("the annotation %s has more than %d characters; write <verb>@<any token>", v1alpha1.AnnotationRequest, v1alpha1.MaxRequestLength)
	}
	if why != "" {
		request.Phase, request.Message = v1alpha1.RequestRefused, why
	}
	if at := in.Observed.Details.LastRestartedTime; at != 0 {
		request.RestartedTimeBefore = new(metav1.NewTime(time.UnixMilli(at).Truncate(time.Second)))
	}
	return acknowledgeWith(request)
}

// acknowledgeWith returns the plan that stores the state of a request.
func acknowledgeWith(request v1alpha1.RequestStatus) Plan {
	return Plan{Step: AcknowledgeRequest{request}}
}

// refusalReason returns why a request is refused; "": it is accepted.
func (in Input) refusalReason(verb string) string {
	contradiction, state := in.contradiction(verb), in.Observed.Details.State
	switch {
	case in.Cluster.Status.AppliedDigest == "":
		return "it came with a new object, probably by copying one; annotate again to confirm it"
	case contradiction != "":
		return contradiction
	case verb == v1alpha1.RequestRestart && state == compute.StateTerminated:
		return "the cluster is down; request start@<token>"
	}
	switch verb {
	case v1alpha1.RequestStart, v1alpha1.RequestTerminate, v1alpha1.RequestRestart:
		return ""
	default:
		return fmt.Sprintf("%q is not one of start, terminate, restart and reconcile; write <verb>@<any token>", verb)
	}
}

// contradiction returns why the runPolicy does not permit a request; "": it does.
func (in Input) contradiction(verb string) string {
	switch policy := in.keptPolicy(); {
	case verb == v1alpha1.RequestTerminate && policy == v1alpha1.RunPolicyRunning:
		return in.keeper("starts the cluster again", v1alpha1.RunPolicyTerminated)
	case (verb == v1alpha1.RequestStart || verb == v1alpha1.RequestRestart) && policy == v1alpha1.RunPolicyTerminated:
		return in.keeper("keeps the cluster down", v1alpha1.RunPolicyRunning)
	default:
		return ""
	}
}

// keeper returns what contradicts a request, and the way out.
func (in Input) keeper(does string, alternative v1alpha1.RunPolicy) string {
	if in.Cluster.Spec.RunPolicy == v1alpha1.RunPolicyScheduled {
		return "spec.schedule " + does + "; set its atStart to Start and its atEnd to Terminate"
	}
	return fmt.Sprintf("spec.runPolicy %s %s; set it to Manual or %s", in.Cluster.Spec.RunPolicy, does, alternative)
}

// advance returns the next step of an accepted request. A request that was not begun is
// refused if the runPolicy was changed meanwhile and contradicts it.
func (in Input) advance(verb string, request v1alpha1.RequestStatus) (Plan, bool) {
	if why := in.contradiction(verb); why != "" && request.Phase == v1alpha1.RequestAccepted {
		return in.finishRequest(request, v1alpha1.RequestRefused, why)
	}
	switch verb {
	case v1alpha1.RequestStart:
		return in.advanceStart(request)
	case v1alpha1.RequestRestart:
		return in.advanceRestart(request)
	default:
		return in.advanceTerminate(request)
	}
}

func (in Input) advanceStart(request v1alpha1.RequestStatus) (Plan, bool) {
	switch in.Observed.Details.State {
	case compute.StateRunning, compute.StateResizing:
		return in.finishRequest(request, v1alpha1.RequestSucceeded, "the cluster is up")
	case compute.StateTerminated:
		if request.Phase == v1alpha1.RequestInProgress {
			return in.finishRequest(request, v1alpha1.RequestFailed, TerminationSummary(in.Observed.Details))
		}
		if in.hasPendingChanges() {
			// They go first; the start follows.
			return Plan{}, false
		}
		request.Phase = v1alpha1.RequestInProgress
		plan := in.start("starting the cluster, on request")
		plan.Request = &request
		return plan, true
	default:
		return Plan{}, false
	}
}

// advanceRestart returns the next step of a restart. The update of pending changes replaces
// the restart.
func (in Input) advanceRestart(request v1alpha1.RequestStatus) (Plan, bool) {
	details := in.Observed.Details
	before := request.RestartedTimeBefore
	again := before != nil && time.UnixMilli(details.LastRestartedTime).Truncate(time.Second).After(before.Time)
	switch {
	case details.State == compute.StateTerminated:
		return in.finishRequest(request, v1alpha1.RequestFailed, TerminationSummary(details))
	case details.State == compute.StateRunning && (again || request.Phase == v1alpha1.RequestInProgress):
		// This read began after the call, which changes the state immediately.
		return in.finishRequest(request, v1alpha1.RequestSucceeded, "the cluster was restarted")
	case details.State != compute.StateRunning || in.hasPendingChanges():
		return Plan{}, false
	}
	request.Phase = v1alpha1.RequestInProgress
	plan := in.withBackoff(Plan{
		Step:    Restart{details.ClusterId},
		Verdict: managed.Verdict{Reason: v1alpha1.ReasonRestarting, Message: "restarting the cluster, on request"},
	})
	plan.Request = &request
	return plan, true
}

// hasPendingChanges reports whether changes of the cluster go before a start or a restart,
// or may: a difference is not confirmed yet.
func (in Input) hasPendingChanges() bool {
	return in.needsCorrection() || in.enforcesNow() || in.Observed.UnconfirmedDiff
}

func (in Input) advanceTerminate(request v1alpha1.RequestStatus) (Plan, bool) {
	switch in.Observed.Details.State {
	case compute.StateTerminated:
		return in.finishRequest(request, v1alpha1.RequestSucceeded, "the cluster is down")
	case compute.StateTerminating:
		return Plan{}, false
	default:
	}
	request.Phase = v1alpha1.RequestInProgress
	plan := in.withBackoff(Plan{
		Step:    Terminate{in.Observed.Details.ClusterId},
		Verdict: managed.Verdict{Reason: v1alpha1.ReasonTerminating, Message: "terminating the cluster, on request"},
	})
	plan.Request = &request
	return plan, true
}

// restartRequest returns the request that an update of a running cluster fulfills; nil: none.
func (in Input) restartRequest() *v1alpha1.RequestStatus {
	if !in.hasOpenRequest(v1alpha1.RequestRestart) {
		return nil
	}
	request := in.Cluster.Status.Request.DeepCopy()
	request.Phase = v1alpha1.RequestInProgress
	return request
}

// finishRequest returns the plan that stores the result of a request, before any other step.
func (in Input) finishRequest(request v1alpha1.RequestStatus, phase v1alpha1.RequestPhase, message string) (Plan, bool) {
	request.Phase, request.Message = phase, message
	return acknowledgeWith(request), true
}

// hasAccepted reports whether a request with this verb is stored and was not begun.
func (in Input) hasAccepted(verb string) bool {
	return in.hasOpenRequest(verb) && in.Cluster.Status.Request.Phase == v1alpha1.RequestAccepted
}

// hasOpenRequest reports whether a request with this verb is stored and not finished.
func (in Input) hasOpenRequest(verb string) bool {
	stored := in.Cluster.Status.Request
	if stored == nil || stored.Value != in.requested().Value || managed.VerbOf(stored.Value) != verb {
		return false
	}
	return stored.Phase == v1alpha1.RequestAccepted || stored.Phase == v1alpha1.RequestInProgress
}
