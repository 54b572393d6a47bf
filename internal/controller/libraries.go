package controller

import (
	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

// libraries finds how far the libraries of the object's cluster are, while that
// is of interest. It asks for nothing where none are declared.
func (r *Reconciler) libraries(cluster *v1alpha1.DatabricksCluster, seen *scene) {
	object := objectOf(cluster)
	if seen.Presence == plan.Unknown && plan.ManagesLibraries(cluster) {
		return // what was asked for stays asked for
	}
	if seen.Presence != plan.Present || !plan.NeedsLibraries(cluster, seen.Details) {
		seen.workspace.EndLibraries(object)
		return
	}
	look := seen.workspace.Libraries(object, seen.Details.ClusterId, latest(seen.changedAt, r.memory.last(cluster).At))
	if look.Err != nil {
		seen.Libraries.Failure = failureOf(look.Err)
	}
	if !look.StartedAt.IsZero() {
		seen.Libraries = plan.Libraries{Seen: true, Statuses: look.Value}
	}
}
