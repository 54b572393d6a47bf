package cluster

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/owner"
	"github.com/databricks-operator/databricks-operator/internal/plan"
	"github.com/databricks-operator/databricks-operator/internal/specsize"
	"github.com/databricks-operator/databricks-operator/internal/tenancy"
)

// observation has the observed facts, and the workspace that they are about.
type observation struct {
	plan.Observation
	// workspace is nil if no call may be made.
	workspace *cache.Workspace
	// unansweredUntil is the deadline of the first answer; zero if none is awaited.
	unansweredUntil time.Time
	// interest is the data that the object needs, and view the cached data for it.
	// subscribed reports whether there is a view.
	interest   cache.Interest
	view       cache.View
	subscribed bool
	// base is the cluster with the spec that it was compared with. It is the base of an
	// update.
	base drift.Observed
	// spec is the specification with the ids that its names, references and selectors
	// stand for.
	spec *v1alpha1.DatabricksClusterSpec
	// rules is the DatabricksWorkspace of the object; nil if it has none.
	rules *v1alpha1.DatabricksWorkspace
	// output is the object's own ConfigMap; nil if it does not exist.
	output *corev1.ConfigMap
	// outdated reports that a read of the cluster arrived after facts were taken from an
	// earlier view. The cache does not notify an object of a read that it has returned, so
	// the object must be reconciled again.
	outdated bool
}

// subscribe updates the interest of the object and its view.
func (o *observation) subscribe() {
	before := o.view
	o.view = o.workspace.Subscribe(o.interest)
	if o.subscribed && !sameReads(before, o.view) {
		o.outdated = true
	}
	o.subscribed = true
}

// sameReads reports whether two views have the same reads of the cluster.
func sameReads(a, b cache.View) bool {
	return a.Cluster.StartedAt.Equal(b.Cluster.StartedAt) && a.Spec.StartedAt.Equal(b.Spec.StartedAt) && a.Spec.Omitted == b.Spec.Omitted
}

// observe returns the facts about an object. It calls no workspace; data that is missing
// is requested from the cache.
func (r *Reconciler) observe(ctx context.Context, cluster *v1alpha1.DatabricksCluster) observation {
	observed := observation{Observation: plan.Observation{Owner: r.ownerTag(cluster)}}
	if !plan.NeedsWorkspace(cluster) {
		return observed
	}
	r.connect(ctx, cluster, &observed)
	if observed.workspace == nil {
		return observed
	}
	observed.interest = r.attempts.interest(cluster)
	r.resolve(ctx, cluster, &observed)
	r.declare(ctx, cluster, &observed)
	r.need(cluster, &observed)
	r.observeCluster(ctx, cluster, &observed)
	r.search(cluster, &observed)
	r.compare(cluster, &observed)
	r.lookUp(cluster, &observed)
	r.output(ctx, cluster, &observed)
	r.attempts.keepInterest(cluster, observed.interest)
	return observed
}

// ownerTag returns the custom tag of the clusters that are created for an object. Its
// key is empty if the operator adds no tags.
func (r *Reconciler) ownerTag(cluster *v1alpha1.DatabricksCluster) drift.Tag {
	own := drift.Tag{Value: owner.Of(r.options.OperatorID, string(cluster.UID), cluster.Namespace, cluster.Name).Tag()}
	if r.options.OwnerTag {
		own.Key = v1alpha1.OwnerTagKey
	}
	return own
}

// originOf returns whether an object is older than what this process remembers. Creation
// times are in whole seconds.
func (r *Reconciler) originOf(cluster *v1alpha1.DatabricksCluster) plan.Origin {
	if cluster.CreationTimestamp.Time.Before(r.memory.begin().Truncate(time.Second)) {
		return plan.OlderThanProcess
	}
	return plan.CreatedSinceStart
}

// declare observes the specification, in the form of the Clusters API.
func (r *Reconciler) declare(ctx context.Context, cluster *v1alpha1.DatabricksCluster, observed *observation) {
	if !cluster.DeletionTimestamp.IsZero() {
		return
	}
	if message, oversized := specsize.Excess(cluster); oversized {
		// The cached copy lacks the large fields, which must not count as a change.
		observed.Blocked = &managed.Blocked{Reason: v1alpha1.ReasonInvalidSpec, Message: message, Stalled: true}
		return
	}
	if observed.Blocked != nil || !observed.unansweredUntil.IsZero() {
		return // a name, a reference or a selector is not resolved
	}
	if blocked := refusedBy(observed.rules, cluster, observed.spec); blocked != nil {
		observed.Blocked = blocked
		return
	}
	if err := plan.CheckHours(cluster); err != nil {
		observed.Blocked = &managed.Blocked{Reason: v1alpha1.ReasonInvalidSpec, Message: err.Error(), Stalled: true}
		return
	}
	secrets, blocked := r.secrets.resolve(ctx, cluster)
	if blocked != nil {
		observed.Blocked = blocked
		return
	}
	desired, err := drift.Desired(&observed.spec.ClusterSpec, secrets)
	if err != nil {
		observed.Blocked = &managed.Blocked{Reason: v1alpha1.ReasonInvalidSpec, Message: err.Error(), Stalled: true}
		return
	}
	observed.Desired = desired
	observed.SecretsDigest = r.attempts.secretsDigest(cluster, secrets, desired)
	observed.SecretsRotated = plan.SecretsRotated(cluster, observed.SecretsDigest, r.attempts.of(cluster).Last)
}

