package plan

import "github.com/databricks-operator/databricks-operator/api/v1alpha1"

// ManagesPin tells that an object says whether its cluster is pinned.
func ManagesPin(cluster *v1alpha1.DatabricksCluster) bool {
	observes := cluster.Spec.ManagementPolicy == v1alpha1.ManagementPolicyObserve
	return cluster.Spec.Pinned != nil && !observes && cluster.DeletionTimestamp.IsZero()
}

// withPin pins or unpins beside what is planned. That it is refused, for want of
// rights or by the workspace's limit, is told and takes nothing away: the cluster
// works all the same.
func (in Input) withPin(next Plan) Plan {
	if !ManagesPin(in.Cluster) || in.Observed.Pinned == nil || *in.Observed.Pinned == *in.Cluster.Spec.Pinned || !in.heldBack(SubjectPin).IsZero() {
		return next
	}
	id := in.Observed.Details.ClusterId
	var step Step = Pin{id}
	if !*in.Cluster.Spec.Pinned {
		step = Unpin{id}
	}
	next, held := in.sideStep(next, step)
	if failure := in.Attempts.Side[KindOf(step)].Failure; held && failure.response().stalled {
		next.Note = "spec.pinned is not in place: " + failure.Message
	}
	return next
}
