package controller

import (
	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

// pin finds whether the object's cluster is pinned, where the object says that it
// matters. What the workspace was last seen to say is older than what was done
// since.
func (r *Reconciler) pin(cluster *v1alpha1.DatabricksCluster, seen *scene) {
	switch {
	case !plan.ManagesPin(cluster):
		seen.workspace.EndPins(objectOf(cluster))
		return
	case seen.Presence != plan.Present:
		return
	}
	look := seen.workspace.Pins(objectOf(cluster), seen.Details.ClusterId)
	switch done, at := r.memory.pinned(cluster); {
	case at.After(look.StartedAt):
		seen.Pinned = &done
	case !look.StartedAt.IsZero():
		seen.Pinned = new(look.Value[seen.Details.ClusterId])
	}
}
