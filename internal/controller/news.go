package controller

import (
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/databricks-operator/databricks-operator/internal/workspace"
)

// News brings objects back to their queue when something outside Kubernetes
// changed: DatabricksClusters, and DatabricksWorkspaces, which have no namespace.
type News struct{ clusters, workspaces inbox }

// Changed is told the objects whose clusters have news.
func (n *News) Changed(objects []workspace.Object) {
	for _, object := range objects {
		n.add(keyOf(object))
	}
}

func (n *News) add(key types.NamespacedName) {
	if key.Namespace == "" {
		n.workspaces.add(key)
		return
	}
	n.clusters.add(key)
}

// inbox leads to one queue. What is told before the queue exists is kept for it.
type inbox struct {
	mu    sync.Mutex
	queue workqueue.TypedRateLimitingInterface[reconcile.Request]
	early []types.NamespacedName
}

func (i *inbox) add(key types.NamespacedName) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.queue == nil {
		i.early = append(i.early, key)
		return
	}
	i.queue.Add(reconcile.Request{NamespacedName: key})
}

func (i *inbox) source() source.Source {
	return source.Func(func(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.queue = queue
		for _, key := range i.early {
			queue.Add(reconcile.Request{NamespacedName: key})
		}
		i.early = nil
		return nil
	})
}
