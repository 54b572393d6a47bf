package cluster

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/plan"
	"github.com/databricks-operator/databricks-operator/internal/specsize"
)

// observation is the facts, and the workspace they are about, for the actor.
type observation struct {
	plan.Observation
	// workspace is nil where there is none to call.
	workspace *cache.Workspace
	// unansweredUntil is how long the workspace is given for its first answer; zero:
	// it has answered, or took too long.
	unansweredUntil time.Time
	// interest is what the object needs to know, and view what is known of it.
	interest cache.Interest
	view     cache.View
	// base is the cluster with the spec that it was compared with: the base of a
	// change.
	base drift.Observed
	// output is the object's own ConfigMap; nil: it has none yet.
	output *corev1.ConfigMap
}

// subscribe states what the object needs to know by now, and takes what is known.
func (o *observation) subscribe() { o.view = o.workspace.Subscribe(o.interest) }

// observe gathers the facts about an object. It calls no workspace; what is not
// known yet is requested of the cache.
func (r *Reconciler) observe(ctx context.Context, cluster *v1alpha1.DatabricksCluster) observation {
	observed := observation{Observation: plan.Observation{Owner: r.ownerTag(cluster)}}
	if !plan.NeedsWorkspace(cluster) {
		return observed
	}
	r.connect(ctx, cluster, &observed)
	if observed.workspace == nil {
		return observed
	}
	r.declare(ctx, cluster, &observed)
	r.need(cluster, &observed)
	r.look(ctx, cluster, &observed)
	r.search(cluster, &observed)
	r.compare(cluster, &observed)
	r.lookUp(cluster, &observed)
	r.output(ctx, cluster, &observed)
	r.attempts.keepInterest(cluster, observed.interest)
	return observed
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
func (r *Reconciler) declare(ctx context.Context, cluster *v1alpha1.DatabricksCluster, observed *observation) {
	if !cluster.DeletionTimestamp.IsZero() {
		return
	}
	if message, oversized := specsize.Excess(cluster); oversized {
		// What was dropped from the cached copy must not read like a change.
		observed.Blocked = &plan.Blocked{Reason: v1alpha1.ReasonInvalidSpec, Message: message, Stalled: true}
		return
	}
	secrets, trouble := r.secrets.resolve(ctx, cluster)
	if trouble != nil {
		observed.Blocked = trouble
		return
	}
	desired, err := drift.Desired(&cluster.Spec.ClusterSpec, secrets)
	if err != nil {
		observed.Blocked = &plan.Blocked{Reason: v1alpha1.ReasonInvalidSpec, Message: err.Error(), Stalled: true}
		return
	}
	observed.Desired = desired
	observed.SecretsDigest = r.attempts.secretsDigest(cluster, secrets, desired)
	observed.SecretsRotated = plan.SecretsRotated(cluster, observed.SecretsDigest, r.attempts.of(cluster).Last)
}

// soonAgain is when the API server is asked again for what it did not answer.
const soonAgain = 5 * time.Second

// need states what the next decision needs to know of the cluster. What else the last
// pass needed stays needed until this one has found otherwise.
func (r *Reconciler) need(cluster *v1alpha1.DatabricksCluster, observed *observation) {
	observed.interest = r.attempts.interest(cluster)
	plan.Needs(r.needs(cluster, observed), &observed.interest)
	observed.subscribe()
}

func (r *Reconciler) needs(cluster *v1alpha1.DatabricksCluster, observed *observation) plan.NeedsInput {
	return plan.NeedsInput{
		Cluster: cluster, ClusterID: clusterID(cluster), Attempts: r.attempts.of(cluster),
		Desired: observed.Desired, SecretsRotated: observed.SecretsRotated,
	}
}

// look takes what is known of the object's cluster, where that is no older than what
// was done to it.
func (r *Reconciler) look(ctx context.Context, cluster *v1alpha1.DatabricksCluster, observed *observation) {
	health := observed.view.Health
	observed.ReadFailure = r.connector.MarkHealth(identityOf(cluster), health)
	if observed.ReadFailure != nil {
		observed.ReadFailingSince, observed.ReadFailureOfCluster = health.Since, health.OfCluster
	}
	id := clusterID(cluster)
	if id == "" {
		return
	}
	holder, err := r.conflicts.of(ctx, cluster, id, workspacePlace{observed.Host, observed.WorkspaceID})
	if err != nil {
		// Whose the cluster is decides whether it may be written to.
		again := time.Now().Add(soonAgain)
		observed.Blocked = &plan.Blocked{Reason: v1alpha1.ReasonRetryingAfterError, Message: err.Error(), RequeueAt: again}
		return
	}
	observed.ManagedBy = holder
	read := observed.view.Cluster
	observed.interest.After = plan.ReadAfter(r.needs(cluster, observed), read, observed.ReadFailure, r.options.Limits)
	observed.subscribe()
	if read.Presence == cache.Unknown || !read.StartedAt.After(observed.interest.After) {
		return
	}
	observed.Presence, observed.Details = presences[read.Presence], read.Cluster
}

var presences = map[cache.Presence]plan.Presence{
	cache.Present: plan.Present,
	cache.Missing: plan.Missing,
	cache.Purged:  plan.Purged,
}

// search takes what complete lists have of the owner tag, where it is searched for.
func (r *Reconciler) search(cluster *v1alpha1.DatabricksCluster, observed *observation) {
	in := plan.SearchInput{
		Cluster: cluster, Presence: observed.Presence, Origin: r.originOf(cluster), Owner: observed.Owner,
		Attempts: r.attempts.of(cluster), Limits: r.options.Limits, Now: time.Now(),
	}
	need := plan.NeedsSearchNow(in)
	in.Attempts = in.Attempts.WithSearch(need, in.Now)
	r.attempts.set(cluster, in.Attempts)
	if need == plan.NoSearch {
		observed.interest.Search = cache.Query{}
		return
	}
	observed.interest.Search = plan.SearchQuery(in)
	observed.subscribe()
	observed.Search = plan.Search{CompleteLists: observed.view.Search.CompleteLists}
	for _, match := range observed.view.Search.Matches {
		observed.Search.Matches = append(observed.Search.Matches, match.Cluster)
	}
}

// compare finds where the cluster is not as declared, or requests the GET that the
// comparison needs.
func (r *Reconciler) compare(cluster *v1alpha1.DatabricksCluster, observed *observation) {
	if observed.Presence != plan.Present || observed.Desired == nil {
		return
	}
	attempts := r.attempts.of(cluster)
	found, err := plan.Compare(plan.CompareInput{
		Cluster: cluster, Desired: observed.Desired, SecretsRotated: observed.SecretsRotated,
		Details: observed.Details, ReadAt: observed.view.Cluster.StartedAt,
		Spec: observed.view.Spec.JSON, SpecAt: observed.view.Spec.StartedAt, Attempts: attempts,
	})
	if err != nil {
		observed.ReadFailure = plan.FailureOf(err)
		return
	}
	if !found.Complete {
		observed.interest.SpecAfter = latest(observed.interest.SpecAfter, found.SpecAfter)
		observed.subscribe()
		observed.UnconfirmedDiff = true
		return
	}
	r.attempts.set(cluster, attempts.WithComparison(found))
	observed.Compared, observed.Differences, observed.Normalized = true, found.Differences, found.Normalized
	observed.base, observed.SpecAt, observed.SpecKnown = found.Observed, found.SpecAt, found.Observed.SpecKnown()
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// clusterID is the object's cluster: the one on record, else the one it names.
func clusterID(cluster *v1alpha1.DatabricksCluster) string {
	if cluster.Status.ClusterID != "" {
		return cluster.Status.ClusterID
	}
	return cluster.Spec.ClusterID
}
