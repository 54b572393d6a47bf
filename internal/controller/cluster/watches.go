package cluster

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/controller/connector"
	"github.com/databricks-operator/databricks-operator/internal/controller/queue"
)

// isAwaited reports whether a user waits for the result of an object: it was created or
// edited and not evaluated since, or it is being deleted.
func isAwaited(cluster *v1alpha1.DatabricksCluster) bool {
	return cluster.Generation != cluster.Status.ObservedGeneration || !cluster.DeletionTimestamp.IsZero()
}

// awaitedIn returns isAwaited of the object of a name in the cache. An object that the
// cache does not have is not awaited.
func awaitedIn(reader client.Reader) func(types.NamespacedName) bool {
	return func(key types.NamespacedName) bool {
		var cluster v1alpha1.DatabricksCluster
		// The object is shared with the cache and only read.
		err := reader.Get(context.Background(), key, &cluster, client.UnsafeDisableDeepCopy)
		return err == nil && isAwaited(&cluster)
	}
}

// enqueueAwaitedFirst enqueues the awaited objects before the other objects that a new
// process or a new leader finds.
func enqueueAwaitedFirst() handler.EventHandler {
	return handler.Funcs{CreateFunc: func(_ context.Context, e event.CreateEvent, to queue.Queue) {
		if cluster, ok := e.Object.(*v1alpha1.DatabricksCluster); ok && isAwaited(cluster) {
			queue.Add(to, client.ObjectKeyFromObject(cluster), queue.PriorityAwaited)
		}
	}}
}

// enqueueReferring enqueues the objects that refer to a DatabricksWorkspace which was
// created, changed or deleted. They have the priority of changed objects, because there
// may be thousands. A DatabricksWorkspace that a new process finds enqueues none.
func enqueueReferring(reader client.Reader, feed *queue.Feed) handler.EventHandler {
	enqueue := func(ctx context.Context, workspace string) {
		clusters, err := connector.ClustersOf(ctx, reader, workspace)
		if err != nil {
			log.FromContext(ctx).Info("the objects of a workspace could not be enqueued", "workspace", workspace, "error", err.Error())
			return
		}
		for i := range clusters {
			feed.Add(client.ObjectKeyFromObject(&clusters[i]))
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

// enqueueWaitingForHolder enqueues the objects that name a cluster when the object that
// holds it is deleted, loses its finalizer, has another cluster, or only observes from
// now on.
func enqueueWaitingForHolder(reader client.Reader) handler.EventHandler {
	return handler.Funcs{
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, to queue.Queue) {
			if deleted, ok := e.Object.(*v1alpha1.DatabricksCluster); ok {
				enqueueWaiting(ctx, reader, deleted, to)
			}
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, to queue.Queue) {
			before, ok := e.ObjectOld.(*v1alpha1.DatabricksCluster)
			after, also := e.ObjectNew.(*v1alpha1.DatabricksCluster)
			if !ok || !also || before.Status.ClusterID == "" || !holdsCluster(before) {
				return
			}
			if before.UID != after.UID || before.Status.ClusterID != after.Status.ClusterID || !holdsCluster(after) {
				enqueueWaiting(ctx, reader, before, to)
			}
		},
	}
}

func enqueueWaiting(ctx context.Context, reader client.Reader, holder *v1alpha1.DatabricksCluster, to queue.Queue) {
	if holder.Status.ClusterID == "" {
		return
	}
	for _, index := range []string{indexNamedClusterID, indexClusterID} {
		var waiting v1alpha1.DatabricksClusterList
		if err := reader.List(ctx, &waiting, client.MatchingFields{index: holder.Status.ClusterID}); err != nil {
			log.FromContext(ctx).Info("the objects that wait for a cluster could not be listed", "clusterID", holder.Status.ClusterID, "error", err.Error())
			continue
		}
		for i := range waiting.Items {
			if waiting.Items[i].UID != holder.UID {
				queue.Add(to, client.ObjectKeyFromObject(&waiting.Items[i]), queue.PriorityAwaited)
			}
		}
	}
}
