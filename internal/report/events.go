package report

import (
	"slices"
	"strings"

	"github.com/databricks/databricks-sdk-go/service/compute"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

// The reasons of the events that only clusters have. Most warnings have the reason of a
// condition.
const (
	EventStarted        = "Started"
	EventAutoTerminated = "AutoTerminated"
	EventResized        = "Resized"
	// EventRestartTriggered has the fields for which a running cluster restarts, and
	// EventRestartDeferred those that wait for a restart.
	EventRestartTriggered = "RestartTriggered"
	EventRestartDeferred  = "RestartDeferred"
	// EventSpecDoubtful is a Warning about a value that the workspace will probably refuse,
	// with similar valid values. The server decides.
	EventSpecDoubtful = "SpecDoubtful"
	// EventClusterNotStored is a Warning about a created cluster whose object was replaced
	// before the id was stored.
	EventClusterNotStored = "ClusterNotStored"
	// EventRequestFailed is a Warning about a request that was not carried out, with the
	// remedy.
	EventRequestFailed = "RequestFailed"
	// EventEarlierCluster is a Warning about a cluster that was created for an earlier
	// object of the same namespace and name, and that no object uses.
	EventEarlierCluster = "EarlierCluster"
)

// actionEvents returns the events of this reconciliation that a later one cannot repeat.
func actionEvents(in Input) []managed.Event {
	var all []managed.Event
	if reason, note := stepEvent(in); reason != "" && in.Plan.Kind() != plan.StepStoreClusterID {
		all = append(all, managed.Event{Type: corev1.EventTypeNormal, Reason: reason, Action: string(in.Plan.Kind()), Note: note})
	}
	if len(in.Observed.Advice) > 0 {
		// This is one event, because Kubernetes merges events with the same reason.
		note := databricks.PlainText(strings.Join(in.Observed.Advice, "; "))
		all = append(all, managed.Event{Type: corev1.EventTypeWarning, Reason: EventSpecDoubtful, Action: "Compare", Note: note})
	}
	return all
}

// events returns the events of the changes of a status. An unchanged status has none.
func events(in Input, before, after v1alpha1.DatabricksClusterStatus) []managed.Event {
	var all []managed.Event
	add := func(kind, reason, action, note string) {
		all = append(all, managed.Event{Type: kind, Reason: reason, Action: action, Note: note})
	}
	// The id is stored when the status is written, not before.
	if reason, note := stepEvent(in); reason != "" && in.Plan.Kind() == plan.StepStoreClusterID {
		add(corev1.EventTypeNormal, reason, string(in.Plan.Kind()), note)
	}
	if reason, note := pinRefused(in, before, after); reason != "" {
		add(corev1.EventTypeWarning, reason, "Pin", note)
	}
	if reason, note := stateEvent(before, after); reason != "" {
		add(corev1.EventTypeNormal, reason, "Observe", note)
	}
	if reason, note := librariesInstalled(before, after); reason != "" {
		add(corev1.EventTypeNormal, reason, "Observe", note)
	}
	if reason, note := policyViolated(before, after); reason != "" {
		add(corev1.EventTypeWarning, reason, "Observe", note)
	}
	if reason, note := unsuccessfulRequest(before, after); reason != "" {
		add(corev1.EventTypeWarning, reason, "AcknowledgeRequest", note)
	}
	for _, kind := range []string{v1alpha1.ConditionStalled, v1alpha1.ConditionSynced} {
		if reason, note := warning(kind, before, after); reason != "" {
			add(corev1.EventTypeWarning, reason, "Reconcile", note)
		}
	}
	if reason, note := throttled(before, after); reason != "" {
		add(corev1.EventTypeWarning, reason, "Reconcile", note)
	}
	if reason, note := deferred(before, after); reason != "" {
		add(corev1.EventTypeNormal, reason, "Defer", note)
	}
	switch was, is := isTrue(before, v1alpha1.ConditionSuspended), isTrue(after, v1alpha1.ConditionSuspended); {
	case is && !was:
		add(corev1.EventTypeNormal, managed.EventSuspended, "Suspend", "writes to the cluster stop; its state is still shown")
	case was && !is:
		add(corev1.EventTypeNormal, managed.EventResumed, "Resume", "the cluster is managed again")
	}
	return all
}

// unsuccessfulRequest returns the event of a request that was refused or that failed.
func unsuccessfulRequest(before, after v1alpha1.DatabricksClusterStatus) (reason, note string) {
	request := after.Request
	if request == nil || before.Request != nil && before.Request.Finished == request.Finished {
		return "", ""
	}
	note = databricks.PlainText(request.Value + ": " + request.Message)
	switch request.Phase {
	case v1alpha1.RequestRefused:
		return managed.EventRequestRefused, note
	case v1alpha1.RequestFailed:
		return EventRequestFailed, note
	default:
		return "", ""
	}
}

// stepEvent returns the event of a step that succeeded; "": none.
func stepEvent(in Input) (reason, note string) {
	if !succeeded(in.Outcome) {
		return "", ""
	}
	return stepEvents[in.Plan.Kind()](in)
}

// stepEvents are the events of all steps.
var stepEvents = map[plan.StepKind]func(in Input) (reason, note string){
	plan.StepCreate:          created,
	plan.StepStoreClusterID:  stored,
	plan.StepResize:          resized,
	plan.StepUpdate:          updated,
	plan.StepRestart:         restarted,
	plan.StepRemoveFinalizer: finalizerRemoved,

	plan.StepEnforceCompliance: enforced,

	// The transitions that these cause have their own events.
	plan.StepStart:              noEvent,
	plan.StepTerminate:          noEvent,
	plan.StepPermanentDelete:    noEvent,
	plan.StepInstallLibraries:   noEvent,
	plan.StepUninstallLibraries: noEvent,
	plan.StepAcknowledgeRequest: noEvent,
	// These are visible in the object and have no event.
	plan.StepNone:             noEvent,
	plan.StepAddFinalizer:     noEvent,
	plan.StepReadSpec:         noEvent,
	plan.StepPersistOwnership: noEvent,
	plan.StepPersistLibraries: noEvent,
	plan.StepPublish:          noEvent,
	plan.StepPin:              noEvent,
	plan.StepUnpin:            noEvent,
	plan.StepSetPermissions:   noEvent,
}

func noEvent(Input) (reason, note string) { return "", "" }

func created(in Input) (reason, note string) {
	return managed.EventCreated, "created cluster " + in.Outcome.Created
}

func stored(in Input) (reason, note string) {
	step, _ := in.Plan.Step.(plan.StoreClusterID)
	switch step.Source {
	case plan.AdoptedBySpec:
		if in.Cluster.Spec.ManagementPolicy == v1alpha1.ManagementPolicyObserve {
			return managed.EventObserved, "observing cluster " + step.ClusterID
		}
		return managed.EventAdopted, "adopted cluster " + step.ClusterID
	case plan.FoundByTag:
		return managed.EventCreated, "found cluster " + step.ClusterID + ", created by an earlier create call"
	case plan.FoundByName:
		return managed.EventAdopted, "adopted cluster " + step.ClusterID + ", which was created for an earlier object of this name"
	default:
		return "", "" // the create has its event
	}
}

func resized(in Input) (reason, note string) {
	step, _ := in.Plan.Step.(plan.Resize)
	return driftCorrectedOr(in, EventResized), "resized cluster " + step.ClusterID + ": " + plan.DiffPaths(step.Differences)
}

func updated(in Input) (reason, note string) {
	step, _ := in.Plan.Step.(plan.Update)
	paths := plan.DiffPaths(step.Differences)
	if isRunning(in.Observed.Details.State) {
		return driftCorrectedOr(in, EventRestartTriggered), "updated cluster " + step.ClusterID + ", which restarts it: " + paths
	}
	return driftCorrectedOr(in, managed.EventUpdated), "updated cluster " + step.ClusterID + ": " + paths
}

func restarted(in Input) (reason, note string) {
	step, _ := in.Plan.Step.(plan.Restart)
	if in.Plan.Request == nil {
		return EventRestartTriggered, in.Plan.Verdict.Message
	}
	return EventRestartTriggered, "restarted cluster " + step.ClusterID + ", on request"
}

func finalizerRemoved(in Input) (reason, note string) {
	step, _ := in.Plan.Step.(plan.RemoveFinalizer)
	switch {
	case step.ClusterID == "":
		return "", ""
	case in.isGone():
		return managed.EventDeleted, "deleted cluster " + step.ClusterID
	default:
		return managed.EventRetained, "left cluster " + step.ClusterID + " in the workspace"
	}
}

// driftCorrectedOr returns DriftCorrected for a change that corrects drift, and the given
// event for any other.
func driftCorrectedOr(in Input, event string) string {
	if plan.UserChanged(in.Cluster, in.Observed) {
		return event
	}
	return managed.EventDriftCorrected
}

// stateEvent returns the event of a change of the state of the cluster.
func stateEvent(before, after v1alpha1.DatabricksClusterStatus) (reason, note string) {
	was, is := compute.State(before.State), compute.State(after.State)
	switch {
	case is == compute.StateRunning && !isRunning(was):
		return EventStarted, "cluster " + after.ClusterID + " is up"
	case is == compute.StateTerminated && was != is && was != "" && after.TerminationReason != nil &&
		after.TerminationReason.Code == string(compute.TerminationReasonCodeInactivity):
		return EventAutoTerminated, after.StateMessage
	default:
		return "", ""
	}
}

// syncedWarnings are the reasons of Synced that have a Warning event.
var syncedWarnings = []string{v1alpha1.ReasonDriftDetected, v1alpha1.ReasonServerNormalized, v1alpha1.ReasonContended}

// warning returns the event of a condition that became a problem: Stalled, or Synced for one
// of syncedWarnings.
func warning(kind string, before, after v1alpha1.DatabricksClusterStatus) (reason, note string) {
	was, is := conditionOf(before, kind), conditionOf(after, kind)
	bad := is.Type == v1alpha1.ConditionStalled || slices.Contains(syncedWarnings, is.Reason)
	if !bad || was.Reason == is.Reason {
		return "", ""
	}
	return is.Reason, is.Message
}

func throttled(before, after v1alpha1.DatabricksClusterStatus) (reason, note string) {
	was, is := conditionOf(before, v1alpha1.ConditionReconciling), conditionOf(after, v1alpha1.ConditionReconciling)
	if is.Reason != v1alpha1.ReasonRateLimited || was.Reason == is.Reason {
		return "", ""
	}
	return is.Reason, is.Message
}

func deferred(before, after v1alpha1.DatabricksClusterStatus) (reason, note string) {
	was, is := conditionOf(before, v1alpha1.ConditionReady), conditionOf(after, v1alpha1.ConditionReady)
	if is.Reason != v1alpha1.ReasonChangesDeferred || was.Reason == is.Reason {
		return "", ""
	}
	return EventRestartDeferred, is.Message
}

func isTrue(status v1alpha1.DatabricksClusterStatus, kind string) bool {
	return conditionOf(status, kind).Status == metav1.ConditionTrue
}

// conditionOf returns a condition of a status; zero: it is absent.
func conditionOf(status v1alpha1.DatabricksClusterStatus, kind string) metav1.Condition {
	if found := meta.FindStatusCondition(status.Conditions, kind); found != nil {
		return *found
	}
	return metav1.Condition{}
}
