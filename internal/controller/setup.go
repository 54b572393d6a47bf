package controller

import (
	"context"
	"fmt"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/connection"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

// Options are what the controller runs with. Zero spans mean the default.
type Options struct {
	// OperatorID tells this control plane's clusters from another's in one
	// workspace: 8 hex digits.
	OperatorID string
	// OwnerTag has every cluster carry the tag of its object.
	OwnerTag bool
	// DefaultSecret is the Secret of objects that name no connection.
	DefaultSecret string
	// Scope is what CacheOptions were made of.
	Scope Scope
	// Workspaces serves DatabricksWorkspaces; ForeignWorkspaceStatus leaves telling
	// of them to another shard.
	Workspaces, ForeignWorkspaceStatus bool
	// OperatorNamespace is where their credentials are, OperatorServiceAccount
	// whom the operator runs as there; empty where that is not known.
	OperatorNamespace, OperatorServiceAccount string
	// Usage is how often the figures of a DatabricksWorkspace may change: 1 min.
	Usage time.Duration
	// Workers is how many objects are reconciled at once: 8.
	Workers int
	Limits  plan.Limits
	// Credentials are how often Secrets are read.
	Credentials connection.Intervals
	// ConnectDeadline is how long a workspace may leave the first call with a
	// credential unanswered before its objects say so: 10 s. ConnectPause is how
	// long until it is made again after a failure: 30 s.
	ConnectDeadline, ConnectPause time.Duration
	// Coalesce is how long changes that only tell of progress may wait, to be
	// written together: 30 s.
	Coalesce time.Duration
	// Orphans is how often clusters without an object are looked for: 5 min. An
	// operator that does not see all objects, of all namespaces, cannot tell, and
	// does not look.
	Orphans           time.Duration
	SeesAllNamespaces bool
	// OnOrphans hears of every such look: how many there are, by host. nil: nobody.
	OnOrphans func(byHost map[string]int)
	// ConflictPause lets the cache catch up with a newer object: 100 ms. It doubles
	// while the cache does not.
	ConflictPause time.Duration
	// WriteBackoff is the pause after a write to the API server that failed: 10 s. It
	// doubles, up to 30 s.
	WriteBackoff time.Duration
}

// withDefaults fills what was left open.
func (o Options) withDefaults() Options {
	orDefault(&o.DefaultSecret, "databricks-credentials")
	orDefault(&o.Workers, 8)
	orDefault(&o.Usage, time.Minute)
	orDefault(&o.Limits.CreateWindow, 10*time.Second)
	orDefault(&o.Limits.RequestDeadline, 30*time.Second)
	orDefault(&o.Limits.VisibilityGrace, 30*time.Second)
	orDefault(&o.ConnectDeadline, 10*time.Second)
	orDefault(&o.ConnectPause, 30*time.Second)
	orDefault(&o.Coalesce, 30*time.Second)
	orDefault(&o.Orphans, 5*time.Minute)
	orDefault(&o.ConflictPause, 100*time.Millisecond)
	orDefault(&o.WriteBackoff, 10*time.Second)
	if o.OnOrphans == nil {
		o.OnOrphans = func(map[string]int) {}
	}
	return o
}

func orDefault[T comparable](value *T, fallback T) {
	var zero T
	if *value == zero {
		*value = fallback
	}
}

// indexClusterID finds objects by the cluster on record, indexNamedClusterID by the
// one that their specification names.
const (
	indexClusterID      = "status.clusterID"
	indexNamedClusterID = "spec.clusterID"
)

// Setup wires the controller into the manager. news carries what the registry
// hears of clusters; registry must tell it.
func Setup(mgr ctrl.Manager, registry *cache.Registry, news *EventSource, options Options) error {
	options = options.withDefaults()
	if err := mgr.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.DatabricksCluster{}, indexClusterID, byClusterID); err != nil {
		return fmt.Errorf("index clusters by id: %w", err)
	}
	if err := mgr.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.DatabricksCluster{}, indexNamedClusterID, byNamedClusterID); err != nil {
		return fmt.Errorf("index clusters by the id they name: %w", err)
	}
	news.clusters.awaited = awaitedIn(mgr.GetCache())
	attemptState, kube := newAttemptStore(), newKubeWrites(options.WriteBackoff)
	connections := connection.New(mgr.GetClient(), mgr.GetAPIReader(), mgr.GetClient().SubResource("token"), connection.Options{
		DefaultSecret:          options.DefaultSecret,
		Workspaces:             options.Workspaces,
		OperatorNamespace:      options.OperatorNamespace,
		OperatorServiceAccount: options.OperatorServiceAccount,
		Intervals:              options.Credentials,
		Enqueue:                func(user connection.User) { news.add(user.Kind, user.NamespacedName()) },
	})
	reconciler := &Reconciler{
		client:      mgr.GetClient(),
		registry:    registry,
		connections: connections,
		secrets:     secretReader{reader: mgr.GetAPIReader()},
		conflicts:   conflicts{cache: mgr.GetClient(), uncached: mgr.GetAPIReader(), scope: options.Scope},
		actor: &actor{
			client: mgr.GetClient(), uncached: mgr.GetAPIReader(), kube: kube,
			writers: registry.Writers(), attempts: attemptState, options: options,
		},
		attempts:  attemptState,
		kube:      kube,
		startedAt: time.Now(),
		recorder:  mgr.GetEventRecorder("databricks-operator"),
		options:   options,
	}
	if err := mgr.Add(registry); err != nil {
		return fmt.Errorf("add the workspaces to the manager: %w", err)
	}
	if err := mgr.Add(connections); err != nil {
		return fmt.Errorf("add the connections to the manager: %w", err)
	}
	if options.SeesAllNamespaces {
		if err := mgr.Add(newOrphans(mgr, registry, options)); err != nil {
			return fmt.Errorf("add the orphan report to the manager: %w", err)
		}
	}
	clusters := ctrl.NewControllerManagedBy(mgr).
		Named("databrickscluster").
		For(&v1alpha1.DatabricksCluster{}, builder.WithPredicates(predicate.ResourceVersionChangedPredicate{})).
		Watches(&v1alpha1.DatabricksCluster{}, awaitedFirst()).
		Watches(&v1alpha1.DatabricksCluster{}, waitingForHolder(mgr.GetClient())).
		WatchesRawSource(news.clusters.source()).
		// No warm-up: a standby's cache is filled as it is, and a queue that nobody
		// works off would bring all that changed meanwhile before what is awaited.
		WithOptions(controller.Options{MaxConcurrentReconciles: options.Workers})
	if options.Workspaces {
		if err := setupWorkspaces(mgr, registry, connections, news, options); err != nil {
			return err
		}
		clusters = clusters.Watches(&v1alpha1.DatabricksWorkspace{}, usersOf(mgr.GetClient(), news),
			builder.WithPredicates(predicate.GenerationChangedPredicate{}))
	}
	if err := clusters.Complete(reconciler); err != nil {
		return fmt.Errorf("set up the controller: %w", err)
	}
	return nil
}

func byNamedClusterID(object client.Object) []string {
	cluster, ok := object.(*v1alpha1.DatabricksCluster)
	if !ok || cluster.Spec.ClusterID == "" {
		return nil
	}
	return []string{cluster.Spec.ClusterID}
}

func byClusterID(object client.Object) []string {
	cluster, ok := object.(*v1alpha1.DatabricksCluster)
	if !ok || cluster.Status.ClusterID == "" {
		return nil
	}
	return []string{cluster.Status.ClusterID}
}
