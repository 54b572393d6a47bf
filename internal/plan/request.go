package plan

import (
	"fmt"
	"strings"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// whenRequested: the request annotation asks for something once. It is noted
// before it is acted on, so that a crash neither repeats nor loses it, and
// answered where scripts can wait for it.
func whenRequested(in Input) (Plan, bool) {
	value := in.Cluster.Annotations[v1alpha1.AnnotationRequest]
	if value == "" || in.observes() {
		return Plan{}, false
	}
	noted := in.Cluster.Status.Request
	if noted == nil || noted.Value != value {
		return in.acknowledge(value), true
	}
	switch noted.Phase {
	case v1alpha1.RequestAccepted, v1alpha1.RequestInProgress:
		return in.pursue(verbOf(value), *noted)
	default:
		return Plan{}, false
	}
}

// whenAskedToReconcile: the one request that needs no cluster. It ends every
// pause, that after a refused create too.
func whenAskedToReconcile(in Input) (Plan, bool) {
	value, noted := in.Cluster.Annotations[v1alpha1.AnnotationRequest], in.Cluster.Status.Request
	if verbOf(value) != v1alpha1.RequestReconcile || (noted != nil && noted.Value == value) {
		return Plan{}, false
	}
	return note(v1alpha1.RequestStatus{Value: value, Phase: v1alpha1.RequestSucceeded, Message: "the workspace is read again"}), true
}

func verbOf(value string) string {
	verb, _, _ := strings.Cut(value, "@")
	return verb
}

// acknowledge stores a request, or refuses it.
func (in Input) acknowledge(value string) Plan {
	request := v1alpha1.RequestStatus{Value: value, Phase: v1alpha1.RequestAccepted}
	if why := in.refusal(verbOf(value)); why != "" {
		request.Phase, request.Message = v1alpha1.RequestRefused, why
	}
	if at := in.Observed.Details.LastRestartedTime; at != 0 {
		request.RestartedTimeBefore = new(metav1.NewTime(time.UnixMilli(at).Truncate(time.Second)))
	}
	return note(request)
}

func note(request v1alpha1.RequestStatus) Plan {
	return Plan{Step: AcknowledgeRequest{request}}
}

// refusal is why a request is not acted on; "" if it is.
func (in Input) refusal(verb string) string {
	policy, state := in.Cluster.Spec.RunPolicy, in.Observed.Details.State
	switch {
	case in.Cluster.Status.AppliedDigest == "":
		return "it came with a new object, probably by copying one; annotate again to confirm it"
	case verb == v1alpha1.RequestTerminate && policy == v1alpha1.RunPolicyRunning:
		return "spec.runPolicy Running starts the cluster again; set it to Manual or Terminated"
	case (verb == v1alpha1.RequestStart || verb == v1alpha1.RequestRestart) && policy == v1alpha1.RunPolicyTerminated:
		return "spec.runPolicy Terminated keeps the cluster down; set it to Manual or Running"
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

// pursue takes a request one step on.
func (in Input) pursue(verb string, request v1alpha1.RequestStatus) (Plan, bool) {
	switch verb {
	case v1alpha1.RequestStart:
		return in.pursueStart(request)
	case v1alpha1.RequestRestart:
		return in.pursueRestart(request)
	default:
		return in.pursueTerminate(request)
	}
}

func (in Input) pursueStart(request v1alpha1.RequestStatus) (Plan, bool) {
	switch in.Observed.Details.State {
	case compute.StateRunning, compute.StateResizing:
		return in.settle(request, v1alpha1.RequestSucceeded, "the cluster is up")
	case compute.StateTerminated:
		if request.Phase == v1alpha1.RequestInProgress {
			return in.settle(request, v1alpha1.RequestFailed, TerminationSummary(in.Observed.Details))
		}
		if in.needsCorrection() {
			// Pending changes go first; the start follows.
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

// pursueRestart: a restart with pending changes is their update.
func (in Input) pursueRestart(request v1alpha1.RequestStatus) (Plan, bool) {
	details := in.Observed.Details
	before := request.RestartedTimeBefore
	again := before != nil && time.UnixMilli(details.LastRestartedTime).Truncate(time.Second).After(before.Time)
	switch {
	case details.State == compute.StateTerminated:
		return in.settle(request, v1alpha1.RequestFailed, TerminationSummary(details))
	case details.State == compute.StateRunning && (again || request.Phase == v1alpha1.RequestInProgress):
		// What is seen began after the call, which changes the state at once.
		return in.settle(request, v1alpha1.RequestSucceeded, "the cluster was restarted")
	case details.State != compute.StateRunning || in.needsCorrection():
		return Plan{}, false
	}
	request.Phase = v1alpha1.RequestInProgress
	plan := in.withBackoff(Plan{
		Step:    Restart{details.ClusterId},
		Verdict: Verdict{Reason: v1alpha1.ReasonRestarting, Message: "restarting the cluster, on request"},
	})
	plan.Request = &request
	return plan, true
}

func (in Input) pursueTerminate(request v1alpha1.RequestStatus) (Plan, bool) {
	switch in.Observed.Details.State {
	case compute.StateTerminated:
		return in.settle(request, v1alpha1.RequestSucceeded, "the cluster is down")
	case compute.StateTerminating:
		return Plan{}, false
	default:
	}
	request.Phase = v1alpha1.RequestInProgress
	plan := in.withBackoff(Plan{
		Step:    Terminate{in.Observed.Details.ClusterId},
		Verdict: Verdict{Reason: v1alpha1.ReasonTerminating, Message: "terminating the cluster, on request"},
	})
	plan.Request = &request
	return plan, true
}

// restarting is the request that an update on RUNNING fulfils; nil for none.
func (in Input) restarting() *v1alpha1.RequestStatus {
	if !in.requests(v1alpha1.RequestRestart) {
		return nil
	}
	request := in.Cluster.Status.Request.DeepCopy()
	request.Phase = v1alpha1.RequestInProgress
	return request
}

// settle ends a request, told before anything else goes on.
func (in Input) settle(request v1alpha1.RequestStatus, phase v1alpha1.RequestPhase, message string) (Plan, bool) {
	request.Phase, request.Message = phase, message
	return note(request), true
}

// requests tells that a request of this kind is noted and not yet answered.
func (in Input) requests(verb string) bool {
	noted := in.Cluster.Status.Request
	if noted == nil || noted.Value != in.Cluster.Annotations[v1alpha1.AnnotationRequest] || verbOf(noted.Value) != verb {
		return false
	}
	return noted.Phase == v1alpha1.RequestAccepted || noted.Phase == v1alpha1.RequestInProgress
}
