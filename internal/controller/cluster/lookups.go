package cluster

import (
	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/plan"
	"github.com/databricks-operator/databricks-operator/internal/sparkversion"
)

// lookUp observes the libraries, the pin, the permissions and the compliance of the cluster, and advises
// on a new specification. Only data that the object declares is requested.
func (r *Reconciler) lookUp(cluster *v1alpha1.DatabricksCluster, observed *observation) {
	attempts := r.attempts.of(cluster)
	interest := &observed.interest
	interest.Libraries = plan.LibrariesLookup(cluster, observed.Presence, observed.Details, observed.view.Cluster.ChangedAt, attempts)
	interest.Permissions = plan.PermissionsLookup(cluster, attempts)
	interest.Pins = plan.PinsLookup(cluster, attempts)
	interest.Compliance, interest.PolicyID = plan.ComplianceLookup(cluster, observed.Presence, observed.Details, attempts)
	observed.subscribe()
	if observed.Presence == managed.Present {
		observed.Libraries = plan.LibrariesRead(observed.view.Libraries)
		observed.Pinned = plan.PinnedRead(cluster, observed.Details.ClusterId, observed.view.Pins, attempts)
		observed.Permissions = plan.PermissionsRead(cluster, observed.view.Permissions, attempts)
		observed.Compliance = plan.ComplianceRead(cluster, observed.Details, observed.view.Compliance)
	}
	if observed.Desired != nil && adviceOf(cluster, attempts) == plan.AdviceDue {
		r.advise(cluster, observed)
	}
}

// advise compares a new specification with the catalog of the workspace, once. It adds
// advice for each mismatch, with a suggestion. The server decides.
func (r *Reconciler) advise(cluster *v1alpha1.DatabricksCluster, observed *observation) {
	spec, declared, catalog, needed := observed.spec, cluster.Spec.ClusterSpec, observed.view.Catalog, observed.interest.Catalog
	if isPending(needed.Versions, catalog.Versions) || isPending(needed.NodeTypes, catalog.NodeTypes) ||
		isPending(needed.Policies, catalog.Policies) || isPending(needed.InstancePools, catalog.InstancePools) {
		return
	}
	r.attempts.set(cluster, r.attempts.of(cluster).Advised(cluster.Generation))
	problems := append(
		sparkversion.Problems(sparkversion.Desired{
			SparkVersion:     spec.SparkVersion,
			RuntimeEngine:    compute.RuntimeEngine(spec.RuntimeEngine),
			NodeTypeID:       spec.NodeTypeID,
			DriverNodeTypeID: spec.DriverNodeTypeID,
		}, sparkversion.Facts{SparkVersions: catalog.Versions.Value, NodeTypes: catalog.NodeTypes.Value}),
		// An id of a name or reference is correct, and may be newer than the lists.
		sparkversion.References(
			sparkversion.Reference{Field: "spec.policyID", ID: declared.PolicyID, Names: catalog.Policies.Value},
			sparkversion.Reference{Field: "spec.instancePoolID", ID: declared.InstancePoolID, Names: catalog.InstancePools.Value},
			sparkversion.Reference{Field: "spec.driverInstancePoolID", ID: declared.DriverInstancePoolID, Names: catalog.InstancePools.Value},
		)...,
	)
	for _, problem := range problems {
		observed.Advice = append(observed.Advice, problem.Message)
	}
}

// isPending reports whether an answer is requested and neither received nor refused.
func isPending[T any](cadence cache.Cadence, look cache.Look[T]) bool {
	return cadence != cache.NotNeeded && look.StartedAt.IsZero() && look.Err == nil
}