// refusedBy returns why the DatabricksWorkspace of an object does not permit its
// specification; nil if it does. An observing object writes nothing, so its specification
// may be any.
func refusedBy(rules *v1alpha1.DatabricksWorkspace, cluster *v1alpha1.DatabricksCluster, spec *v1alpha1.DatabricksClusterSpec) *managed.Blocked {
	if rules == nil || cluster.Spec.ManagementPolicy == v1alpha1.ManagementPolicyObserve {
		return nil
	}
	message, err := tenancy.Violation(rules.Name, &rules.Spec, spec)
	switch {
	case err != nil:
		return &managed.Blocked{Reason: v1alpha1.ReasonInvalidSpec, Message: err.Error(), Stalled: true}
	case message != "":
		return &managed.Blocked{Reason: v1alpha1.ReasonPolicyViolation, Message: message, Stalled: true}
	default:
		return nil
	}
}

// kubeReadRetryInterval is the retry interval of a failed read from the Kubernetes API.
const kubeReadRetryInterval = 5 * time.Second

// need requests the data of the cluster that the next decision needs.
func (r *Reconciler) need(cluster *v1alpha1.DatabricksCluster, observed *observation) {
	plan.Needs(r.needs(cluster, observed), &observed.interest)
	observed.subscribe()
}

func (r *Reconciler) needs(cluster *v1alpha1.DatabricksCluster, observed *observation) plan.NeedsInput {
	return plan.NeedsInput{
		Cluster: cluster, ClusterID: clusterID(cluster), Attempts: r.attempts.of(cluster),
		Desired: observed.Desired, SecretsRotated: observed.SecretsRotated, Now: time.Now(),
	}
}

// observeCluster observes the object's cluster, if the newest read of it began after the
// last own write.
func (r *Reconciler) observeCluster(ctx context.Context, cluster *v1alpha1.DatabricksCluster, observed *observation) {
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
		// The cluster may not be written to without knowing which object manages it.
		retryAt := time.Now().Add(kubeReadRetryInterval)
		observed.Blocked = &managed.Blocked{Reason: v1alpha1.ReasonRetryingAfterError, Message: err.Error(), RequeueAt: retryAt}
		return
	}
	observed.ManagedBy = holder
	read := observed.view.Cluster
	observed.interest.After = plan.ReadAfter(r.needs(cluster, observed), read, observed.ReadFailure, r.options.Limits)
	observed.subscribe()
	if read.Presence == cache.Unknown || !read.StartedAt.After(observed.interest.After) {
		return
	}
	observed.Presence, observed.Details, observed.ReadAt = presences[read.Presence], read.Cluster, read.StartedAt
}

var presences = map[cache.Presence]managed.Presence{
	cache.Present: managed.Present,
	cache.Missing: managed.Missing,
	cache.Purged:  managed.Purged,
}

// search observes the clusters with the owner tag in complete lists, if a decision needs
// them.
func (r *Reconciler) search(cluster *v1alpha1.DatabricksCluster, observed *observation) {
	in := plan.SearchInput{
		Cluster: cluster, Presence: observed.Presence, Origin: r.originOf(cluster), Owner: observed.Owner, Adoption: r.options.Adoption,
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

// compare compares the cluster with its specification, or requests the GET that the
// comparison needs.
func (r *Reconciler) compare(cluster *v1alpha1.DatabricksCluster, observed *observation) {
	if observed.Presence != managed.Present || observed.Desired == nil {
		return
	}
	attempts := r.attempts.of(cluster)
	found, err := plan.Compare(plan.CompareInput{
		Cluster: cluster, Desired: observed.Desired, SecretsRotated: observed.SecretsRotated,
		Details: observed.Details, ReadAt: observed.view.Cluster.StartedAt,
		Spec: observed.view.Spec.JSON, SpecAt: observed.view.Spec.StartedAt, Attempts: attempts,
	})
	if err != nil {
		observed.ReadFailure = managed.FailureOf(err)
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

// latest returns the later one of two times.
func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// clusterID returns the cluster in the object's status, or else in its specification.
func clusterID(cluster *v1alpha1.DatabricksCluster) string {
	if cluster.Status.ClusterID != "" {
		return cluster.Status.ClusterID
	}
	return cluster.Spec.ClusterID
}
