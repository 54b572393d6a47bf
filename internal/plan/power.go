package plan

import (
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

const (
	// firstLaunchBackoff and maxLaunchBackoff bound the time between a launch that failed
	// because of the cloud or Databricks and the next one.
	firstLaunchBackoff, maxLaunchBackoff = time.Minute, time.Hour
	// clientErrorBackoff is the time between a launch that failed with a client error and
	// the next one, if the specification is unchanged.
	clientErrorBackoff = 6 * time.Hour
)

// whenKeptTerminated: the run policy keeps the cluster terminated.
func whenKeptTerminated(in Input) (Plan, bool) {
	if in.runPolicy() != v1alpha1.RunPolicyTerminated || in.isObserving() {
		return Plan{}, false
	}
	if !in.delayedUntil(SubjectPower).IsZero() {
		return Plan{}, false
	}
	switch in.Observed.Details.State {
	case compute.StatePending, compute.StateRunning, compute.StateRestarting, compute.StateResizing:
		return in.withBackoff(Plan{
			Step:    Terminate{in.Observed.Details.ClusterId},
			Verdict: managed.Verdict{Reason: v1alpha1.ReasonTerminating, Message: "terminating the cluster, by " + in.policyName()},
		}), true
	default:
		return Plan{}, false
	}
}

// whenFailedLaunchWasFixed: a launch failed and the specification was changed since. The
// cluster is started unless the run policy or the schedule keeps it terminated.
func whenFailedLaunchWasFixed(in Input) (Plan, bool) {
	ended := in.Observed.Details.State == compute.StateTerminated && !endedNormally(in.Observed.Details)
	if !ended || in.isObserving() || in.staysDown() {
		return Plan{}, false
	}
	updated := in.Cluster.Status.AppliedDigest == Applying
	if !updated && !HistoryOf(in.Cluster).StartFailedBeforeEdit {
		return Plan{}, false
	}
	return in.start("starting the cluster with its changed specification"), true
}

// whenShouldRun: the run policy keeps the cluster running.
func whenShouldRun(in Input) (Plan, bool) {
	wanted := in.runPolicy() == v1alpha1.RunPolicyRunning && !in.isObserving()
	if !wanted || in.Observed.Details.State != compute.StateTerminated {
		return Plan{}, false
	}
	if in.keptPolicy() == v1alpha1.RunPolicyRunning && in.autoterminates() {
		return Plan{Verdict: managed.Verdict{
			Reason:  v1alpha1.ReasonAutoterminationConflict,
			Stalled: true,
			Message: in.policyName() + " keeps the cluster running, but autotermination_minutes, set by a policy or elsewhere, terminates it; change one of the two",
		}}, true
	}
	if until := in.delayedUntil(SubjectPower); !until.IsZero() {
		return Plan{RequeueAt: until, Verdict: managed.Verdict{
			Reason:  v1alpha1.ReasonContended,
			Message: "the cluster was stopped elsewhere more than three times within an hour, against " + in.policyName() + "; the next start is delayed",
		}}, true
	}
	if again := in.nextLaunch(); in.Now.Before(again) {
		verdict := managed.Verdict{Reason: v1alpha1.ReasonRetryingAfterError, Message: TerminationSummary(in.Observed.Details)}
		if in.launchFailedByClientError() {
			verdict.Reason, verdict.Stalled = v1alpha1.ReasonStartFailed, true
		}
		return Plan{Verdict: verdict, RequeueAt: again}, true
	}
	return in.start("starting the cluster, by " + in.policyName()), true
}

func (in Input) start(message string) Plan {
	return in.withBackoff(Plan{
		Step:    Start{in.Observed.Details.ClusterId},
		Verdict: managed.Verdict{Reason: v1alpha1.ReasonStarting, Message: message},
	})
}

// autoterminates reports whether autotermination terminated the cluster, and will again.
func (in Input) autoterminates() bool {
	reason := in.Observed.Details.TerminationReason
	idle := reason != nil && reason.Code == compute.TerminationReasonCodeInactivity
	return idle && in.Observed.Details.AutoterminationMinutes > 0
}

// launchFailedByClientError reports whether a failed launch failed because of the
// specification, such as an init script.
func (in Input) launchFailedByClientError() bool {
	reason := in.Observed.Details.TerminationReason
	return reason != nil && reason.Type == compute.TerminationReasonTypeClientError
}

// launchFailed reports whether the last termination ended a launch.
func (in Input) launchFailed() bool {
	return in.Observed.Details.SparkContextId == 0 || HistoryOf(in.Cluster).LaunchFailed
}

// nextLaunch returns when a cluster whose launch failed may be started again. The backoff is
// as long as launches have failed for, so that it doubles with every failed launch. It
// survives a restart of the operator, because the failures began when Ready was lost.
func (in Input) nextLaunch() time.Time {
	if endedNormally(in.Observed.Details) || !in.launchFailed() {
		return time.Time{}
	}
	ended := time.UnixMilli(in.Observed.Details.TerminatedTime)
	if in.launchFailedByClientError() {
		return ended.Add(clientErrorBackoff)
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

// endedNormally reports whether the cluster was terminated on purpose.
func endedNormally(details *compute.ClusterDetails) bool {
	return details.TerminationReason == nil || details.TerminationReason.Type == compute.TerminationReasonTypeSuccess
}

// TerminationSummary returns why a cluster terminated, in the words of Databricks.
func TerminationSummary(details *compute.ClusterDetails) string {
	message, reason := databricks.PlainText(details.StateMessage), details.TerminationReason
	if reason == nil {
		return message
	}
	text := databricks.PlainText(string(reason.Code)) + " (" + databricks.PlainText(string(reason.Type)) + ")"
	if message != "" {
		text += ": " + message
	}
	return text
}
