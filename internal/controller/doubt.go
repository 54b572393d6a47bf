package controller

import (
	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/sparkversion"
)

// doubt holds a new specification against what the workspace offers, once. What
// does not fit is told, with what may have been meant; the server decides.
func (r *Reconciler) doubt(cluster *v1alpha1.DatabricksCluster, seen *scene) {
	if seen.workspace == nil || seen.Desired == nil || !r.memory.doubting(cluster) {
		return
	}
	object := objectOf(cluster)
	versions, types := seen.workspace.SparkVersions(object), seen.workspace.NodeTypes(object)
	if versions.StartedAt.IsZero() || types.StartedAt.IsZero() {
		return
	}
	r.memory.doubted(cluster)
	seen.workspace.EndCatalog(object)
	problems := sparkversion.Problems(sparkversion.Desired{
		SparkVersion:     cluster.Spec.SparkVersion,
		RuntimeEngine:    compute.RuntimeEngine(cluster.Spec.RuntimeEngine),
		NodeTypeID:       cluster.Spec.NodeTypeID,
		DriverNodeTypeID: cluster.Spec.DriverNodeTypeID,
	}, sparkversion.Facts{SparkVersions: versions.Value, NodeTypes: types.Value})
	for _, problem := range problems {
		seen.Doubts = append(seen.Doubts, problem.Message)
	}
}
