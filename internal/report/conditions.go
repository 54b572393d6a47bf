package report

import (
	"fmt"

	"github.com/databricks/databricks-sdk-go/service/compute"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

// setConditions writes every condition anew, so that none outlives its facts.
func setConditions(in Input, status *v1alpha1.DatabricksClusterStatus, verdict plan.Verdict) {
	set := setter{status: status, in: in}
	switch {
	case verdict.Reason == "":
		set.keep()
	case isReady(verdict.Reason):
		set.ready(verdict)
	case verdict.Reason == v1alpha1.ReasonSuspended:
		set.idle(verdict)
	default:
		set.notReady(verdict)
	}
	set.synced()
	set.running()
	set.librariesReady()
	set.suspended()
}

// setter writes conditions of one report.
type setter struct {
	status *v1alpha1.DatabricksClusterStatus
	in     Input
}

func (s setter) set(kind string, value metav1.ConditionStatus, reason, message string) {
	if message == "" {
		message = s.stateInWords()
	}
	meta.SetStatusCondition(&s.status.Conditions, metav1.Condition{
		Type:               kind,
		Status:             value,
		Reason:             reason,
		Message:            message,
		ObservedGeneration: s.in.Cluster.Generation,
		LastTransitionTime: metav1.NewTime(s.in.Now.UTC()),
	})
}

func (s setter) remove(kind string) {
	meta.RemoveStatusCondition(&s.status.Conditions, kind)
}

// ready: usable as the policies say, and nothing is due.
func (s setter) ready(verdict plan.Verdict) {
	s.remove(v1alpha1.ConditionReconciling)
	s.remove(v1alpha1.ConditionStalled)
	s.set(v1alpha1.ConditionReady, metav1.ConditionTrue, verdict.Reason, verdict.Message)
}

// idle: not usable, and nothing is done about it while the object is suspended.
func (s setter) idle(verdict plan.Verdict) {
	s.remove(v1alpha1.ConditionReconciling)
	s.remove(v1alpha1.ConditionStalled)
	s.set(v1alpha1.ConditionReady, metav1.ConditionFalse, verdict.Reason, verdict.Message)
}

// notReady: Ready=False comes with exactly one of Reconciling and Stalled.
func (s setter) notReady(verdict plan.Verdict) {
	present, absent := v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled
	if verdict.Stalled {
		present, absent = absent, present
	}
	s.remove(absent)
	s.set(present, metav1.ConditionTrue, verdict.Reason, verdict.Message)
	s.set(v1alpha1.ConditionReady, metav1.ConditionFalse, verdict.Reason, verdict.Message)
}

// keep leaves what was said of this generation: nothing new is known.
func (s setter) keep() {
	for i := range s.status.Conditions {
		s.status.Conditions[i].ObservedGeneration = s.in.Cluster.Generation
	}
}

func (s setter) synced() {
	world := s.in.Observed
	switch {
	case world.ReadFailure != nil && world.ReadFailure.Class == databricks.ClassThrottled:
		s.set(v1alpha1.ConditionSynced, metav1.ConditionUnknown, v1alpha1.ReasonRateLimited, world.ReadFailure.Message)
	case world.ReadFailure != nil:
		s.set(v1alpha1.ConditionSynced, metav1.ConditionUnknown, v1alpha1.ReasonAPIUnavailable, world.ReadFailure.Message)
	case isContended(s.in.Plan):
		s.set(v1alpha1.ConditionSynced, metav1.ConditionFalse, v1alpha1.ReasonContended, contendedMessage(s.in))
	case !world.Compared && s.keepsSynced():
		s.keep()
	case !world.Compared:
		s.set(v1alpha1.ConditionSynced, metav1.ConditionUnknown, v1alpha1.ReasonNotCompared, "nothing to compare with yet")
	case len(world.Differences) > 0:
		s.set(v1alpha1.ConditionSynced, metav1.ConditionFalse, s.difference(), "not as declared: "+plan.DiffPaths(world.Differences))
	case s.in.Plan.LibrariesWait:
		s.set(v1alpha1.ConditionSynced, metav1.ConditionFalse, v1alpha1.ReasonPendingRestart, "not as declared: "+librariesPath)
	case len(world.Normalized) > 0:
		s.set(v1alpha1.ConditionSynced, metav1.ConditionFalse, v1alpha1.ReasonServerNormalized, normalizedMessage(world.Normalized))
	default:
		s.set(v1alpha1.ConditionSynced, metav1.ConditionTrue, v1alpha1.ReasonInSync, "the cluster is as declared")
	}
}

// keepsSynced tells that the last comparison still stands: of this generation,
// with a cluster that nobody has looked at since, or of which no more than a
// suspicion is new; or of one that is going.
func (s setter) keepsSynced() bool {
	last := meta.FindStatusCondition(s.status.Conditions, v1alpha1.ConditionSynced)
	if !s.in.Cluster.DeletionTimestamp.IsZero() {
		return last != nil
	}
	unseen := s.in.Observed.Presence == plan.Unknown && s.in.Observed.Blocked == nil
	return last != nil && (unseen || s.in.Observed.UnconfirmedDiff) && last.ObservedGeneration == s.in.Cluster.Generation
}

// difference is how a difference is called: what a refused update left, what
// the object's user changed, or what others did.
func (s setter) difference() string {
	failed := s.in.Outcome.Failure != nil || (s.in.Plan.Step == nil && s.in.Plan.Verdict.Stalled)
	switch {
	case failed:
		return v1alpha1.ReasonUpdateFailed
	case s.in.Cluster.Status.AppliedDigest != "" && plan.UserChanged(s.in.Cluster, s.in.Observed):
		return v1alpha1.ReasonPendingRestart
	default:
		return v1alpha1.ReasonDriftDetected
	}
}

func (s setter) running() {
	if isRunning(compute.State(s.status.State)) {
		s.set(v1alpha1.ConditionRunning, metav1.ConditionTrue, v1alpha1.ReasonRunning, "the cluster is up")
		return
	}
	s.set(v1alpha1.ConditionRunning, metav1.ConditionFalse, v1alpha1.ReasonNotRunning, s.stateInWords())
}

// stateInWords is what there is to say where nobody said anything.
func (s setter) stateInWords() string {
	if s.status.State == "" {
		return "there is no cluster"
	}
	return "the cluster is " + s.status.State
}

func (s setter) suspended() {
	if !s.in.Cluster.Spec.Suspend {
		s.remove(v1alpha1.ConditionSuspended)
		return
	}
	s.set(v1alpha1.ConditionSuspended, metav1.ConditionTrue, v1alpha1.ReasonSuspended, "spec.suspend is true: the state of the cluster is shown, and nothing is written to it")
}

// isRunning tells a usable cluster. RESIZING counts: the platform's autoscaler
// moves a running cluster in and out of it.
func isRunning(state compute.State) bool {
	return state == compute.StateRunning || state == compute.StateResizing
}

// isReady tells the reasons of Ready=True.
func isReady(reason string) bool {
	switch reason {
	case v1alpha1.ReasonRunning, v1alpha1.ReasonTerminatedNormally, v1alpha1.ReasonTerminatedByRunPolicy,
		v1alpha1.ReasonObserved, v1alpha1.ReasonChangesDeferred, v1alpha1.ReasonDriftTolerated, v1alpha1.ReasonPurged:
		return true
	default:
		return false
	}
}

// settled is the verdict where the plan had none: the cluster speaks for itself.
func settled(in Input, status *v1alpha1.DatabricksClusterStatus) plan.Verdict {
	switch {
	case in.Observed.Presence == plan.Unknown && in.Cluster.Status.ObservedGeneration == in.Cluster.Generation:
		return plan.Verdict{}
	case in.Observed.Presence == plan.Unknown:
		return plan.Verdict{Reason: v1alpha1.ReasonUpdating, Message: "reading the cluster"}
	case in.Observed.UnconfirmedDiff && in.Cluster.Status.State == status.State:
		return plan.Verdict{}
	case in.Observed.Presence != plan.Present:
		return plan.Verdict{Reason: v1alpha1.ReasonPurged, Message: "Databricks purged the idle cluster; it is created again when it is needed"}
	case in.Cluster.Spec.ManagementPolicy == v1alpha1.ManagementPolicyObserve:
		return plan.Verdict{Reason: v1alpha1.ReasonObserved, Message: "the cluster is observed and not managed"}
	default:
		return byState(in, status)
	}
}

func byState(in Input, status *v1alpha1.DatabricksClusterStatus) plan.Verdict {
	state := compute.State(status.State)
	changing, isChanging := plan.Changing(in.Observed.Details)
	switch {
	case isChanging:
		return changing
	case isRunning(state):
		return plan.Verdict{Reason: v1alpha1.ReasonRunning, Message: "the cluster is up"}
	case state == compute.StateTerminated && in.Cluster.Spec.RunPolicy == v1alpha1.RunPolicyTerminated:
		return plan.Verdict{Reason: v1alpha1.ReasonTerminatedByRunPolicy, Message: "runPolicy Terminated keeps the cluster terminated"}
	case state == compute.StateTerminated && endedNormally(status.TerminationReason):
		return plan.Verdict{Reason: v1alpha1.ReasonTerminatedNormally, Message: status.StateMessage}
	case state == compute.StateTerminated && launchFailed(in):
		return plan.Verdict{Reason: v1alpha1.ReasonStartFailed, Message: ending(status), Stalled: true}
	case state == compute.StateTerminated, state == compute.StateError:
		return plan.Verdict{Reason: v1alpha1.ReasonTerminatedUnexpectedly, Message: ending(status), Stalled: true}
	default:
		return plan.Verdict{
			Reason:  v1alpha1.ReasonUnknownState,
			Message: fmt.Sprintf("the cluster is in state %s, which this operator does not know; waiting for another", status.State),
		}
	}
}

func endedNormally(reason *v1alpha1.TerminationReason) bool {
	return reason == nil || reason.Type == v1alpha1.TerminationTypeSuccess
}

// launchFailed reports whether a cluster that ended never came up.
func launchFailed(in Input) bool {
	history := plan.HistoryOf(in.Cluster)
	return in.Observed.Details.SparkContextId == 0 || history.Launching || history.StartFailed
}

// ending is why a cluster ended, with Databricks' own words.
func ending(status *v1alpha1.DatabricksClusterStatus) string {
	reason := status.TerminationReason
	if reason == nil {
		return status.StateMessage
	}
	words := reason.Code + " (" + reason.Type + ")"
	if status.StateMessage != "" {
		words += ": " + status.StateMessage
	}
	return words
}
