package controller

import (
	"time"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

// grants finds who may use the object's cluster, where the object says who should.
// It is looked at when the specification is new, and then as seldom as what only
// one call per cluster tells.
func (r *Reconciler) grants(cluster *v1alpha1.DatabricksCluster, seen *scene) {
	switch {
	case !plan.ManagesGrants(cluster):
		seen.workspace.EndGrants(objectOf(cluster))
		return
	case seen.Presence != plan.Present:
		return
	}
	set := r.memory.asides(cluster)[plan.StepSetGrants]
	refused := set.Failure != nil && set.Failure.Class != databricks.ClassAmbiguous
	done := set.Failure == nil && !set.At.IsZero() && set.Generation == cluster.Generation
	seen.Grants.InPlace = done || plan.GrantsInPlace(cluster)
	var after time.Time
	if !seen.Grants.InPlace {
		after = r.memory.generationSince(cluster)
	}
	if !done && !refused {
		after = latest(after, set.At)
	}
	look := seen.workspace.Grants(objectOf(cluster), seen.Details.ClusterId, after)
	if look.Err != nil {
		seen.Grants.Failure = failureOf(look.Err)
	}
	if !look.StartedAt.IsZero() && (refused || look.StartedAt.After(set.At)) {
		seen.Grants.Seen, seen.Grants.Direct = true, drift.DirectGrants(look.Value)
	}
}
