package controller

import (
	"context"
	"errors"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

// scene is the facts, and the workspace they are about for whoever acts on them.
type scene struct {
	plan.World
	// workspace is nil where there is none to speak to.
	workspace *cache.Workspace
	// unansweredUntil is how long the workspace is given for its first answer; zero:
	// it has answered, or took too long.
	unansweredUntil time.Time
	// asked is what the cluster was last asked to be, as a GET that began at
	// askedAt told.
	asked   drift.Tree
	askedAt time.Time
	// lookedAt is when the look began that Details are from, changedAt when that of
	// the first that found the same.
	lookedAt, changedAt time.Time
	// output is the object's own ConfigMap; nil: it has none yet.
	output *corev1.ConfigMap
}

// observe gathers the facts about an object. It calls no workspace; what is not
// known yet is asked of the mirror.
func (r *Reconciler) observe(ctx context.Context, cluster *v1alpha1.DatabricksCluster) scene {
	seen := scene{World: plan.World{Owner: r.ownerTag(cluster)}}
	if !plan.NeedsWorkspace(cluster) {
		return seen
	}
	r.connect(ctx, cluster, &seen)
	if seen.workspace == nil {
		return seen
	}
	r.declare(ctx, cluster, &seen)
	r.look(ctx, cluster, &seen)
	r.search(cluster, &seen)
	r.doubt(cluster, &seen)
	r.compare(cluster, &seen)
	r.libraries(cluster, &seen)
	r.pin(cluster, &seen)
	r.grants(cluster, &seen)
	r.output(ctx, cluster, &seen)
	return seen
}

// ownerTag is the custom tag of the clusters made for an object; its key is
// empty where the operator is not to tag, and its value is known all the same.
func (r *Reconciler) ownerTag(cluster *v1alpha1.DatabricksCluster) drift.Tag {
	own := drift.Tag{Value: r.options.OperatorID + "-" + string(cluster.UID)}
	if r.options.OwnerTag {
		own.Key = v1alpha1.OwnerTagKey
	}
	return own
}

// originOf reports whether an object was there before this process. Creation times
// are in whole seconds.
func (r *Reconciler) originOf(cluster *v1alpha1.DatabricksCluster) plan.Origin {
	if cluster.CreationTimestamp.Time.Before(r.startedAt.Truncate(time.Second)) {
		return plan.OlderThanProcess
	}
	return plan.CreatedSinceStart
}

// declare spells the specification as the Clusters API does.
func (r *Reconciler) declare(ctx context.Context, cluster *v1alpha1.DatabricksCluster, seen *scene) {
	if !cluster.DeletionTimestamp.IsZero() {
		return
	}
	secrets, trouble := r.secrets.resolve(ctx, cluster)
	if trouble != nil {
		seen.Trouble = trouble
		return
	}
	desired, err := drift.Desired(&cluster.Spec.ClusterSpec, secrets)
	if err != nil {
		seen.Trouble = &plan.Trouble{Reason: v1alpha1.ReasonInvalidSpec, Message: err.Error(), Stalled: true}
		return
	}
	seen.Desired = desired
}

// soonAgain is when the API server is asked again for what it did not answer.
const soonAgain = 5 * time.Second

// look finds what is known of the object's cluster, and asks for a look where
// that is older than what was done to it.
func (r *Reconciler) look(ctx context.Context, cluster *v1alpha1.DatabricksCluster, seen *scene) {
	if health := seen.workspace.Health(); health.Err != nil {
		seen.ReadFailure = failureOf(health.Err)
		seen.ReadFailingSince = health.Since
		r.credentials.doubt(client.ObjectKeyFromObject(cluster), seen.ReadFailure.Class)
	} else {
		r.credentials.trust(client.ObjectKeyFromObject(cluster))
	}
	id := clusterID(cluster)
	if id == "" {
		return
	}
	seen.workspace.Watch(objectOf(cluster), id)
	holder, err := r.holders.of(ctx, cluster, id, seen.Host)
	if err != nil {
		// Whose the cluster is decides whether it may be written to.
		again := time.Now().Add(soonAgain)
		seen.Trouble = &plan.Trouble{Reason: v1alpha1.ReasonRetryingAfterError, Message: err.Error(), Again: again}
		return
	}
	seen.Holder = holder
	observation := seen.workspace.Observe(id)
	needed := r.memory.lookAfter(cluster)
	if !cluster.DeletionTimestamp.IsZero() && (observation.Presence != cache.Present || seen.ReadFailure == nil) {
		// Whose the cluster is must be known as of the deletion; while reads fail, as
		// of the last one.
		needed = latest(needed, r.memory.deletionSince(cluster))
	}
	if isGone(observation) {
		needed = latest(needed, plan.UnseenUntil(cluster, r.options.Limits, r.memory.creationSince(cluster)))
	}
	if observation.Presence == cache.Unknown || observation.StartedAt.Before(needed) {
		if time.Now().After(needed) {
			// For an edit that somebody waits for, one GET tells all that a change
			// takes; a list may be long.
			edited := observation.Presence == cache.Unknown && cluster.Generation != cluster.Status.ObservedGeneration
			seen.workspace.Refresh(objectOf(cluster), id, needed, edited)
		}
		return
	}
	seen.Presence = presences[observation.Presence]
	seen.Details, seen.lookedAt, seen.changedAt = observation.Cluster, observation.StartedAt, observation.ChangedAt
}

var presences = map[cache.Presence]plan.Presence{
	cache.Present: plan.Present,
	cache.Missing: plan.Missing,
	cache.Purged:  plan.Purged,
}

// isGone tells that a look said that the cluster does not exist.
func isGone(observation cache.Observation) bool {
	return observation.Presence == cache.Missing || observation.Presence == cache.Purged
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// search looks for the owner tag while a creation's end is not known.
func (r *Reconciler) search(cluster *v1alpha1.DatabricksCluster, seen *scene) {
	object, after := objectOf(cluster), plan.ResolveAt(cluster, r.options.Limits, r.memory.creationSince(cluster))
	needed := plan.NeedsSearch(cluster, seen.Presence, r.originOf(cluster))
	if !needed || time.Now().Before(after) || seen.Owner.Key == "" {
		r.memory.searchEnded(cluster)
		seen.workspace.EndSearch(object)
		return
	}
	after = latest(after, r.memory.searchSince(cluster))
	found := seen.workspace.Search(object, seen.Owner.Key, seen.Owner.Value, after)
	seen.Search = plan.Search{CompleteLists: found.CompleteLists}
	for _, match := range found.Matches {
		seen.Search.Matches = append(seen.Search.Matches, match.Cluster)
	}
}

// compare finds where the cluster is not as declared. What only a list shows is a
// suspicion, until the GET that it asks for has confirmed it or not.
func (r *Reconciler) compare(cluster *v1alpha1.DatabricksCluster, seen *scene) {
	if seen.Presence != plan.Present || seen.Desired == nil {
		return
	}
	id := seen.Details.ClusterId
	asked, askedAt := seen.workspace.Spec(id)
	observed, err := drift.Observe(seen.Details, asked)
	if err != nil {
		return
	}
	differences := append(drift.Compare(seen.Desired, observed), drift.Removed(cluster.Status.OwnedFields, seen.Desired, observed.Asked)...)
	if len(differences) > 0 && askedAt.Before(seen.lookedAt) && !r.memory.confirmed(cluster, differences) {
		seen.workspace.Refresh(objectOf(cluster), id, seen.lookedAt, true)
		seen.Suspected = true
		return
	}
	r.memory.confirm(cluster, differences)
	seen.Differences, seen.Compared = differences, true
	seen.asked, seen.askedAt = observed.Asked, askedAt
	if observed.Asked != nil {
		seen.SpecAt = askedAt
	}
}

// clusterID is the object's cluster: the one on record, else the one it names.
func clusterID(cluster *v1alpha1.DatabricksCluster) string {
	if cluster.Status.ClusterID != "" {
		return cluster.Status.ClusterID
	}
	return cluster.Spec.ClusterID
}

// objectOf names an object to its workspace.
func objectOf(cluster *v1alpha1.DatabricksCluster) cache.Object {
	return cache.Object(client.ObjectKeyFromObject(cluster).String())
}

// keyOf undoes objectOf.
func keyOf(object cache.Object) types.NamespacedName {
	namespace, name, _ := strings.Cut(string(object), string(types.Separator))
	return types.NamespacedName{Namespace: namespace, Name: name}
}

// failureOf is an error of the Databricks API as a fact.
func failureOf(err error) *plan.Failure {
	if failed, ok := errors.AsType[*databricks.Error](err); ok {
		return &plan.Failure{Class: failed.Class, Message: failed.Error(), RetryAfter: failed.RetryAfter}
	}
	return &plan.Failure{Class: databricks.ClassTransient, Message: err.Error()}
}
