package plan

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// History is the past of an object according to its conditions. Only HistoryOf reads
// conditions, for facts that must survive a restart of the operator and have no status
// field.
type History struct {
	// WasCompared reports whether this generation was compared with its cluster.
	WasCompared bool
	// ChangeHadNoEffect reports whether the workspace was found to accept a change of
	// this generation without making it.
	ChangeHadNoEffect bool
	// StartFailedBeforeEdit reports whether a launch of an earlier generation failed.
	StartFailedBeforeEdit bool
	// LaunchFailed reports whether the last termination ended a launch, or a launch is in
	// progress; StartFailed reports whether the conditions show the failed launch.
	LaunchFailed, StartFailed bool
	// Launching reports whether a launch is in progress.
	Launching bool
	// NotReadySince is when Ready was lost; zero: it was not.
	NotReadySince time.Time
	// WasReady reports whether this generation was ready when it was last evaluated.
	WasReady bool
	// LibrariesSettled reports whether the libraries were in a state that lasts until a
	// restart of the cluster.
	LibrariesFinal bool
	// Failing is the failure of a step of this generation in the conditions; nil: none.
	Failing *managed.Verdict
	// Progress is the reason of Reconciling; empty: the condition is absent.
	Progress string
	// Contention is the message that names contended subjects; empty: none.
	Contention string
}

var (
	launchReasons     = []string{v1alpha1.ReasonCreating, v1alpha1.ReasonStarting, v1alpha1.ReasonRetryingAfterError, v1alpha1.ReasonStartFailed}
	retryReasons      = []string{v1alpha1.ReasonRetryingAfterError, v1alpha1.ReasonRateLimited}
	libraryEndReasons = []string{v1alpha1.ReasonLibrariesInstalled, v1alpha1.ReasonLibraryInstallFailed, v1alpha1.ReasonPendingRestart}
)

// HistoryOf reads the conditions of an object.
func HistoryOf(cluster *v1alpha1.DatabricksCluster) History {
	find := func(kind string) metav1.Condition {
		if found := meta.FindStatusCondition(cluster.Status.Conditions, kind); found != nil {
			return *found
		}
		return metav1.Condition{}
	}
	ready, stalled, reconciling := find(v1alpha1.ConditionReady), find(v1alpha1.ConditionStalled), find(v1alpha1.ConditionReconciling)
	synced, libraries := find(v1alpha1.ConditionSynced), find(v1alpha1.ConditionLibrariesReady)
	isOfGeneration := func(c metav1.Condition) bool { return c.Type != "" && c.ObservedGeneration == cluster.Generation }
	launches := func(c metav1.Condition) bool { return slices.Contains(launchReasons, c.Reason) }

	history := History{
		WasCompared:           isOfGeneration(synced) && synced.Reason != v1alpha1.ReasonNotCompared,
		ChangeHadNoEffect:     isOfGeneration(stalled) && stalled.Reason == v1alpha1.ReasonImmutableField,
		StartFailedBeforeEdit: stalled.Reason == v1alpha1.ReasonStartFailed && stalled.ObservedGeneration < cluster.Generation,
		LaunchFailed:          launches(reconciling) || launches(stalled),
		StartFailed:           stalled.Reason == v1alpha1.ReasonStartFailed,
		Launching: cluster.Status.State != "" &&
			(reconciling.Reason == v1alpha1.ReasonCreating || reconciling.Reason == v1alpha1.ReasonStarting),
		WasReady:       isOfGeneration(ready) && ready.Status == metav1.ConditionTrue,
		LibrariesFinal: slices.Contains(libraryEndReasons, libraries.Reason),
		Progress:       reconciling.Reason,
	}
	if ready.Status != metav1.ConditionTrue {
		history.NotReadySince = ready.LastTransitionTime.Time
	}
	if synced.Reason == v1alpha1.ReasonContended {
		history.Contention = synced.Message
	}
	switch {
	case isOfGeneration(stalled):
		history.Failing = &managed.Verdict{Reason: stalled.Reason, Message: stalled.Message, Stalled: true}
	case isOfGeneration(reconciling) && slices.Contains(retryReasons, reconciling.Reason):
		history.Failing = &managed.Verdict{Reason: reconciling.Reason, Message: reconciling.Message}
	}
	return history
}
