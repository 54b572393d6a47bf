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
func (r *Reconciler) lookUp(cluster *v1alpha1.DatabricksCluster, observed *observation) {
	isNew := observed.Desired != nil && r.attempts.needsAdvice(cluster)
	observed.interest.Libraries = r.librariesNeed(cluster, observed)
	observed.interest.Permissions = r.permissionsNeed(cluster, observed)
	observed.interest.Pins = r.pinsNeed(cluster)
	if isNew {
		observed.interest.Catalog = catalogNeed(&cluster.Spec)
	}
	observed.subscribe()
	if observed.Presence == plan.Present {
		r.libraries(observed)
		r.pin(cluster, observed)
		r.permissions(cluster, observed)
	}
	if isNew {
		r.advise(cluster, observed)
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
func (r *Reconciler) librariesNeed(cluster *v1alpha1.DatabricksCluster, observed *observation) cache.Lookup {
	tried := r.attempts.last(cluster).At
	switch {
	case !plan.ManagesLibraries(cluster):
		return cache.Lookup{}
	case observed.Presence == plan.Unknown:
		return cache.Lookup{Cadence: cache.WhileChanging, After: tried}
	case observed.Presence != plan.Present:
		return cache.Lookup{}
	case plan.NeedsLibraries(cluster, observed.Details):
		return cache.Lookup{Cadence: cache.WhileChanging, After: latest(observed.view.Cluster.ChangedAt, tried)}
	default:
		return cache.Lookup{Cadence: cache.WhileQuiet, After: tried}
	}
}

func (r *Reconciler) libraries(observed *observation) {
	look := observed.view.Libraries
	if look.Err != nil {
		observed.Libraries.Failure = failureOf(look.Err)
	}
	if !look.StartedAt.IsZero() {
		observed.Libraries = plan.Libraries{Seen: true, Statuses: look.Value}
	}
}

// pinsNeed reads the pins of the workspace at the pace of its lists.
func (r *Reconciler) pinsNeed(cluster *v1alpha1.DatabricksCluster) cache.Lookup {
	if !plan.ManagesPin(cluster) {
		return cache.Lookup{}
	}
	_, at := r.attempts.pinned(cluster)
	return cache.Lookup{Cadence: cache.WhileQuiet, OutdatedBefore: at}
}

// pin takes whether the cluster is pinned. What the workspace was last observed to return
// is older than what was done since.
func (r *Reconciler) pin(cluster *v1alpha1.DatabricksCluster, observed *observation) {
	if !plan.ManagesPin(cluster) {
		return
	}
	look := observed.view.Pins
	switch done, at := r.attempts.pinned(cluster); {
	case at.After(look.StartedAt):
		observed.Pinned = &done
	case !look.StartedAt.IsZero():
		observed.Pinned = new(look.Value[observed.Details.ClusterId])
	}
}

// permissionsNeed reads the permissions when the specification is new or they were
// just set, and seldom while they are in place.
func (r *Reconciler) permissionsNeed(cluster *v1alpha1.DatabricksCluster, observed *observation) cache.Lookup {
	if !plan.ManagesPermissions(cluster) {
		return cache.Lookup{}
	}
	set := r.attempts.sideAttempts(cluster)[plan.StepSetPermissions]
	refused := set.Failure != nil && set.Failure.Class != databricks.ClassAmbiguous
	done := set.Failure == nil && !set.At.IsZero() && set.Generation == cluster.Generation
	observed.Permissions.InPlace = done || plan.PermissionsInPlace(cluster)
	var after time.Time
	if !observed.Permissions.InPlace {
		after = r.attempts.generationSince(cluster)
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

func (r *Reconciler) permissions(cluster *v1alpha1.DatabricksCluster, observed *observation) {
	if !plan.ManagesPermissions(cluster) {
		return
	}
	set := r.attempts.sideAttempts(cluster)[plan.StepSetPermissions]
	refused := set.Failure != nil && set.Failure.Class != databricks.ClassAmbiguous
	look := observed.view.Permissions
	if look.Err != nil {
		observed.Permissions.Failure = failureOf(look.Err)
	}
	if !look.StartedAt.IsZero() && (refused || look.StartedAt.After(set.At)) {
		observed.Permissions.Seen, observed.Permissions.Direct = true, drift.DirectPermissions(look.Value)
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
func (r *Reconciler) advise(cluster *v1alpha1.DatabricksCluster, observed *observation) {
	spec, offered, needed := &cluster.Spec, observed.view.Catalog, observed.interest.Catalog
	if isPending(needed.Versions, offered.Versions) || isPending(needed.NodeTypes, offered.NodeTypes) ||
		isPending(needed.Policies, offered.Policies) || isPending(needed.InstancePools, offered.InstancePools) {
		return
	}
	r.attempts.advised(cluster)
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
