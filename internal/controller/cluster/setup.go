package cluster

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
	"github.com/databricks-operator/databricks-operator/internal/controller/connector"
	"github.com/databricks-operator/databricks-operator/internal/controller/kubewrite"
	"github.com/databricks-operator/databricks-operator/internal/controller/queue"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

// Options configure the controller. All of them are required.
type Options struct {
	// OperatorID is the first part of the owner tag's value: 8 hex digits.
	OperatorID string
	// OwnerTag adds the tag of its object to every created cluster.
	OwnerTag bool
	// Adoption is how clusters are adopted by the names of objects.
	Adoption plan.Adoption
	// Workspaces watches DatabricksWorkspaces, to which objects may refer.
	Workspaces bool
	// Referents are the kinds of the objects that policyRef, instancePoolRef and
	// driverInstancePoolRef name.
	Referents []*managed.Kind
	// Namespaces are the namespaces of the objects; empty for all. SharesNamespaces
	// reports that other operators may work in the same namespaces.
	Namespaces       []string
	SharesNamespaces bool
	// Open reports whether objects may be reconciled.
	Open func() bool
	// Workers is the number of objects that are reconciled concurrently.
	Workers int
	Limits  plan.Limits
	// Coalesce is how long changes that only report progress may wait, so that one write
	// has several of them.
	Coalesce time.Duration
	// Orphans is how often the operator searches for clusters without an object, if
	// SeesAllNamespaces is set. OnOrphans is called after every search with the number of
	// such clusters by host.
	Orphans           time.Duration
	SeesAllNamespaces bool
	OnOrphans         func(byHost map[string]int)
	// UnusedConnections keeps the connections that no object uses any more across restarts;
	// nil if they are not kept.
	UnusedConnections ConnectionStore
	// ConflictPause is the first retry interval of an object whose newest version the
	// cache does not have yet.
	ConflictPause time.Duration
	// WriteBackoff is the first backoff after a failed write to the API server.
	WriteBackoff time.Duration
}

// indexClusterID is the index of objects by the cluster in their status, and
// indexNamedClusterID by the one in their specification.
const (
	indexClusterID      = "status.clusterID"
	indexNamedClusterID = "spec.clusterID"
)

// Setup adds the controller of DatabricksClusters to the manager. feed enqueues the
// objects whose data outside Kubernetes changed.
func Setup(mgr ctrl.Manager, connect *connector.Connector, feed *queue.Feed, options Options) error {
	if err := addIndexes(mgr.GetFieldIndexer()); err != nil {
		return err
	}
	if options.SeesAllNamespaces {
		if err := mgr.Add(newOrphans(mgr, connect, options)); err != nil {
			return fmt.Errorf("add the orphan report to the manager: %w", err)
		}
	}
	feed.IsAwaited = awaitedIn(mgr.GetCache())
	clusters := ctrl.NewControllerManagedBy(mgr).
		Named("databrickscluster").
		For(&v1alpha1.DatabricksCluster{}, builder.WithPredicates(predicate.ResourceVersionChangedPredicate{})).
		Watches(&v1alpha1.DatabricksCluster{}, enqueueAwaitedFirst()).
		Watches(&v1alpha1.DatabricksCluster{}, enqueueWaitingForHolder(mgr.GetClient())).
		WatchesRawSource(feed.Source()).
		// No warm-up: the cache of a standby is filled anyway, and its queue would hold
		// everything that changed before the objects that a user waits for.
		WithOptions(controller.Options{MaxConcurrentReconciles: options.Workers})
	if options.Workspaces {
		clusters = clusters.Watches(&v1alpha1.DatabricksWorkspace{}, enqueueReferring(mgr.GetClient(), feed),
			builder.WithPredicates(predicate.GenerationChangedPredicate{}))
	}
	for _, kind := range options.Referents {
		clusters = clusters.Watches(kind.New(), enqueueReferringTo(kind, mgr.GetClient(), feed))
	}
	if err := clusters.Complete(queue.Gated(newReconciler(mgr, connect, options), options.Open)); err != nil {
		return fmt.Errorf("set up the controller of clusters: %w", err)
	}
	return nil
}

func newReconciler(mgr ctrl.Manager, connect *connector.Connector, options Options) *Reconciler {
	attempts, kube := newAttemptStore(), kubewrite.New(options.WriteBackoff)
	return &Reconciler{
		client:    mgr.GetClient(),
		connector: connect,
		secrets:   secretReader{reader: mgr.GetAPIReader()},
		conflicts: conflicts{
			cache: mgr.GetClient(), uncached: mgr.GetAPIReader(), namespaces: options.Namespaces, sharesNamespaces: options.SharesNamespaces,
		},
		referents: referents{reader: mgr.GetClient(), kinds: options.Referents},
		actor: &actor{
			client: mgr.GetClient(), uncached: mgr.GetAPIReader(), kube: kube,
			writers: connect.Registry.Writers(), attempts: attempts, options: options,
		},
		attempts: attempts,
		kube:     kube,
		memory:   newMemory(time.Now()),
		recorder: mgr.GetEventRecorder("databricks-operator"),
		options:  options,
	}
}

func addIndexes(indexer client.FieldIndexer) error {
	for name, value := range map[string]func(*v1alpha1.DatabricksCluster) string{
		indexClusterID:      func(cluster *v1alpha1.DatabricksCluster) string { return cluster.Status.ClusterID },
		indexNamedClusterID: func(cluster *v1alpha1.DatabricksCluster) string { return cluster.Spec.ClusterID },
	} {
		err := indexer.IndexField(context.Background(), &v1alpha1.DatabricksCluster{}, name, func(object client.Object) []string {
			cluster, ok := object.(*v1alpha1.DatabricksCluster)
			if !ok || value(cluster) == "" {
				return nil
			}
			return []string{value(cluster)}
		})
		if err != nil {
			return fmt.Errorf("index clusters by %s: %w", name, err)
		}
	}
	if err := indexer.IndexField(context.Background(), &v1alpha1.DatabricksCluster{}, indexReference, referencesIn); err != nil {
		return fmt.Errorf("index clusters by %s: %w", indexReference, err)
	}
	return nil
}
