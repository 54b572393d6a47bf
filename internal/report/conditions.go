package report

import (
	"fmt"

	"github.com/databricks/databricks-sdk-go/service/compute"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

// setConditions sets every condition, so that no condition outlives its facts.
func setConditions(in Input, status *v1alpha1.DatabricksClusterStatus, verdict managed.Verdict) {
	set := setter{
		Conditions: managed.Conditions{List: &status.Conditions, Generation: in.Cluster.Generation, Now: in.Now}, status: status, in: in,
	}
	switch {
	case verdict.Reason == "":
		// There are no new facts about this generation.
	case isReady(verdict.Reason):
		set.Ready(set.described(verdict))
	case verdict.Reason == v1alpha1.ReasonSuspended:
		set.Idle(set.described(verdict))
	default:
		set.NotReady(set.described(verdict))
	}
	set.synced()
	set.running()
	set.librariesReady()
	set.policyCompliant()
	set.suspended()
}

// setter sets the conditions of one report.
type setter struct {
	managed.Conditions

	status *v1alpha1.DatabricksClusterStatus
	in     Input
}

// set sets a condition. Its message is that of the state of the cluster if it has no other.
func (s setter) set(kind string, value metav1.ConditionStatus, reason, message string) {
	s.Set(kind, value, reason, s.messageOr(message))
}

// described returns a verdict with the state of the cluster if it has no message.
func (s setter) described(verdict managed.Verdict) managed.Verdict {
	verdict.Message = s.messageOr(verdict.Message)
	return verdict
}

func (s setter) messageOr(message string) string {
	if message == "" {
		return s.stateText()
	}
	return message
}

func (s setter) synced() {
	observed := s.in.Observed
	switch {
	case observed.ReadFailure != nil && observed.ReadFailure.Class == databricks.ClassThrottled:
		s.set(v1alpha1.ConditionSynced, metav1.ConditionUnknown, v1alpha1.ReasonRateLimited, observed.ReadFailure.Message)
	case observed.ReadFailure != nil:
		s.set(v1alpha1.ConditionSynced, metav1.ConditionUnknown, v1alpha1.ReasonAPIUnavailable, observed.ReadFailure.Message)
	case isContended(s.in.Plan):
		s.set(v1alpha1.ConditionSynced, metav1.ConditionFalse, v1alpha1.ReasonContended, contendedMessage(s.in))
	case !observed.Compared && s.keepsLastComparison():
		s.Keep()
	case !observed.Compared:
		s.set(v1alpha1.ConditionSynced, metav1.ConditionUnknown, v1alpha1.ReasonNotCompared, "nothing to compare with yet")
	case len(observed.Differences) > 0:
		s.set(v1alpha1.ConditionSynced, metav1.ConditionFalse, s.differenceReason(), "not as declared: "+plan.DiffPaths(observed.Differences))
	case s.in.Plan.LibrariesWait:
		s.set(v1alpha1.ConditionSynced, metav1.ConditionFalse, v1alpha1.ReasonPendingRestart, "not as declared: "+librariesPath)
	case len(observed.Normalized) > 0:
		s.set(v1alpha1.ConditionSynced, metav1.ConditionFalse, v1alpha1.ReasonServerNormalized, normalizedMessage(observed.Normalized))
	default:
		s.set(v1alpha1.ConditionSynced, metav1.ConditionTrue, v1alpha1.ReasonInSync, "the cluster is as declared")
	}
}

// keepsLastComparison reports whether the last comparison is still valid: it is of this
// generation, and the cluster was not read since or only has an unconfirmed difference; or
// the object is being deleted.
func (s setter) keepsLastComparison() bool {
	last := meta.FindStatusCondition(s.status.Conditions, v1alpha1.ConditionSynced)
	if !s.in.Cluster.DeletionTimestamp.IsZero() {
		return last != nil
	}
	unseen := s.in.Observed.Presence == managed.Unknown && s.in.Observed.Blocked == nil
	return last != nil && (unseen || s.in.Observed.UnconfirmedDiff) && last.ObservedGeneration == s.in.Cluster.Generation
}

// differenceReason returns the reason for a difference: a failed update, a change by the
// user, or drift.
func (s setter) differenceReason() string {
	failed := s.in.Outcome.Failure != nil || (s.in.Plan.Step == nil && s.in.Plan.Verdict.Stalled)
	switch {
	case failed:
		return v1alpha1.ReasonUpdateFailed
	case !s.isNewlyAdopted() && plan.UserChanged(s.in.Cluster, s.in.Observed):
		return v1alpha1.ReasonPendingRestart
	default:
		return v1alpha1.ReasonDriftDetected
	}
}

// isNewlyAdopted reports whether the cluster is an adopted one that never was as declared.
// A cluster that the operator created was as declared, so a difference is an edit of the
// object, also in the first seconds.
func (s setter) isNewlyAdopted() bool {
	adopted := s.status.Adopted || s.in.Cluster.Spec.ClusterID != ""
	return adopted && s.in.Cluster.Status.AppliedDigest == ""
}

func (s setter) running() {
	if isRunning(compute.State(s.status.State)) {
		s.set(v1alpha1.ConditionRunning, metav1.ConditionTrue, v1alpha1.ReasonRunning, "the cluster is up")
		return
	}
	s.set(v1alpha1.ConditionRunning, metav1.ConditionFalse, v1alpha1.ReasonNotRunning, s.stateText())
}

// stateText returns the message of a condition that has no other.
func (s setter) stateText() string {
	if s.status.State == "" {
		return "there is no cluster"
	}
	return "the cluster is " + s.status.State
}

func (s setter) suspended() {
	if !s.in.Cluster.Spec.Suspend {
		s.Remove(v1alpha1.ConditionSuspended)
		return
	}
	s.set(v1alpha1.ConditionSuspended, metav1.ConditionTrue, v1alpha1.ReasonSuspended,
		"spec.suspend is true: the state of the cluster is shown, and nothing is written to it")
}

// isRunning reports whether a cluster is usable. It is while RESIZING, because the
// autoscaler of the platform resizes a running cluster at any time.
func isRunning(state compute.State) bool {
	return state == compute.StateRunning || state == compute.StateResizing
}

// isReady reports whether a reason is one of Ready=True.
func isReady(reason string) bool {
	switch reason {
	case v1alpha1.ReasonRunning, v1alpha1.ReasonTerminatedNormally, v1alpha1.ReasonTerminatedByRunPolicy, v1alpha1.ReasonTerminatedBySchedule,
		v1alpha1.ReasonObserved, v1alpha1.ReasonChangesDeferred, v1alpha1.ReasonDriftTolerated, v1alpha1.ReasonPurged:
		return true
	default:
		return false
	}
}

// stateVerdict returns the verdict of the state of the cluster, if the plan has none.
func stateVerdict(in Input, status *v1alpha1.DatabricksClusterStatus) managed.Verdict {
	switch {
	case in.Observed.Presence == managed.Unknown, in.Observed.UnconfirmedDiff && in.Cluster.Status.State == status.State:
		if in.Cluster.Status.ObservedGeneration == in.Cluster.Generation {
			return managed.Verdict{}
		}
		return managed.Verdict{Reason: v1alpha1.ReasonUpdating, Message: "reading the cluster"}
	case in.Observed.Presence != managed.Present:
		return managed.Verdict{Reason: v1alpha1.ReasonPurged, Message: "Databricks purged the idle cluster; it is created again when it is needed"}
	case in.Cluster.Spec.ManagementPolicy == v1alpha1.ManagementPolicyObserve:
		return managed.Verdict{Reason: v1alpha1.ReasonObserved, Message: "the cluster is observed and not managed"}
	default:
		return byState(in, status)
	}
}

// byState returns the verdict of an existing, managed cluster.
func byState(in Input, status *v1alpha1.DatabricksClusterStatus) managed.Verdict {
	state := compute.State(status.State)
	changing, isChanging := plan.Changing(in.Observed.Details)
	switch {
	case isChanging:
		return changing
	case isRunning(state):
		return managed.Verdict{Reason: v1alpha1.ReasonRunning, Message: "the cluster is up"}
	case state == compute.StateTerminated && in.Cluster.Spec.RunPolicy == v1alpha1.RunPolicyTerminated:
		return managed.Verdict{Reason: v1alpha1.ReasonTerminatedByRunPolicy, Message: "runPolicy Terminated keeps the cluster terminated"}
	case state == compute.StateTerminated && isOutOfHours(in, status):
		return managed.Verdict{Reason: v1alpha1.ReasonTerminatedBySchedule, Message: "the cluster is down outside of the hours of spec.schedule"}
	case state == compute.StateTerminated && endedNormally(status.TerminationReason):
		return managed.Verdict{Reason: v1alpha1.ReasonTerminatedNormally, Message: status.StateMessage}
	case state == compute.StateTerminated && launchFailed(in):
		return managed.Verdict{Reason: v1alpha1.ReasonStartFailed, Message: terminationSummary(status), Stalled: true}
	case state == compute.StateTerminated, state == compute.StateError:
		return managed.Verdict{Reason: v1alpha1.ReasonTerminatedUnexpectedly, Message: terminationSummary(status), Stalled: true}
	default:
		return managed.Verdict{
			Reason:  v1alpha1.ReasonUnknownState,
			Message: fmt.Sprintf("the cluster is in state %s, which this operator does not know; waiting for another", status.State),
		}
	}
}

// isOutOfHours reports whether the schedule has a cluster terminated now. An object that is
// being deleted may have lost its schedule, and keeps the status of it.
func isOutOfHours(in Input, status *v1alpha1.DatabricksClusterStatus) bool {
	schedule, shown := in.Cluster.Spec.Schedule, status.Schedule
	return schedule != nil && shown != nil && shown.Up != nil && !*shown.Up && schedule.AtEnd != v1alpha1.AtEndLeave
}

func endedNormally(reason *v1alpha1.TerminationReason) bool {
	return reason == nil || reason.Type == v1alpha1.TerminationTypeSuccess
}

// launchFailed reports whether a terminated cluster never ran since its launch.
func launchFailed(in Input) bool {
	history := plan.HistoryOf(in.Cluster)
	return in.Observed.Details.SparkContextId == 0 || history.Launching || history.StartFailed
}

// terminationSummary returns why a cluster terminated, in the words of Databricks.
func terminationSummary(status *v1alpha1.DatabricksClusterStatus) string {
	reason := status.TerminationReason
	if reason == nil {
		return status.StateMessage
	}
	text := reason.Code + " (" + reason.Type + ")"
	if status.StateMessage != "" {
		text += ": " + status.StateMessage
	}
	return text
}
