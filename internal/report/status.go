package report

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/plan"
	"github.com/databricks-operator/databricks-operator/internal/selection"
	"github.com/databricks-operator/databricks-operator/internal/sparkversion"
)

// maxParameters is the maximum number of parameters of a termination in a status.
const maxParameters = 20

// recordIdentity stores the cluster of the object and its workspace.
func recordIdentity(in Input, status *v1alpha1.DatabricksClusterStatus) {
	if stored, ok := in.Plan.Step.(plan.StoreClusterID); ok {
		status.ClusterID = stored.ClusterID
		status.Adopted = stored.Source == plan.AdoptedBySpec
	}
	if in.Outcome.Created != "" {
		status.ClusterID = in.Outcome.Created
	}
	if endsCreation(in, status) || status.ClusterID != "" {
		finishCreation(in, status)
	}
	if status.ClusterID == "" {
		status.URL = ""
		return
	}
	if status.Host == "" {
		status.Host = in.Observed.Host
	}
	if status.WorkspaceID == "" {
		status.WorkspaceID = in.Observed.WorkspaceID
	}
	status.URL = status.Host + "/compute/clusters/" + status.ClusterID
}

// unjudged are the classes of failures that say nothing about the request itself.
var unjudged = []databricks.Class{databricks.ClassTransient, databricks.ClassThrottled, databricks.ClassHost}

// endsCreation reports whether a refusal leaves no cluster of the creation, and the next
// create needs another token. An earlier attempt may have made a cluster: without an
// owner tag only its token finds it, and a failure that does not judge the request is no
// reason to give the token up.
func endsCreation(in Input, status *v1alpha1.DatabricksClusterStatus) bool {
	switch {
	case !in.Outcome.Refused:
		return false
	case status.Creation == nil || status.Creation.Attempt <= 1:
		return true
	default:
		return in.Observed.Owner.Key != "" && !slices.Contains(unjudged, in.Outcome.Failure.Class)
	}
}

// finishCreation clears the intent. The incarnation is kept, so that the next one gets
// another token. The deadline is kept until the first read of the cluster, so that
// "missing" is not accepted too early.
func finishCreation(in Input, status *v1alpha1.DatabricksClusterStatus) {
	if status.Creation == nil {
		return
	}
	finished := &v1alpha1.CreationIntent{Incarnation: status.Creation.Incarnation}
	if status.ClusterID != "" {
		finished.Digest = status.Creation.Digest
	}
	if in.Outcome.Refused {
		// There is no cluster, so the object is not bound to a workspace.
		status.Host = ""
	} else if in.Observed.Presence != managed.Present {
		finished.NotAfter = status.Creation.NotAfter
	}
	status.Creation = finished
}

// copyObserved copies the state of the cluster to the status. Without a read the status
// stays as it is.
func copyObserved(in Input, status *v1alpha1.DatabricksClusterStatus) {
	status.Selector = v1alpha1.SelectorFor(in.Cluster.Name)
	status.Effective = effective(in, status)
	switch {
	case in.Observed.Presence == managed.Present:
		copyDetails(in.Observed.Details, status)
	case in.isGone():
		clearObserved(status)
	}
}

func copyDetails(details *compute.ClusterDetails, status *v1alpha1.DatabricksClusterStatus) {
	status.State = databricks.PlainText(string(details.State))
	status.StateMessage = databricks.PlainText(details.StateMessage)
	status.TerminationReason = terminationReason(details.TerminationReason)
	status.NumWorkers = count(len(details.Executors))
	status.TargetWorkers = nil
	if details.Autoscale == nil {
		status.TargetWorkers = count(details.NumWorkers)
	}
	status.StartTime = timeOf(details.StartTime)
	status.LastRestartedTime = timeOf(details.LastRestartedTime)
	status.TerminatedTime = timeOf(details.TerminatedTime)
}

// recordSchedule stores where the object is in its schedule.
func recordSchedule(in Input, status *v1alpha1.DatabricksClusterStatus) {
	if in.Cluster.DeletionTimestamp.IsZero() {
		status.Schedule = plan.HoursStatus(plan.Input{Cluster: in.Cluster, Observed: in.Observed, Limits: in.Limits, Now: in.Now})
	}
}

