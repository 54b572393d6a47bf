package plan

import (
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

const (
	// firstPause and longestPause bound how long a launch that failed by the
	// cloud's or Databricks' fault waits for the next.
	firstPause, longestPause = time.Minute, time.Hour
	// clientPause is how long a launch waits that failed by the cluster's own
	// fault, when nobody changed anything: the fault may have been elsewhere.
	clientPause = 6 * time.Hour
)

// whenKeptStopped: the run policy keeps the cluster down.
func whenKeptStopped(in Input) (Plan, bool) {
	if in.Cluster.Spec.RunPolicy != v1alpha1.RunPolicyTerminated || in.observes() {
		return Plan{}, false
	}
	if !in.heldBack(SubjectPower).IsZero() {
		return Plan{}, false
	}
	switch in.World.Details.State {
	case compute.StatePending, compute.StateRunning, compute.StateRestarting, compute.StateResizing:
		return in.do(Plan{
			Step:      StepTerminate,
			ClusterID: in.World.Details.ClusterId,
			Verdict:   Verdict{Reason: v1alpha1.ReasonTerminating, Message: "stopping the cluster, by runPolicy Terminated"},
		}), true
	default:
		return Plan{}, false
	}
}

// whenMended: a launch that failed is tried again when its specification was
// changed, whatever the run policy: that is what the change is for.
func whenMended(in Input) (Plan, bool) {
	ended := in.World.Details.State == compute.StateTerminated && !endedWell(in.World.Details)
	if !ended || in.observes() || in.Cluster.Spec.RunPolicy == v1alpha1.RunPolicyTerminated {
		return Plan{}, false
	}
	stalled := meta.FindStatusCondition(in.Cluster.Status.Conditions, v1alpha1.ConditionStalled)
	updated := in.Cluster.Status.AppliedDigest == Applying
	newer := stalled != nil && stalled.Reason == v1alpha1.ReasonStartFailed && stalled.ObservedGeneration < in.Cluster.Generation
	if !updated && !newer {
		return Plan{}, false
	}
	return in.start("starting the cluster with its changed specification"), true
}

// whenToRun: the run policy wants the cluster up.
func whenToRun(in Input) (Plan, bool) {
	wanted := in.Cluster.Spec.RunPolicy == v1alpha1.RunPolicyRunning && !in.observes()
	if !wanted || in.World.Details.State != compute.StateTerminated {
		return Plan{}, false
	}
	if in.endsByItself() {
		return Plan{Verdict: Verdict{
			Reason:  v1alpha1.ReasonAutoterminationConflict,
			Stalled: true,
			Message: "runPolicy Running keeps the cluster up and autotermination_minutes, set by a policy or elsewhere, ends it; change one of the two",
		}}, true
	}
	if until := in.heldBack(SubjectPower); !until.IsZero() {
		return Plan{Again: until, Verdict: Verdict{
			Reason:  v1alpha1.ReasonContended,
			Message: "the cluster was stopped again and again, against runPolicy Running; the next start waits",
		}}, true
	}
	if again := in.nextLaunch(); in.Now.Before(again) {
		verdict := Verdict{Reason: v1alpha1.ReasonRetryingAfterError, Message: Ending(in.World.Details)}
		if in.ownFault() {
			verdict.Reason, verdict.Stalled = v1alpha1.ReasonStartFailed, true
		}
		return Plan{Verdict: verdict, Again: again}, true
	}
	return in.start("starting the cluster, by runPolicy Running"), true
}

func (in Input) start(message string) Plan {
	return in.do(Plan{
		Step:      StepStart,
		ClusterID: in.World.Details.ClusterId,
		Verdict:   Verdict{Reason: v1alpha1.ReasonStarting, Message: message},
	})
}

// endsByItself tells a cluster whose idleness ends it although it shall run.
func (in Input) endsByItself() bool {
	reason := in.World.Details.TerminationReason
	idle := reason != nil && reason.Code == compute.TerminationReasonCodeInactivity
	return idle && in.World.Details.AutoterminationMinutes > 0
}

// ownFault tells a launch that failed by what the cluster itself is, such as an
// init script. One that ran before gets one more launch.
func (in Input) ownFault() bool {
	reason := in.World.Details.TerminationReason
	return reason != nil && reason.Type == compute.TerminationReasonTypeClientError && in.launchFailed()
}

// launchFailed tells that the end was that of a launch.
func (in Input) launchFailed() bool {
	for _, kind := range []string{v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled} {
		condition := meta.FindStatusCondition(in.Cluster.Status.Conditions, kind)
		if condition == nil {
			continue
		}
		switch condition.Reason {
		case v1alpha1.ReasonCreating, v1alpha1.ReasonStarting, v1alpha1.ReasonRetryingAfterError, v1alpha1.ReasonStartFailed:
			return true
		}
	}
	return in.World.Details.SparkContextId == 0
}

// nextLaunch is when a cluster that ended badly may be started again. The pause
// is as long as the trouble has lasted, so it doubles with every launch that
// fails; and it survives a restart of the operator, because the trouble began
// when Ready was lost.
func (in Input) nextLaunch() time.Time {
	if endedWell(in.World.Details) || !in.launchFailed() {
		return time.Time{}
	}
	ended := time.UnixMilli(in.World.Details.TerminatedTime)
	if in.ownFault() {
		return ended.Add(clientPause)
	}
	ready := meta.FindStatusCondition(in.Cluster.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || ready.Status == metav1.ConditionTrue {
		return time.Time{}
	}
	trouble := ended.Sub(ready.LastTransitionTime.Time)
	return ended.Add(min(max(trouble, in.Limits.firstPause()), longestPause))
}

func (l Limits) firstPause() time.Duration {
	if l.LaunchPause > 0 {
		return l.LaunchPause
	}
	return firstPause
}

// endedWell tells an end that somebody or something meant.
func endedWell(details *compute.ClusterDetails) bool {
	return details.TerminationReason == nil || details.TerminationReason.Type == compute.TerminationReasonTypeSuccess
}

// Ending is why a cluster ended, in Databricks' own words.
func Ending(details *compute.ClusterDetails) string {
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
