package controller

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/plan"
	"github.com/databricks-operator/databricks-operator/internal/workspace"
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
	// Workers is how many objects are reconciled at once: 8.
	Workers int
	Limits  plan.Limits
	// Credentials says how soon a changed Secret is noticed.
	Credentials CredentialOptions
	// ConnectDeadline bounds the first call with a credential: 10 s.
	// ConnectPause is how long until it is made again after a failure: 30 s.
	ConnectDeadline, ConnectPause time.Duration
	// Coalesce is how long changes that only tell of progress may wait, to be
	// written together: 30 s.
	Coalesce time.Duration
	// ConflictPause lets the cache catch up with a newer object: 100 ms.
	ConflictPause time.Duration
}

// withDefaults fills what was left open.
func (o Options) withDefaults() Options {
	orDefault(&o.DefaultSecret, "databricks-credentials")
	orDefault(&o.Workers, 8)
	orDefault(&o.Limits.CreateWindow, 10*time.Second)
	orDefault(&o.Limits.RequestDeadline, 30*time.Second)
	orDefault(&o.Limits.VisibilityGrace, 30*time.Second)
	orDefault(&o.Credentials.Good, 4*time.Minute)
	orDefault(&o.Credentials.Bad, 15*time.Second)
	orDefault(&o.Credentials.Patience, 5*time.Minute)
	orDefault(&o.ConnectDeadline, 10*time.Second)
	orDefault(&o.ConnectPause, 30*time.Second)
	orDefault(&o.Coalesce, 30*time.Second)
	orDefault(&o.ConflictPause, 100*time.Millisecond)
	return o
}

func orDefault[T comparable](value *T, fallback T) {
	var zero T
	if *value == zero {
		*value = fallback
	}
}

// indexClusterID finds objects by the cluster on record.
const indexClusterID = "status.clusterID"

// Setup wires the controller into the manager. news carries what the registry
// hears of clusters; registry must tell it.
func Setup(mgr ctrl.Manager, registry *workspace.Registry, news *News, options Options) error {
	options = options.withDefaults()
	if err := mgr.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.DatabricksCluster{}, indexClusterID, byClusterID); err != nil {
		return fmt.Errorf("index clusters by id: %w", err)
	}
	remembered := newMemory()
	reconciler := &Reconciler{
		client:      mgr.GetClient(),
		registry:    registry,
		credentials: newCredentials(mgr.GetAPIReader(), news.add, options.Credentials),
		secrets:     secretReader{reader: mgr.GetAPIReader()},
		actor:       &actor{client: mgr.GetClient(), writers: registry.Writers(), memory: remembered, options: options},
		memory:      remembered,
		recorder:    mgr.GetEventRecorder("databricks-operator"),
		options:     options,
	}
	if err := mgr.Add(registry); err != nil {
		return fmt.Errorf("add the workspaces to the manager: %w", err)
	}
	if err := mgr.Add(reconciler.credentials); err != nil {
		return fmt.Errorf("add the credentials to the manager: %w", err)
	}
	err := ctrl.NewControllerManagedBy(mgr).
		Named("databrickscluster").
		For(&v1alpha1.DatabricksCluster{}, builder.WithPredicates(predicate.ResourceVersionChangedPredicate{})).
		WatchesRawSource(news.source()).
		WithOptions(controller.Options{MaxConcurrentReconciles: options.Workers}).
		Complete(reconciler)
	if err != nil {
		return fmt.Errorf("set up the controller: %w", err)
	}
	return nil
}

func byClusterID(object client.Object) []string {
	cluster, ok := object.(*v1alpha1.DatabricksCluster)
	if !ok || cluster.Status.ClusterID == "" {
		return nil
	}
	return []string{cluster.Status.ClusterID}
}

// News brings objects back to the queue when something outside Kubernetes
// changed. What is told before the queue exists is kept for it.
type News struct {
	mu    sync.Mutex
	queue workqueue.TypedRateLimitingInterface[reconcile.Request]
	early []types.NamespacedName
}

// Changed is told the objects whose clusters have news.
func (n *News) Changed(objects []workspace.Object) {
	for _, object := range objects {
		n.add(keyOf(object))
	}
}

func (n *News) add(key types.NamespacedName) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.queue == nil {
		n.early = append(n.early, key)
		return
	}
	n.queue.Add(reconcile.Request{NamespacedName: key})
}

func (n *News) source() source.Source {
	return source.Func(func(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.queue = queue
		for _, key := range n.early {
			queue.Add(reconcile.Request{NamespacedName: key})
		}
		n.early = nil
		return nil
	})
}