// recordResolved stores what the names, references and selectors of the specification stand
// for. The last choices stay while the object is deleted, and while a choice is impossible.
func recordResolved(in Input, status *v1alpha1.DatabricksClusterStatus) {
	switch {
	case in.Observed.Resolved != nil:
		status.Resolved = in.Observed.Resolved
	case in.Cluster.DeletionTimestamp.IsZero() && !selection.HasChoices(&in.Cluster.Spec):
		status.Resolved = nil
	}
}

// clearObserved removes the state of a cluster that does not exist any more.
func clearObserved(status *v1alpha1.DatabricksClusterStatus) {
	status.State, status.StateMessage, status.TerminationReason = "", "", nil
	status.NumWorkers, status.TargetWorkers = count(0), nil
	status.StartTime, status.LastRestartedTime, status.TerminatedTime = nil, nil, nil
}

func effective(in Input, status *v1alpha1.DatabricksClusterStatus) *v1alpha1.EffectiveSpec {
	shown := &v1alpha1.EffectiveSpec{}
	if details := in.Observed.Details; in.Observed.Presence == managed.Present {
		shown = &v1alpha1.EffectiveSpec{
			SparkVersion:           databricks.PlainText(details.SparkVersion),
			Runtime:                runtimeOf(details),
			NodeTypeID:             databricks.PlainText(details.NodeTypeId),
			DriverNodeTypeID:       databricks.PlainText(details.DriverNodeTypeId),
			DataSecurityMode:       databricks.PlainText(string(details.DataSecurityMode)),
			PolicyID:               databricks.PlainText(details.PolicyId),
			AutoterminationMinutes: count(details.AutoterminationMinutes),
			SingleUserName:         databricks.PlainText(details.SingleUserName),
		}
	} else if status.Effective != nil {
		shown = status.Effective.DeepCopy()
	}
	shown.RunPolicy = cmp.Or(in.Cluster.Spec.RunPolicy, v1alpha1.RunPolicyManual)
	shown.DeletionPolicy = plan.EffectiveDeletionPolicy(in.Cluster)
	return shown
}

// runtimeOf returns the runtime of a cluster, such as "16.4 ML GPU"; "": its key cannot be
// parsed.
func runtimeOf(details *compute.ClusterDetails) string {
	version, err := sparkversion.Parse(details.SparkVersion)
	if err != nil {
		return ""
	}
	parts := []string{version.Release()}
	for _, trait := range []struct {
		name string
		has  bool
	}{
		{"ML", version.ML()},
		{"GPU", version.GPU()},
		{"Photon", version.Photon || details.RuntimeEngine == compute.RuntimeEnginePhoton},
	} {
		if trait.has {
			parts = append(parts, trait.name)
		}
	}
	return strings.Join(parts, " ")
}

func terminationReason(reason *compute.TerminationReason) *v1alpha1.TerminationReason {
	if reason == nil {
		return nil
	}
	shown := &v1alpha1.TerminationReason{
		Code: databricks.PlainText(string(reason.Code)),
		Type: databricks.PlainText(string(reason.Type)),
	}
	for _, name := range slices.Sorted(maps.Keys(reason.Parameters)) {
		if shown.Parameters == nil {
			shown.Parameters = map[string]string{}
		}
		if len(shown.Parameters) < maxParameters {
			shown.Parameters[databricks.PlainText(name)] = databricks.PlainText(reason.Parameters[name])
		}
	}
	return shown
}

// count returns a number for the status, within the bounds of its type.
func count(n int) *int32 {
	return new(int32(max(0, min(n, math.MaxInt32))))
}

// latestTime is the last time that Kubernetes can encode, 9999-12-31T23:59:59Z, in
// milliseconds since 1970.
const latestTime = 253_402_300_799_000

// timeOf returns a time of the Clusters API, which has milliseconds since 1970; nil: it is 0
// or cannot be encoded.
func timeOf(milliseconds int64) *metav1.Time {
	if milliseconds <= 0 || milliseconds > latestTime {
		return nil
	}
	at := metav1.NewTime(time.UnixMilli(milliseconds).Truncate(time.Second).UTC())
	return &at
}
