package listed

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/controller/connector"
	"github.com/databricks-operator/databricks-operator/internal/controller/kubewrite"
	"github.com/databricks-operator/databricks-operator/internal/controller/process"
	"github.com/databricks-operator/databricks-operator/internal/controller/queue"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// Options configure the controller of one kind. All of them are required.
type Options struct {
	// OperatorID is the first part of the owner tag's value: 8 hex digits.
	OperatorID string
	// OwnerTag adds the tag of its object to what is created.
	OwnerTag bool
	// Workspaces watches DatabricksWorkspaces, to which objects may refer.
	Workspaces bool
	// Open reports whether objects may be reconciled.
	Open func() bool
	// Workers is the number of objects that are reconciled concurrently.
	Workers int
	Limits  managed.Limits
	// Coalesce is how long changes that no condition reports may wait, so that one write
	// has several of them.
	Coalesce time.Duration
	// ConflictPause is the first retry interval of an object whose newest version the
	// cache does not have yet.
	ConflictPause time.Duration
	// WriteBackoff is the first backoff after a failed write to the API server.
	WriteBackoff time.Duration
}

// Setup adds the controller of a kind to the manager. feed enqueues the objects whose data
// outside Kubernetes changed.
func Setup(mgr ctrl.Manager, kind *managed.Kind, connect *connector.Connector, feed *queue.Feed, options Options) error {
	err := mgr.GetFieldIndexer().IndexField(context.Background(), kind.New(), indexRemoteID, func(object client.Object) []string {
		if id := kind.View(object).CurrentID(); id != "" {
			return []string{id}
		}
		return []string{unbound}
	})
	if err != nil {
		return fmt.Errorf("index objects of kind %s: %w", kind.Name, err)
	}
	r := newReconciler(mgr, kind, connect, options)
	feed.IsAwaited = r.isAwaited
	objects := ctrl.NewControllerManagedBy(mgr).
		Named(strings.ToLower(kind.Name)).
		For(kind.New(), builder.WithPredicates(predicate.ResourceVersionChangedPredicate{})).
		Watches(kind.New(), r.enqueueAwaitedFirst()).
		Watches(kind.New(), r.enqueueWaitingForHolder()).
		WatchesRawSource(feed.Source()).
		WithOptions(controller.Options{MaxConcurrentReconciles: options.Workers})
	if options.Workspaces {
		objects = objects.Watches(&v1alpha1.DatabricksWorkspace{}, r.enqueueReferring(feed),
			builder.WithPredicates(predicate.GenerationChangedPredicate{}))
	}
	if err := objects.Complete(queue.Gated(r, options.Open)); err != nil {
		return fmt.Errorf("set up the controller of kind %s: %w", kind.Name, err)
	}
	return nil
}

func newReconciler(mgr ctrl.Manager, kind *managed.Kind, connect *connector.Connector, options Options) *Reconciler {
	known, kube := process.NewStore[managed.Attempts](), kubewrite.New(options.WriteBackoff)
	return &Reconciler{
		kind: kind, client: mgr.GetClient(), connector: connect,
		holders: holders{kind: kind, reader: mgr.GetClient()},
		actor: &actor{
			kind: kind, client: mgr.GetClient(), uncached: mgr.GetAPIReader(), kube: kube,
			writers: connect.Registry.Writers(), attempts: known, options: options,
		},
		attempts: known,
		kube:     kube,
		recorder: mgr.GetEventRecorder("databricks-operator"),
		options:  options,
	}
}

// isAwaited reports whether a user waits for the result of the object of a name: it was
// created or edited and not evaluated since, or it is being deleted.
func (r *Reconciler) isAwaited(key types.NamespacedName) bool {
	resource := r.kind.New()
	// The object is shared with the cache and only read.
	err := r.client.Get(context.Background(), key, resource, client.UnsafeDisableDeepCopy)
	return err == nil && isAwaited(r.kind.View(resource))
}

func isAwaited(object managed.Object) bool {
	return object.GetGeneration() != object.Status.ObservedGeneration || object.IsDeleting()
}

// enqueueAwaitedFirst enqueues the awaited objects before the other objects that a new
// process or a new leader finds.
func (r *Reconciler) enqueueAwaitedFirst() handler.EventHandler {
	return handler.Funcs{CreateFunc: func(_ context.Context, e event.CreateEvent, to queue.Queue) {
		if isAwaited(r.kind.View(e.Object)) {
			queue.Add(to, client.ObjectKeyFromObject(e.Object), queue.PriorityAwaited)
		}
	}}
}

// enqueueWaitingForHolder enqueues the objects that may wait for a remote object when the
// object that holds it is deleted, loses its finalizer, has another one, or only observes
// from now on: those that name it, and those that have none yet and may wait for its name.
func (r *Reconciler) enqueueWaitingForHolder() handler.EventHandler {
	released := func(ctx context.Context, holder managed.Object, to queue.Queue) {
		if *holder.ID == "" {
			return
		}
		for _, index := range []string{*holder.ID, unbound} {
			waiting, err := r.holders.with(ctx, index)
			if err != nil {
				log.FromContext(ctx).Info("the objects that wait for another one could not be listed", "id", *holder.ID, "error", err.Error())
				continue
			}
			for _, object := range waiting {
				if object.GetUID() != holder.GetUID() {
					queue.Add(to, client.ObjectKeyFromObject(object), queue.PriorityAwaited)
				}
			}
		}
	}
	return handler.Funcs{
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, to queue.Queue) {
			released(ctx, r.kind.View(e.Object), to)
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, to queue.Queue) {
			before, after := r.kind.View(e.ObjectOld), r.kind.View(e.ObjectNew)
			if before.Holds(r.kind) && (before.GetUID() != after.GetUID() || *before.ID != *after.ID || !after.Holds(r.kind)) {
				released(ctx, before, to)
			}
		},
	}
}

// enqueueReferring enqueues the objects that refer to a DatabricksWorkspace which was
// created, changed or deleted. A DatabricksWorkspace that a new process finds enqueues none.
func (r *Reconciler) enqueueReferring(feed *queue.Feed) handler.EventHandler {
	enqueue := func(ctx context.Context, workspace string) {
		objects, err := r.holders.all(ctx)
		if err != nil {
			log.FromContext(ctx).Info("the objects of a workspace could not be enqueued", "workspace", workspace, "error", err.Error())
			return
		}
		for _, object := range objects {
			if connection := object.Spec.Connection; connection != nil && connection.WorkspaceRef != nil && connection.WorkspaceRef.Name == workspace {
				feed.Add(client.ObjectKeyFromObject(object))
			}
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, _ queue.Queue) {
			if !e.IsInInitialList {
				enqueue(ctx, e.Object.GetName())
			}
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, _ queue.Queue) { enqueue(ctx, e.ObjectNew.GetName()) },
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, _ queue.Queue) { enqueue(ctx, e.Object.GetName()) },
	}
}
