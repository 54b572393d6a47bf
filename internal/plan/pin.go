package plan

import "github.com/databricks-operator/databricks-operator/api/v1alpha1"

// ManagesPin reports whether an object declares spec.pinned.
func ManagesPin(cluster *v1alpha1.DatabricksCluster) bool {
	observes := cluster.Spec.ManagementPolicy == v1alpha1.ManagementPolicyObserve
	return cluster.Spec.Pinned != nil && !observes && cluster.DeletionTimestamp.IsZero()
}

// withPin adds the step that pins or unpins the cluster to a plan without a step. A refusal,
// for example by the limit of the workspace, is reported and does not affect Ready.
func (in Input) withPin(next Plan) Plan {
	if !ManagesPin(in.Cluster) || in.Observed.Pinned == nil || *in.Observed.Pinned == *in.Cluster.Spec.Pinned || !in.delayedUntil(SubjectPin).IsZero() {
		return next
	}
	id := in.Observed.Details.ClusterId
	var step Step = Pin{id}
	if !*in.Cluster.Spec.Pinned {
		step = Unpin{id}
	}
	next, held := in.sideStep(next, step)
	if failure := in.Attempts.Side[KindOf(step)].Failure; held && failure.Stalls() {
		next.Note = "spec.pinned is not in place: " + failure.Message
	}
	return next
}
