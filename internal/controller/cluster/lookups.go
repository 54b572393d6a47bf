package cluster

import (
	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/plan"
	"github.com/databricks-operator/databricks-operator/internal/sparkversion"
)

// lookUp takes what is known beside the cluster itself: libraries, pin, permissions,
// and for a new specification what the workspace offers. Only what the object
// declares is requested.
func (r *Reconciler) lookUp(cluster *v1alpha1.DatabricksCluster, observed *observation) {
	attempts := r.attempts.of(cluster)
	isNew := observed.Desired != nil && attempts.NeedsAdvice(cluster.Generation)
	interest := &observed.interest
	interest.Libraries = plan.LibrariesLookup(cluster, observed.Presence, observed.Details, observed.view.Cluster.ChangedAt, attempts)
	interest.Permissions = plan.PermissionsLookup(cluster, attempts)
	interest.Pins = plan.PinsLookup(cluster, attempts)
	if isNew {
		interest.Catalog = plan.CatalogLookup(&cluster.Spec)
	}
	observed.subscribe()
	if observed.Presence == plan.Present {
		observed.Libraries = plan.LibrariesRead(observed.view.Libraries)
		observed.Pinned = plan.PinnedRead(cluster, observed.Details.ClusterId, observed.view.Pins, attempts)
		observed.Permissions = plan.PermissionsRead(cluster, observed.view.Permissions, attempts)
	}
	if isNew {
		r.advise(cluster, observed)
	}
}

// advise compares a new specification with what the workspace offers, once. What does
// not fit is shown, with what may have been meant; the server decides.
func (r *Reconciler) advise(cluster *v1alpha1.DatabricksCluster, observed *observation) {
	spec, offered, needed := &cluster.Spec, observed.view.Catalog, observed.interest.Catalog
	if isPending(needed.Versions, offered.Versions) || isPending(needed.NodeTypes, offered.NodeTypes) ||
		isPending(needed.Policies, offered.Policies) || isPending(needed.InstancePools, offered.InstancePools) {
		return
	}
	r.attempts.set(cluster, r.attempts.of(cluster).Advised(cluster.Generation))
	problems := append(
		sparkversion.Problems(sparkversion.Desired{
			SparkVersion:     spec.SparkVersion,
			RuntimeEngine:    compute.RuntimeEngine(spec.RuntimeEngine),
			NodeTypeID:       spec.NodeTypeID,
			DriverNodeTypeID: spec.DriverNodeTypeID,
		}, sparkversion.Facts{SparkVersions: offered.Versions.Value, NodeTypes: offered.NodeTypes.Value}),
		sparkversion.References(
			sparkversion.Reference{Field: "spec.policyID", ID: spec.PolicyID, Names: offered.Policies.Value},
			sparkversion.Reference{Field: "spec.instancePoolID", ID: spec.InstancePoolID, Names: offered.InstancePools.Value},
			sparkversion.Reference{Field: "spec.driverInstancePoolID", ID: spec.DriverInstancePoolID, Names: offered.InstancePools.Value},
		)...,
	)
	for _, problem := range problems {
		observed.Advice = append(observed.Advice, problem.Message)
	}
}

// isPending reports whether an answer is still to come. A workspace that refuses one
// offers nothing to compare with.
func isPending[T any](cadence cache.Cadence, look cache.Look[T]) bool {
	return cadence != cache.NotNeeded && look.StartedAt.IsZero() && look.Err == nil
}
