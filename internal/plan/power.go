package plan

import (
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

const (
	// firstLaunchBackoff and maxLaunchBackoff bound how long a launch that failed by the
	// cloud's or Databricks' fault waits for the next.
	firstLaunchBackoff, maxLaunchBackoff = time.Minute, time.Hour
	// ownFaultBackoff is how long a launch waits that failed by the cluster's own
	// fault, when nobody changed anything: the fault may have been elsewhere.
	ownFaultBackoff = 6 * time.Hour
)

// whenKeptStopped: the run policy keeps the cluster down.
func whenKeptStopped(in Input) (Plan, bool) {
	if in.Cluster.Spec.RunPolicy != v1alpha1.RunPolicyTerminated || in.observes() {
		return Plan{}, false
	}
	if !in.heldBack(SubjectPower).IsZero() {
		return Plan{}, false
	}
	switch in.Observed.Details.State {
	case compute.StatePending, compute.StateRunning, compute.StateRestarting, compute.StateResizing:
		return in.withBackoff(Plan{
			Step:    Terminate{in.Observed.Details.ClusterId},
			Verdict: Verdict{Reason: v1alpha1.ReasonTerminating, Message: "terminating the cluster, by runPolicy Terminated"},
		}), true
	default:
		return Plan{}, false
	}
}

// whenFailedLaunchWasFixed: a launch that failed is tried again when its specification was
// changed, whatever the run policy: that is what the change is for.
func whenFailedLaunchWasFixed(in Input) (Plan, bool) {
	ended := in.Observed.Details.State == compute.StateTerminated && !endedWell(in.Observed.Details)
	if !ended || in.observes() || in.Cluster.Spec.RunPolicy == v1alpha1.RunPolicyTerminated {
		return Plan{}, false
	}
	updated := in.Cluster.Status.AppliedDigest == Applying
	if !updated && !HistoryOf(in.Cluster).StartFailedBeforeEdit {
		return Plan{}, false
	}
	return in.start("starting the cluster with its changed specification"), true
}

// whenToRun: the run policy wants the cluster up.
func whenToRun(in Input) (Plan, bool) {
	wanted := in.Cluster.Spec.RunPolicy == v1alpha1.RunPolicyRunning && !in.observes()
	if !wanted || in.Observed.Details.State != compute.StateTerminated {
		return Plan{}, false
	}
	if in.endsByItself() {
		return Plan{Verdict: Verdict{
			Reason:  v1alpha1.ReasonAutoterminationConflict,
			Stalled: true,
			Message: "runPolicy Running keeps the cluster running, but autotermination_minutes, set by a policy or elsewhere, terminates it; change one of the two",
		}}, true
	}
	if until := in.heldBack(SubjectPower); !until.IsZero() {
		return Plan{RequeueAt: until, Verdict: Verdict{
			Reason:  v1alpha1.ReasonContended,
			Message: "the cluster was stopped elsewhere more than three times within an hour, against runPolicy Running; the next start is delayed",
		}}, true
	}
	if again := in.nextLaunch(); in.Now.Before(again) {
		verdict := Verdict{Reason: v1alpha1.ReasonRetryingAfterError, Message: TerminationSummary(in.Observed.Details)}
		if in.ownFault() {
			verdict.Reason, verdict.Stalled = v1alpha1.ReasonStartFailed, true
		}
		return Plan{Verdict: verdict, RequeueAt: again}, true
	}
	return in.start("starting the cluster, by runPolicy Running"), true
}

func (in Input) start(message string) Plan {
	return in.withBackoff(Plan{
		Step:    Start{in.Observed.Details.ClusterId},
		Verdict: Verdict{Reason: v1alpha1.ReasonStarting, Message: message},
	})
}

// endsByItself tells a cluster whose idleness ends it although it shall run.
func (in Input) endsByItself() bool {
	reason := in.Observed.Details.TerminationReason
	idle := reason != nil && reason.Code == compute.TerminationReasonCodeInactivity
	return idle && in.Observed.Details.AutoterminationMinutes > 0
}

// ownFault tells a launch that failed by what the cluster itself is, such as an
// init script. One that ran before gets one more launch.
func (in Input) ownFault() bool {
	reason := in.Observed.Details.TerminationReason
	return reason != nil && reason.Type == compute.TerminationReasonTypeClientError && in.launchFailed()
}

// launchFailed tells that the end was that of a launch.
func (in Input) launchFailed() bool {
	return in.Observed.Details.SparkContextId == 0 || HistoryOf(in.Cluster).LaunchFailed
}

// nextLaunch is when a cluster that ended badly may be started again. The backoff
// is as long as launches have failed for, so it doubles with every launch that
// fails; and it survives a restart of the operator, because that began
// when Ready was lost.
func (in Input) nextLaunch() time.Time {
	if endedWell(in.Observed.Details) || !in.launchFailed() {
		return time.Time{}
	}
	ended := time.UnixMilli(in.Observed.Details.TerminatedTime)
	if in.ownFault() {
		return ended.Add(ownFaultBackoff)
	}
	since := HistoryOf(in.Cluster).NotReadySince
	if since.IsZero() {
		return time.Time{}
	}
	failingFor := ended.Sub(since)
	return ended.Add(min(max(failingFor, in.Limits.firstLaunchBackoff()), maxLaunchBackoff))
}

func (l Limits) firstLaunchBackoff() time.Duration {
	if l.LaunchBackoff > 0 {
		return l.LaunchBackoff
	}
	return firstLaunchBackoff
}

// endedWell tells an end that somebody or something meant.
func endedWell(details *compute.ClusterDetails) bool {
	return details.TerminationReason == nil || details.TerminationReason.Type == compute.TerminationReasonTypeSuccess
}

// TerminationSummary is why a cluster ended, in Databricks' own words.
func TerminationSummary(details *compute.ClusterDetails) string {
	message, reason := databricks.PlainText(details.StateMessage), details.TerminationReason
	if reason == nil {
		return message
	}
	words := databricks.PlainText(string(reason.Code)) + " (" + databricks.PlainText(string(reason.Type)) + ")"
	if message != "" {
		words += ": " + message
	}
	return words
}
