package workspace

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/controller/connector"
	"github.com/databricks-operator/databricks-operator/internal/controller/queue"
)

// Options configure the controller.
type Options struct {
	// Open reports whether objects may be reconciled.
	Open func() bool
	// UsageInterval is the interval of the usage samples, and the shortest time between
	// two writes that only change the usage.
	UsageInterval time.Duration
	// ConflictPause is the first retry interval after a conflict; it doubles.
	ConflictPause time.Duration
}

// Setup adds the controller of DatabricksWorkspaces to the manager. feed enqueues the
// DatabricksWorkspaces whose data outside Kubernetes changed.
func Setup(mgr ctrl.Manager, connect *connector.Connector, feed *queue.Feed, options Options) error {
	usage := newUsageSampler(mgr, connect.Registry, feed.Add, options.UsageInterval)
	if err := mgr.Add(usage); err != nil {
		return fmt.Errorf("add the usage sampler to the manager: %w", err)
	}
	reconciler := &Reconciler{
		client: mgr.GetClient(), connector: connect, usage: usage, options: options,
		usageWrittenAt: map[types.NamespacedName]time.Time{},
		conflicts:      map[types.NamespacedName]int{},
	}
	err := ctrl.NewControllerManagedBy(mgr).
		Named("databricksworkspace").
		For(&v1alpha1.DatabricksWorkspace{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.DatabricksCluster{}, enqueueReferredWorkspaces()).
		WatchesRawSource(feed.Source()).
		Complete(queue.Gated(reconciler, options.Open))
	if err != nil {
		return fmt.Errorf("set up the controller of workspaces: %w", err)
	}
	return nil
}

// enqueueReferredWorkspaces enqueues the DatabricksWorkspaces whose number of clusters
// changes.
func enqueueReferredWorkspaces() handler.EventHandler {
	add := func(to queue.Queue, objects ...client.Object) {
		for _, object := range objects {
			if name := connector.WorkspaceRef(object); name != "" {
				to.Add(reconcile.Request{NamespacedName: types.NamespacedName{Name: name}})
			}
		}
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, to queue.Queue) { add(to, e.Object) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, to queue.Queue) { add(to, e.Object) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, to queue.Queue) {
			if connector.WorkspaceRef(e.ObjectOld) != connector.WorkspaceRef(e.ObjectNew) {
				add(to, e.ObjectOld, e.ObjectNew)
			}
		},
	}
}
