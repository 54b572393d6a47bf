package controller

import (
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/plan"
	"github.com/databricks-operator/databricks-operator/internal/sparkversion"
)

// lookUp takes what is known beside the cluster itself: libraries, pin, permissions,
// and for a new specification what the workspace offers. Only what the object
// declares is requested.
func (r *Reconciler) lookUp(cluster *v1alpha1.DatabricksCluster, seen *scene) {
	isNew := seen.Desired != nil && r.memory.doubting(cluster)
	seen.interest.Libraries = r.librariesNeed(cluster, seen)
	seen.interest.Permissions = r.permissionsNeed(cluster, seen)
	seen.interest.Pins = r.pinsNeed(cluster)
	if isNew {
		seen.interest.Catalog = catalogNeed(&cluster.Spec)
	}
	seen.subscribe()
	if seen.Presence == plan.Present {
		r.libraries(seen)
		r.pin(cluster, seen)
		r.permissions(cluster, seen)
	}
	if isNew {
		r.advise(cluster, seen)
	}
}

// quietIf returns the cadence of a lookup that any read serves, where it is needed.
func quietIf(needed bool) cache.Cadence {
	if !needed {
		return cache.NotNeeded
	}
	return cache.WhileQuiet
}

// librariesNeed reads the libraries of a cluster closely while they change, and
// seldom while they are as declared, to see what was changed elsewhere.
func (r *Reconciler) librariesNeed(cluster *v1alpha1.DatabricksCluster, seen *scene) cache.Lookup {
	tried := r.memory.last(cluster).At
	switch {
	case !plan.ManagesLibraries(cluster):
		return cache.Lookup{}
	case seen.Presence == plan.Unknown:
		return cache.Lookup{Cadence: cache.WhileChanging, After: tried}
	case seen.Presence != plan.Present:
		return cache.Lookup{}
	case plan.NeedsLibraries(cluster, seen.Details):
		return cache.Lookup{Cadence: cache.WhileChanging, After: latest(seen.view.Cluster.ChangedAt, tried)}
	default:
		return cache.Lookup{Cadence: cache.WhileQuiet, After: tried}
	}
}

func (r *Reconciler) libraries(seen *scene) {
	look := seen.view.Libraries
	if look.Err != nil {
		seen.Libraries.Failure = failureOf(look.Err)
	}
	if !look.StartedAt.IsZero() {
		seen.Libraries = plan.Libraries{Seen: true, Statuses: look.Value}
	}
}

// pinsNeed reads the pins of the workspace at the pace of its lists.
func (r *Reconciler) pinsNeed(cluster *v1alpha1.DatabricksCluster) cache.Lookup {
	if !plan.ManagesPin(cluster) {
		return cache.Lookup{}
	}
	_, at := r.memory.pinned(cluster)
	return cache.Lookup{Cadence: cache.WhileQuiet, OutdatedBefore: at}
}

// pin takes whether the cluster is pinned. What the workspace was last seen to return
// is older than what was done since.
func (r *Reconciler) pin(cluster *v1alpha1.DatabricksCluster, seen *scene) {
	if !plan.ManagesPin(cluster) {
		return
	}
	look := seen.view.Pins
	switch done, at := r.memory.pinned(cluster); {
	case at.After(look.StartedAt):
		seen.Pinned = &done
	case !look.StartedAt.IsZero():
		seen.Pinned = new(look.Value[seen.Details.ClusterId])
	}
}

// permissionsNeed reads the permissions when the specification is new or they were
// just set, and seldom while they are in place.
func (r *Reconciler) permissionsNeed(cluster *v1alpha1.DatabricksCluster, seen *scene) cache.Lookup {
	if !plan.ManagesGrants(cluster) {
		return cache.Lookup{}
	}
	set := r.memory.asides(cluster)[plan.StepSetGrants]
	refused := set.Failure != nil && set.Failure.Class != databricks.ClassAmbiguous
	done := set.Failure == nil && !set.At.IsZero() && set.Generation == cluster.Generation
	seen.Grants.InPlace = done || plan.GrantsInPlace(cluster)
	var after time.Time
	if !seen.Grants.InPlace {
		after = r.memory.generationSince(cluster)
	}
	var outdated time.Time
	switch {
	case done:
		outdated = set.At
	case !refused:
		after = latest(after, set.At)
	}
	return cache.Lookup{Cadence: cache.WhileQuiet, After: after, OutdatedBefore: outdated}
}

func (r *Reconciler) permissions(cluster *v1alpha1.DatabricksCluster, seen *scene) {
	if !plan.ManagesGrants(cluster) {
		return
	}
	set := r.memory.asides(cluster)[plan.StepSetGrants]
	refused := set.Failure != nil && set.Failure.Class != databricks.ClassAmbiguous
	look := seen.view.Permissions
	if look.Err != nil {
		seen.Grants.Failure = failureOf(look.Err)
	}
	if !look.StartedAt.IsZero() && (refused || look.StartedAt.After(set.At)) {
		seen.Grants.Seen, seen.Grants.Direct = true, drift.DirectGrants(look.Value)
	}
}

// catalogNeed is what a new specification is checked against, once.
func catalogNeed(spec *v1alpha1.DatabricksClusterSpec) cache.CatalogLookup {
	pooled := spec.InstancePoolID != "" || spec.DriverInstancePoolID != ""
	return cache.CatalogLookup{
		Versions: cache.WhileQuiet, NodeTypes: cache.WhileQuiet,
		Policies:      quietIf(spec.PolicyID != ""),
		InstancePools: quietIf(pooled),
	}
}

// advise compares a new specification with what the workspace offers, once. What does
// not fit is shown, with what may have been meant; the server decides.
func (r *Reconciler) advise(cluster *v1alpha1.DatabricksCluster, seen *scene) {
	spec, offered, needed := &cluster.Spec, seen.view.Catalog, seen.interest.Catalog
	if isPending(needed.Versions, offered.Versions) || isPending(needed.NodeTypes, offered.NodeTypes) ||
		isPending(needed.Policies, offered.Policies) || isPending(needed.InstancePools, offered.InstancePools) {
		return
	}
	r.memory.doubted(cluster)
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
		seen.Doubts = append(seen.Doubts, problem.Message)
	}
}

// isPending reports whether an answer is still to come. A workspace that refuses one
// offers nothing to compare with.
func isPending[T any](cadence cache.Cadence, look cache.Look[T]) bool {
	return cadence != cache.NotNeeded && look.StartedAt.IsZero() && look.Err == nil
}
