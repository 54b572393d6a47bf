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
	"github.com/databricks-operator/databricks-operator/internal/specsize"
)

// observation is the facts, and the workspace they are about, for the actor.
type scene struct {
	plan.World
	// workspace is nil where there is none to call.
	workspace *cache.Workspace
	// unansweredUntil is how long the workspace is given for its first answer; zero:
	// it has answered, or took too long.
	unansweredUntil time.Time
	// interest is what the object needs to know, and view what is known of it.
	interest cache.Interest
	view     cache.View
	// observed is the cluster with the spec that it was compared with: the base of a
	// change.
	observed drift.Observed
	// output is the object's own ConfigMap; nil: it has none yet.
	output *corev1.ConfigMap
}

// subscribe states what the object needs to know by now, and takes what is known.
func (s *scene) subscribe() { s.view = s.workspace.Subscribe(s.interest) }

// observe gathers the facts about an object. It calls no workspace; what is not
// known yet is requested of the cache.
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
	r.need(cluster, &seen)
	r.look(ctx, cluster, &seen)
	r.search(cluster, &seen)
	r.compare(cluster, &seen)
	r.lookUp(cluster, &seen)
	r.output(ctx, cluster, &seen)
	r.memory.keepInterest(cluster, seen.interest)
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
	if message, oversized := specsize.Excess(cluster); oversized {
		// What was dropped from the cached copy must not read like a change.
		seen.Trouble = &plan.Trouble{Reason: v1alpha1.ReasonInvalidSpec, Message: message, Stalled: true}
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
	seen.SecretsDigest = r.memory.secretsDigest(cluster, secrets, desired)
	seen.SecretsRotated = plan.SecretsRotated(cluster, seen.SecretsDigest, r.memory.last(cluster))
}

// soonAgain is when the API server is asked again for what it did not answer.
const soonAgain = 5 * time.Second

// need states what the next decision needs to know of the cluster. What else the last
// pass needed stays needed until this one has found otherwise.
func (r *Reconciler) need(cluster *v1alpha1.DatabricksCluster, seen *scene) {
	seen.interest = r.memory.interest(cluster)
	seen.interest.Purpose = cache.ToKeep
	if !cluster.DeletionTimestamp.IsZero() {
		seen.interest.Purpose = cache.ToDelete
	}
	plan.Needs(plan.NeedsInput{
		Cluster: cluster, ClusterID: clusterID(cluster), Desired: seen.Desired, SecretsRotated: seen.SecretsRotated,
		ReadAfter: r.memory.lookAfter(cluster), BaseAfter: r.memory.baseAfter(cluster),
		GenerationSeenAt: r.memory.generationSince(cluster),
	}, &seen.interest)
	seen.subscribe()
}

// look takes what is known of the object's cluster, where that is no older than what
// was done to it.
func (r *Reconciler) look(ctx context.Context, cluster *v1alpha1.DatabricksCluster, seen *scene) {
	if health := seen.view.Health; health.Err != nil {
		seen.ReadFailure, seen.ReadFailingSince = failureOf(health.Err), health.Since
		seen.ReadFailureOfCluster = health.OfCluster
		r.connections.MarkRejected(userOf(cluster), seen.ReadFailure.Class)
	} else {
		r.connections.MarkAccepted(userOf(cluster))
	}
	id := clusterID(cluster)
	if id == "" {
		return
	}
	holder, err := r.holders.of(ctx, cluster, id, seen.World)
	if err != nil {
		// Whose the cluster is decides whether it may be written to.
		again := time.Now().Add(soonAgain)
		seen.Trouble = &plan.Trouble{Reason: v1alpha1.ReasonRetryingAfterError, Message: err.Error(), Again: again}
		return
	}
	seen.Holder = holder
	observed := seen.view.Cluster
	lastKnown := observed.Presence == cache.Present && seen.ReadFailure != nil
	if !cluster.DeletionTimestamp.IsZero() && !lastKnown {
		// Whose the cluster is must be known as of the deletion; while reads fail, as of
		// the last one.
		seen.interest.After = latest(seen.interest.After, r.memory.deletionSince(cluster))
	}
	if isGone(observed) {
		unseen := plan.UnseenUntil(cluster, r.options.Limits, r.memory.creationSince(cluster))
		seen.interest.After = latest(seen.interest.After, unseen)
	}
	seen.subscribe()
	if observed.Presence == cache.Unknown || !observed.StartedAt.After(seen.interest.After) {
		return
	}
	seen.Presence, seen.Details = presences[observed.Presence], observed.Cluster
}

var presences = map[cache.Presence]plan.Presence{
	cache.Present: plan.Present,
	cache.Missing: plan.Missing,
	cache.Purged:  plan.Purged,
}

// isGone reports whether a GET returned that the cluster does not exist.
func isGone(observed cache.Observation) bool {
	return observed.Presence == cache.Missing || observed.Presence == cache.Purged
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// search looks for the owner tag while a creation's end is not known, and before one
// that may not be the first.
func (r *Reconciler) search(cluster *v1alpha1.DatabricksCluster, seen *scene) {
	after := plan.ResolveAt(cluster, r.options.Limits, r.memory.creationSince(cluster))
	needed := plan.NeedsSearch(cluster, seen.Presence, r.originOf(cluster))
	if !needed || time.Now().Before(after) || seen.Owner.Key == "" {
		r.memory.searchEnded(cluster)
		seen.interest.Search = cache.Query{}
		return
	}
	seen.interest.Search = cache.Query{
		Tag: seen.Owner.Key, Value: seen.Owner.Value, After: latest(after, r.memory.searchSince(cluster)),
	}
	seen.subscribe()
	seen.Search = plan.Search{CompleteLists: seen.view.Search.CompleteLists}
	for _, match := range seen.view.Search.Matches {
		seen.Search.Matches = append(seen.Search.Matches, match.Cluster)
	}
}

// compare finds where the cluster is not as declared, or requests the GET that the
// comparison needs.
func (r *Reconciler) compare(cluster *v1alpha1.DatabricksCluster, seen *scene) {
	if seen.Presence != plan.Present || seen.Desired == nil {
		return
	}
	found, err := plan.Compare(plan.CompareInput{
		Cluster: cluster, Desired: seen.Desired, SecretsRotated: seen.SecretsRotated,
		Details: seen.Details, ReadAt: seen.view.Cluster.StartedAt,
		Spec: seen.view.Spec.JSON, SpecAt: seen.view.Spec.StartedAt,
		GenerationSeenAt: r.memory.generationSince(cluster), Judged: r.memory.judged(cluster), Last: r.memory.last(cluster),
	})
	if err != nil {
		seen.ReadFailure = &plan.Failure{Class: databricks.ClassTransient, Message: err.Error()}
		return
	}
	if !found.Compared {
		seen.interest.SpecAfter = latest(seen.interest.SpecAfter, found.SpecAfter)
		seen.subscribe()
		seen.Suspected = true
		return
	}
	r.memory.judge(cluster, found)
	seen.Compared, seen.Differences, seen.Normalized = true, found.Differences, found.Normalized
	seen.observed, seen.SpecAt, seen.SpecKnown = found.Observed, found.SpecAt, found.Observed.SpecKnown()
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
