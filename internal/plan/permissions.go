package plan

import (
	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/drift"
)

// Permissions is what is known of the access control list of the object's cluster.
type Permissions struct {
	// Seen tells that somebody looked since it mattered.
	Seen   bool
	Direct []drift.Permission
	// InPlace tells that this generation's list was in place before, so that
	// nobody needs to look.
	InPlace bool
	// Failure is why nobody can look; nil: somebody did, or is about to.
	Failure *Failure
}

// ManagesPermissions tells that an object declares who may use its cluster, be it
// nobody.
func ManagesPermissions(cluster *v1alpha1.DatabricksCluster) bool {
	observes := cluster.Spec.ManagementPolicy == v1alpha1.ManagementPolicyObserve
	return cluster.Spec.AccessControlList != nil && !observes && cluster.DeletionTimestamp.IsZero()
}

// PermissionsInPlace tells that the declared grants of this generation were in place
// when the object was last ready: before, it is not.
func PermissionsInPlace(cluster *v1alpha1.DatabricksCluster) bool {
	return HistoryOf(cluster).WasReady
}

// withPermissions sets who may use the cluster beside what is planned. Other than a
// pin, that is no convenience: the object is not ready without it.
func (in Input) withPermissions(next Plan) Plan {
	grants := in.Observed.Permissions
	switch {
	case !ManagesPermissions(in.Cluster):
		return next
	case grants.Seen:
		wanted := drift.Permissions(in.Cluster.Spec.AccessControlList, grants.Direct, in.Observed.Principal)
		if drift.SamePermissions(wanted, grants.Direct) || !in.heldBack(SubjectPermissions).IsZero() {
			return next
		}
		verdict := Verdict{Reason: v1alpha1.ReasonUpdating, Message: "/accessControlList"}
		next, held := in.sideStep(next, SetPermissions{ClusterID: in.Observed.Details.ClusterId, Permissions: wanted})
		if held {
			verdict = in.Attempts.Side[StepSetPermissions].Failure.Verdict()
			verdict.Message = "spec.accessControlList: " + verdict.Message
		}
		return in.unlessReported(next, verdict)
	case grants.InPlace:
		return next
	case grants.Failure != nil:
		return in.unlessReported(next, grants.Failure.Verdict())
	default:
		return in.unlessReported(next, Verdict{Reason: v1alpha1.ReasonUpdating, Message: "reading the permissions of the cluster"})
	}
}

// unlessReported adds a verdict where there is none, and where the cluster has
// nothing worse to say of itself.
func (in Input) unlessReported(next Plan, verdict Verdict) Plan {
	details := in.Observed.Details
	fine := isUp(details.State) || details.State == compute.StateTerminated && endedWell(details)
	if fine && (next.Verdict.Reason == "" || next.Verdict.Reason == v1alpha1.ReasonChangesDeferred || next.Verdict.Reason == v1alpha1.ReasonDriftTolerated) {
		next.Verdict = verdict
	}
	return next
}
