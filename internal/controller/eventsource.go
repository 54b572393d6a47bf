package controller

import (
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
)

// Objects are brought back in the order of these, and within each as they came:
// what a person waits for, then what a workspace told, then what a new process
// finds there (handler.LowPriority).
const (
	priorityAwaited = 0
	priorityChanged = handler.LowPriority / 2
)

// EventSource brings objects back to their queue when something outside Kubernetes
// changed.
type EventSource struct{ clusters, workspaces queueFeed }

// Changed is told the objects whose clusters have news.
func (n *EventSource) Changed(objects []cache.Object) {
	for _, object := range objects {
		n.add(object.Kind, types.NamespacedName{Namespace: object.Namespace, Name: object.Name})
	}
}

func (n *EventSource) add(kind string, key types.NamespacedName) {
	switch kind {
	case v1alpha1.ClusterKind:
		n.clusters.add(key)
	case v1alpha1.WorkspaceKind:
		n.workspaces.add(key)
	}
}

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// queueFeed leads to one queue. What is told before the queue exists is kept for it.
type queueFeed struct {
	// awaited tells that a person waits for what becomes of an object; nil: never.
	awaited func(types.NamespacedName) bool

	mu    sync.Mutex
	queue queue
	early []types.NamespacedName
}

func (i *queueFeed) add(key types.NamespacedName) {
	i.mu.Lock()
	to := i.queue
	if to == nil {
		i.early = append(i.early, key)
	}
	i.mu.Unlock()
	if to != nil {
		i.enqueue(to, key)
	}
}

func (i *queueFeed) enqueue(to queue, key types.NamespacedName) {
	priority := priorityChanged
	if i.awaited != nil && i.awaited(key) {
		priority = priorityAwaited
	}
	enqueue(to, key, priority)
}

func enqueue(to queue, key types.NamespacedName, priority int) {
	request := reconcile.Request{NamespacedName: key}
	if ordered, ok := to.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
		ordered.AddWithOpts(priorityqueue.AddOpts{Priority: &priority}, request)
		return
	}
	to.Add(request)
}

func (i *queueFeed) source() source.Source {
	return source.Func(func(_ context.Context, to queue) error {
		i.mu.Lock()
		early := i.early
		i.queue, i.early = to, nil
		i.mu.Unlock()
		for _, key := range early {
			i.enqueue(to, key)
		}
		return nil
	})
}

// isAwaited tells that a person waits for what becomes of an object: it was made
// or edited and not evaluated since, or is to go.
func isAwaited(cluster *v1alpha1.DatabricksCluster) bool {
	return cluster.Generation != cluster.Status.ObservedGeneration || !cluster.DeletionTimestamp.IsZero()
}

// awaitedIn looks an object up in the cache.
func awaitedIn(reader client.Reader) func(types.NamespacedName) bool {
	return func(key types.NamespacedName) bool {
		var cluster v1alpha1.DatabricksCluster
		// What the cache holds is only read.
		err := reader.Get(context.Background(), key, &cluster, client.UnsafeDisableDeepCopy)
		return err == nil && isAwaited(&cluster)
	}
}

// awaitedFirst brings the objects that a person waits for before the others that
// a new process, or a new leader, finds there.
func awaitedFirst() handler.EventHandler {
	return handler.Funcs{CreateFunc: func(_ context.Context, e event.CreateEvent, to queue) {
		if cluster, ok := e.Object.(*v1alpha1.DatabricksCluster); ok && isAwaited(cluster) {
			enqueue(to, client.ObjectKeyFromObject(cluster), priorityAwaited)
		}
	}}
}
