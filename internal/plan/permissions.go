package plan

import (
	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// Permissions is the observed access control list of the cluster.
type Permissions struct {
	// Seen reports whether the permissions were read since the last change.
	Seen   bool
	Direct []drift.Permission
	// InPlace reports whether the list of this generation was in effect before, so that no
	// read is needed.
	InPlace bool
	// Failure is why the permissions cannot be read; nil: they were read, or will be.
	Failure *managed.Failure
}

// ManagesPermissions reports whether an object declares permissions; the list may be empty.
func ManagesPermissions(cluster *v1alpha1.DatabricksCluster) bool {
	observes := cluster.Spec.ManagementPolicy == v1alpha1.ManagementPolicyObserve
	return cluster.Spec.AccessControlList != nil && !observes && cluster.DeletionTimestamp.IsZero()
}

// PermissionsInPlace reports whether the declared permissions of this generation are known
// to be in effect, because the object was ready since.
func PermissionsInPlace(cluster *v1alpha1.DatabricksCluster) bool {
	return HistoryOf(cluster).WasReady
}

// withPermissions adds the step that sets the permissions to a plan without a step. The
// object is not ready without its permissions, in contrast to its pin.
func (in Input) withPermissions(next Plan) Plan {
	permissions := in.Observed.Permissions
	switch {
	case !ManagesPermissions(in.Cluster):
		return next
	case permissions.Seen:
		wanted := drift.Permissions(in.Cluster.Spec.AccessControlList, permissions.Direct, in.Observed.Principal)
		if drift.SamePermissions(wanted, permissions.Direct) || !in.delayedUntil(SubjectPermissions).IsZero() {
			return next
		}
		verdict := managed.Verdict{Reason: v1alpha1.ReasonUpdating, Message: "/accessControlList"}
		next, held := in.sideStep(next, SetPermissions{ClusterID: in.Observed.Details.ClusterId, Permissions: wanted})
		if held {
			verdict = in.Attempts.Side[StepSetPermissions].Failure.Verdict()
			verdict.Message = "spec.accessControlList: " + verdict.Message
		}
		return in.withVerdictIfNone(next, verdict)
	case permissions.InPlace:
		return next
	case permissions.Failure != nil:
		return in.withVerdictIfNone(next, permissions.Failure.Verdict())
	default:
		return in.withVerdictIfNone(next, managed.Verdict{Reason: v1alpha1.ReasonUpdating, Message: "reading the permissions of the cluster"})
	}
}

// withVerdictIfNone adds a verdict to a plan without one, unless the state of the cluster is
// a failure.
func (in Input) withVerdictIfNone(next Plan, verdict managed.Verdict) Plan {
	details := in.Observed.Details
	isHealthy := isRunning(details.State) || details.State == compute.StateTerminated && endedNormally(details)
	if isHealthy && (next.Verdict.Reason == "" || next.Verdict.Reason == v1alpha1.ReasonChangesDeferred || next.Verdict.Reason == v1alpha1.ReasonDriftTolerated) {
		next.Verdict = verdict
	}
	return next
}
