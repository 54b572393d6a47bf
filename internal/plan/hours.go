package plan

import (
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/schedule"
)

// CheckHours fails if the schedule or a window of an object has an unknown time zone, or a
// time or date that the schema does not refuse. The error names the field.
func CheckHours(cluster *v1alpha1.DatabricksCluster) error {
	if declared := cluster.Spec.Schedule; declared != nil {
		if _, err := schedule.OfSchedule(declared); err != nil {
			return err //nolint:wrapcheck // the message names the field
		}
	}
	if strategy := cluster.Spec.UpdateStrategy; strategy != nil {
		_, err := schedule.OfWindows(strategy.Windows)
		return err //nolint:wrapcheck // the message names the field
	}
	return nil
}

// hoursOf returns the state of the schedule of an object; ok is false if it has none, or an
// invalid one.
func hoursOf(cluster *v1alpha1.DatabricksCluster, now time.Time) (hours schedule.State, ok bool) {
	declared := cluster.Spec.Schedule
	if declared == nil || cluster.Spec.RunPolicy != v1alpha1.RunPolicyScheduled || cluster.Spec.ManagementPolicy == v1alpha1.ManagementPolicyObserve {
		return schedule.State{}, false
	}
	calendar, err := schedule.OfSchedule(declared)
	if err != nil {
		return schedule.State{}, false
	}
	return calendar.At(now), true
}

// windowsAt returns the state of the windows of the update strategy. Invalid windows are
// never open.
func (in Input) windowsAt() schedule.State {
	calendar, _ := schedule.OfWindows(in.Cluster.Spec.UpdateStrategy.Windows)
	return calendar.At(in.Now)
}

// nextWindow returns when the next window of the update strategy opens; zero: one is open,
// or there is none.
func (in Input) nextWindow() time.Time {
	strategy := in.Cluster.Spec.UpdateStrategy
	if strategy == nil || strategy.Type != v1alpha1.UpdateStrategyWindow {
		return time.Time{}
	}
	if windows := in.windowsAt(); !windows.Open {
		return windows.Until
	}
	return time.Time{}
}

// runPolicy returns the run policy that applies now. Under Scheduled it is the one of the
// hours, and Running or Terminated until the cluster was started or terminated for their
// last edge.
func (in Input) runPolicy() v1alpha1.RunPolicy {
	hours, scheduled := hoursOf(in.Cluster, in.Now)
	switch {
	case !scheduled, !edgeIsDue(in.Cluster, hours, TransitionTime(in)):
		return in.keptPolicy()
	case hours.Open:
		return v1alpha1.RunPolicyRunning
	default:
		return v1alpha1.RunPolicyTerminated
	}
}

// keptPolicy returns the run policy that other actors cannot change for long: Running,
// Terminated, or Manual if there is none. A request that contradicts it is refused.
func (in Input) keptPolicy() v1alpha1.RunPolicy {
	hours, scheduled := hoursOf(in.Cluster, in.Now)
	switch declared := in.Cluster.Spec; {
	case declared.RunPolicy != v1alpha1.RunPolicyScheduled:
		return declared.RunPolicy
	case hours.Open && declared.Schedule.AtStart == v1alpha1.AtStartKeepRunning:
		return v1alpha1.RunPolicyRunning
	case scheduled && !hours.Open && declared.Schedule.AtEnd == v1alpha1.AtEndKeepTerminated:
		return v1alpha1.RunPolicyTerminated
	default:
		return v1alpha1.RunPolicyManual
	}
}

// staysDown reports whether no launch may be retried: the run policy is Terminated, or it is
// outside of the hours of the schedule.
func (in Input) staysDown() bool {
	hours, scheduled := hoursOf(in.Cluster, in.Now)
	return in.runPolicy() == v1alpha1.RunPolicyTerminated || scheduled && !hours.Open && in.Cluster.Spec.Schedule.AtEnd != v1alpha1.AtEndLeave
}

