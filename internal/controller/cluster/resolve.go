package cluster

import (
	"context"
	"fmt"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/plan"
	"github.com/databricks-operator/databricks-operator/internal/selection"
)

// resolve replaces the names, references and selectors of the specification by ids of the
// workspace. Without an answer the object is blocked, and its cluster stays as it is.
func (r *Reconciler) resolve(ctx context.Context, cluster *v1alpha1.DatabricksCluster, observed *observation) {
	observed.spec = &cluster.Spec
	if !cluster.DeletionTimestamp.IsZero() {
		observed.interest.Catalog = cache.CatalogLookup{}
		return
	}
	observed.spec = specToResolve(cluster)
	referents, err := r.referents.of(ctx, cluster.Namespace, selection.References(observed.spec))
	if err != nil {
		retryAt := time.Now().Add(kubeReadRetryInterval)
		observed.Blocked = &managed.Blocked{Reason: v1alpha1.ReasonRetryingAfterError, Message: err.Error(), RequeueAt: retryAt}
		return
	}
	attempts := r.attempts.of(cluster)
	var after time.Time
	if observed.interest.Catalog.After.Equal(attempts.GenerationSeenAt) {
		after = attempts.GenerationSeenAt // requested before for this generation
	}
	found := r.resolveBy(cluster, observed, referents, after)
	isByLists := found.Problem != nil && found.Problem.Kind.IsByLists()
	if isByLists || failureOf(found.Unknown, observed.view.Catalog) != nil {
		// What the specification names may be newer than the lists, and so may a right.
		found = r.resolveBy(cluster, observed, referents, attempts.GenerationSeenAt)
	}
	switch {
	case found.Problem != nil:
		observed.Blocked = &managed.Blocked{
			Reason: reasons[found.Problem.Kind], Message: found.Problem.Message,
			Stalled: found.Problem.Kind != selection.NotReady, ByLists: found.Problem.Kind.IsByLists(),
		}
	case found.Unknown != "":
		r.await(found, attempts, observed)
	default:
		observed.spec, observed.Resolved = found.Spec, found.Resolved
	}
}

// specToResolve returns the specification without the names, references and selectors of an
// observing object, which writes nothing.
func specToResolve(cluster *v1alpha1.DatabricksCluster) *v1alpha1.DatabricksClusterSpec {
	if cluster.Spec.ManagementPolicy != v1alpha1.ManagementPolicyObserve {
		return &cluster.Spec
	}
	unnamed := cluster.Spec
	unnamed.ReferenceSpec = v1alpha1.ReferenceSpec{}
	return &unnamed
}

var reasons = map[selection.ProblemKind]string{
	selection.NotFound:       v1alpha1.ReasonReferenceNotFound,
	selection.NoMatch:        v1alpha1.ReasonNoMatch,
	selection.NotReady:       v1alpha1.ReasonDependencyNotReady,
	selection.OtherWorkspace: v1alpha1.ReasonReferenceNotFound,
}

// resolveBy resolves the specification by lists that began after a time.
func (r *Reconciler) resolveBy(
	cluster *v1alpha1.DatabricksCluster, observed *observation, referents map[selection.Reference]selection.Referent, after time.Time,
) selection.Result {
	observed.interest.Catalog = plan.CatalogLookup(observed.spec, adviceOf(cluster, r.attempts.of(cluster)), after)
	observed.subscribe()
	catalog := observed.view.Catalog
	return selection.Resolve(selection.Input{
		Spec: observed.spec, Kept: cluster.Status.Resolved, Power: powerOf(cluster, observed.view.Cluster, r.attempts.of(cluster)),
		Referents: referents, Host: observed.Host, WorkspaceID: observed.WorkspaceID,
		Lists: selection.Lists{
			Policies: catalog.Policies.Value, InstancePools: catalog.InstancePools.Value,
			Versions: listed(catalog.Versions), NodeTypes: listed(catalog.NodeTypes),
		},
	})
}

// listed returns a list of the workspace; nil: it is unknown.
func listed[T any](look cache.Look[[]T]) []T {
	if look.Value == nil && !look.StartedAt.IsZero() {
		return []T{}
	}
	return look.Value
}

func adviceOf(cluster *v1alpha1.DatabricksCluster, attempts plan.Attempts) plan.Advice {
	if attempts.NeedsAdvice(cluster.Generation) {
		return plan.AdviceDue
	}
	return plan.AdviceGiven
}

// powerOf returns whether a new runtime restarts the cluster of an object: not if it is
// known to be down, or is about to be restarted for another reason.
func powerOf(cluster *v1alpha1.DatabricksCluster, read cache.Observation, attempts plan.Attempts) selection.Power {
	isDown := clusterID(cluster) == "" || read.Presence == cache.Present && read.Cluster.State == compute.StateTerminated
	if isDown || plan.RestartIsNext(cluster, attempts) {
		return selection.Down
	}
	return selection.MayRun
}

// resolvePause is how long a new specification waits for the lists of the workspace before
// its status says so.
const resolvePause = 2 * time.Second

// await reports that a list of the workspace is not known yet, or cannot be read.
func (r *Reconciler) await(found selection.Result, attempts plan.Attempts, observed *observation) {
	message := fmt.Sprintf("spec.%s waits for the list of the %s of the workspace", found.Field, found.Unknown)
	if err := failureOf(found.Unknown, observed.view.Catalog); err != nil {
		failure := managed.FailureOf(err)
		observed.Blocked = &managed.Blocked{
			Reason: v1alpha1.ReasonRetryingAfterError, Message: message + ": " + failure.Message,
			Remedy: "it is retried, and the field with the id needs no list", ByLists: true,
		}
		return
	}
	if until := attempts.GenerationSeenAt.Add(resolvePause); time.Now().Before(until) {
		observed.unansweredUntil = until
		return
	}
	observed.Blocked = &managed.Blocked{Reason: v1alpha1.ReasonRetryingAfterError, Message: message, ByLists: true}
}

// failureOf returns the failure of the newest read of a list; nil if there is none.
func failureOf(list selection.List, catalog cache.Catalog) error {
	switch list {
	case selection.Policies:
		return catalog.Policies.Err
	case selection.InstancePools:
		return catalog.InstancePools.Err
	case selection.Versions:
		return catalog.Versions.Err
	case selection.NodeTypes:
		return catalog.NodeTypes.Err
	default:
		return nil
	}
}
