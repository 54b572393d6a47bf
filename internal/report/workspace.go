package report

import (
	"math"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// WorkspaceFacts has all facts that the status of a DatabricksWorkspace depends on.
type WorkspaceFacts struct {
	Workspace *v1alpha1.DatabricksWorkspace
	// Blocked is why the workspace cannot be called; nil: it can.
	Blocked *managed.Blocked
	// Principal and WorkspaceID are the responses of the workspace to the credential.
	Principal, WorkspaceID string
	// Failure is the failure of its reads since FailingSince; nil: they succeed.
	Failure      *managed.Failure
	FailingSince time.Time
	// Clusters is the number of objects that refer to it.
	Clusters int
	Usage    Usage
	Now      time.Time
}

// Usage has the exact measurements of a workspace.
type Usage struct {
	// Sampled reports whether Learned and Used were measured. Learned is the observed
	// request limit of the workspace, 0: none yet; Used is the sent load. Both are in
	// requests per second.
	Sampled       bool
	Learned, Used float64
	// Watched reports whether there are clusters to read, and ReadAt is when a read last
	// succeeded; zero: not yet.
	Watched bool
	ReadAt  time.Time
}

// OfWorkspace returns the status of a DatabricksWorkspace.
func OfWorkspace(in WorkspaceFacts) v1alpha1.DatabricksWorkspaceStatus {
	before := in.Workspace.Status
	status := *before.DeepCopy()
	if before.ObservedGeneration != in.Workspace.Generation {
		// It may be another workspace now.
		status.RequestLimitPerMinute, status.RequestLimitUsedPercent, status.MirrorAgeMinutes = nil, nil, nil
		status.Principal, status.WorkspaceID = "", ""
	}
	status.ObservedGeneration = in.Workspace.Generation
	status.Cloud = databricks.CloudOf(in.Workspace.Spec.Host)
	status.Clusters = new(int32(min(in.Clusters, math.MaxInt32))) //nolint:gosec // bounded
	if in.Blocked == nil {
		status.Principal, status.WorkspaceID = in.Principal, in.WorkspaceID
	}
	status = withUsage(status, in.Usage, in.Now)
	setWorkspaceConditions(in, &status)
	return status
}

// setWorkspaceConditions sets the conditions, by the same rules as for a cluster.
func setWorkspaceConditions(in WorkspaceFacts, status *v1alpha1.DatabricksWorkspaceStatus) {
	verdict := in.verdict()
	set := func(kind string, value metav1.ConditionStatus) {
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{
			Type: kind, Status: value, Reason: verdict.Reason, Message: verdict.Message,
			ObservedGeneration: in.Workspace.Generation, LastTransitionTime: metav1.NewTime(in.Now.UTC()),
		})
	}
	if verdict.Reason == v1alpha1.ReasonConnected {
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionReconciling)
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionStalled)
		set(v1alpha1.ConditionReady, metav1.ConditionTrue)
		return
	}
	present, absent := v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled
	if verdict.Stalled {
		present, absent = absent, present
	}
	meta.RemoveStatusCondition(&status.Conditions, absent)
	set(present, metav1.ConditionTrue)
	set(v1alpha1.ConditionReady, metav1.ConditionFalse)
}

func (in WorkspaceFacts) verdict() managed.Verdict {
	connected := managed.Verdict{Reason: v1alpha1.ReasonConnected, Message: "the workspace accepts the credential"}
	switch {
	case in.Blocked != nil && in.keepsConnected():
		return connected
	case in.Blocked != nil:
		return managed.Verdict{Reason: in.Blocked.Reason, Message: in.Blocked.Text(), Stalled: in.Blocked.Stalled}
	case in.Failure == nil:
		return connected
	}
	verdict := in.Failure.Verdict()
	if !verdict.Stalled && in.Now.Before(in.FailingSince.Add(managed.ReadFailureGrace)) {
		return connected
	}
	return verdict
}

// keepsConnected reports whether a workspace that was Ready before an outage still is.
func (in WorkspaceFacts) keepsConnected() bool {
	_, kept := in.Blocked.KeepsReady(in.Now)
	return kept && managed.WasReady(in.Workspace.Status.Conditions, in.Workspace.Generation)
}

// WithoutUsage returns a status without its usage, whose changes need no immediate write.
func WithoutUsage(status v1alpha1.DatabricksWorkspaceStatus) v1alpha1.DatabricksWorkspaceStatus {
	bare := *status.DeepCopy()
	bare.Clusters, bare.RequestLimitPerMinute, bare.RequestLimitUsedPercent, bare.MirrorAgeMinutes = nil, nil, nil, nil
	return bare
}

// UsageChanged reports whether a status does not show the measurements any more.
func UsageChanged(shown v1alpha1.DatabricksWorkspaceStatus, measured Usage, now time.Time) bool {
	return !equality.Semantic.DeepEqual(shown, withUsage(*shown.DeepCopy(), measured, now))
}

const (
	// limitTolerance is the fraction by which a shown limit may differ.
	limitTolerance = 0.2
	// usedTolerance is the difference allowed for the shown use, in percent of the limit.
	usedTolerance = 15
	usedStep      = 10
)

// withUsage rounds the measurements, and keeps a shown value while it is within the
// tolerance, so that noise causes no writes. A value that is not measured yet, as after a
// restart, stays as it is.
func withUsage(status v1alpha1.DatabricksWorkspaceStatus, measured Usage, now time.Time) v1alpha1.DatabricksWorkspaceStatus {
	if measured.Sampled {
		if limit := measured.Learned * 60; limit > 0 && !isNear(status.RequestLimitPerMinute, limit, limitTolerance*limit) {
			status.RequestLimitPerMinute = new(twoDigits(limit))
		}
		if limit := status.RequestLimitPerMinute; limit != nil && *limit > 0 {
			used := 100 * measured.Used * 60 / float64(*limit)
			if !isNear(status.RequestLimitUsedPercent, used, usedTolerance) {
				status.RequestLimitUsedPercent = new(int32(math.Min(math.Round(used/usedStep)*usedStep, 100)))
			}
		}
	}
	switch {
	case measured.Watched && !measured.ReadAt.IsZero():
		status.MirrorAgeMinutes = new(ageStep(now.Sub(measured.ReadAt)))
	case measured.Sampled && !measured.Watched:
		status.MirrorAgeMinutes = nil
	}
	return status
}

func isNear(shown *int32, measured, tolerance float64) bool {
	return shown != nil && math.Abs(float64(*shown)-measured) <= tolerance
}

// twoDigits returns a value rounded to two digits, at least 1.
func twoDigits(value float64) int32 {
	digit := math.Pow(10, math.Max(math.Floor(math.Log10(value))-1, 0))
	return int32(math.Max(math.Round(value/digit)*digit, 1))
}

// ageSteps are in minutes. A quiet workspace is read every 4.5 minutes.
var ageSteps = []int32{1440, 360, 60, 30, 10}

func ageStep(age time.Duration) int32 {
	for _, step := range ageSteps {
		if age >= time.Duration(step)*time.Minute {
			return step
		}
	}
	return 0
}
