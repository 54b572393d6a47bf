package controller

import (
	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/sparkversion"
)

// doubt holds a new specification against what the workspace offers, once. What
// does not fit is told, with what may have been meant; the server decides.
func (r *Reconciler) doubt(cluster *v1alpha1.DatabricksCluster, seen *scene) {
	if seen.workspace == nil || seen.Desired == nil || !r.memory.doubting(cluster) {
		return
	}
	spec, object, pending := &cluster.Spec, objectOf(cluster), false
	versions := offered(true, seen.workspace.SparkVersions, object, &pending)
	nodes := offered(true, seen.workspace.NodeTypes, object, &pending)
	policies := offered(spec.PolicyID != "", seen.workspace.Policies, object, &pending)
	pools := offered(spec.InstancePoolID != "" || spec.DriverInstancePoolID != "", seen.workspace.InstancePools, object, &pending)
	if pending {
		return
	}
	r.memory.doubted(cluster)
	seen.workspace.EndCatalog(object)
	problems := append(
		sparkversion.Problems(sparkversion.Desired{
			SparkVersion:     spec.SparkVersion,
			RuntimeEngine:    compute.RuntimeEngine(spec.RuntimeEngine),
			NodeTypeID:       spec.NodeTypeID,
			DriverNodeTypeID: spec.DriverNodeTypeID,
		}, sparkversion.Facts{SparkVersions: versions, NodeTypes: nodes}),
		sparkversion.References(
			sparkversion.Reference{Field: "spec.policyID", ID: spec.PolicyID, Names: policies},
			sparkversion.Reference{Field: "spec.instancePoolID", ID: spec.InstancePoolID, Names: pools},
			sparkversion.Reference{Field: "spec.driverInstancePoolID", ID: spec.DriverInstancePoolID, Names: pools},
		)...,
	)
	for _, problem := range problems {
		seen.Doubts = append(seen.Doubts, problem.Message)
	}
}

// offered is what the workspace has of a kind, if that is needed. It notes an
// answer that is still to come; a workspace that refuses one has nothing to
// compare with.
func offered[T any](needed bool, ask func(cache.Object) cache.Look[T], object cache.Object, pending *bool) T {
	if !needed {
		var none T
		return none
	}
	look := ask(object)
	if look.StartedAt.IsZero() && look.Err == nil {
		*pending = true
	}
	return look.Value
}