// policyName names the cause of a start or a termination in messages.
func (in Input) policyName() string {
	if in.Cluster.Spec.RunPolicy == v1alpha1.RunPolicyScheduled {
		return "spec.schedule"
	}
	return "runPolicy " + string(in.Cluster.Spec.RunPolicy)
}

// edgeIsDue reports whether the cluster is still to be started or terminated for the last
// edge of the hours; last is the last edge that was acted on.
func edgeIsDue(cluster *v1alpha1.DatabricksCluster, hours schedule.State, last *metav1.Time) bool {
	declared := cluster.Spec.Schedule
	if hours.Open && declared.AtStart == v1alpha1.AtStartLeave || !hours.Open && declared.AtEnd == v1alpha1.AtEndLeave {
		return false
	}
	return !hours.Since.IsZero() && (last == nil || hours.Since.After(last.Time))
}

// lastEdge returns the last edge that was acted on, according to the status; nil: none was.
func lastEdge(cluster *v1alpha1.DatabricksCluster) *metav1.Time {
	if status := cluster.Status.Schedule; status != nil {
		return status.LastTransitionTime
	}
	return nil
}

// TransitionTime returns the last edge of the schedule that was acted on: the one in the
// status, or a later one for which the cluster already has the state. An edge is acted on
// once, so that a cluster which another actor starts or terminates afterwards stays so.
func TransitionTime(in Input) *metav1.Time {
	last := lastEdge(in.Cluster)
	hours, scheduled := hoursOf(in.Cluster, in.Now)
	if !scheduled || in.Cluster.Spec.Suspend || !edgeIsDue(in.Cluster, hours, last) || in.Observed.Presence != managed.Present {
		return last
	}
	if in.isDoneFor(hours) {
		return new(metav1.NewTime(hours.Since.UTC()))
	}
	return last
}

// isDoneFor reports whether a read after the last edge shows the state that the edge
// requires. A cluster that was terminated normally after the hours began was started before,
// or is to stay down.
func (in Input) isDoneFor(hours schedule.State) bool {
	details := in.Observed.Details
	switch {
	case !in.Observed.ReadAt.After(hours.Since):
		return false
	case !hours.Open:
		return details.State == compute.StateTerminated || details.State == compute.StateTerminating
	case details.State == compute.StateTerminated:
		ended := time.UnixMilli(details.TerminatedTime).Add(-in.Observed.ClockSkew)
		return endedNormally(details) && ended.After(hours.Since)
	default:
		return isRunning(details.State)
	}
}

// readForEdge returns the time after which a read of the cluster must begin, because an
// earlier one says nothing about the state at the last edge of the schedule; zero: any.
func readForEdge(cluster *v1alpha1.DatabricksCluster, now time.Time) time.Time {
	hours, scheduled := hoursOf(cluster, now)
	if !scheduled || cluster.Spec.Suspend || !edgeIsDue(cluster, hours, lastEdge(cluster)) {
		return time.Time{}
	}
	return hours.Since
}

// HoursStatus returns the status of the schedule; nil: the object has none.
func HoursStatus(in Input) *v1alpha1.ScheduleStatus {
	hours, scheduled := hoursOf(in.Cluster, in.Now)
	if !scheduled {
		return nil
	}
	status := &v1alpha1.ScheduleStatus{Up: &hours.Open, LastTransitionTime: TransitionTime(in)}
	if !hours.Until.IsZero() {
		status.NextTransitionTime = new(metav1.NewTime(hours.Until.UTC()))
	}
	return status
}

// withScheduleRequeue adds the time of the next edge of the schedule.
func (in Input) withScheduleRequeue(next Plan) Plan {
	if hours, _ := hoursOf(in.Cluster, in.Now); !hours.Until.IsZero() {
		next.RequeueAt = soonest(next.RequeueAt, hours.Until)
	}
	return next
}
