package cluster

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/controller/queue"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/selection"
)

// indexReference is the index of objects by the objects that they refer to.
const indexReference = "spec.references"

// indexValue returns the value of indexReference for an object of a kind.
func indexValue(reference selection.Reference) string { return reference.Kind + "/" + reference.Name }

// referencesIn returns the values of indexReference of an object.
func referencesIn(object client.Object) []string {
	cluster, ok := object.(*v1alpha1.DatabricksCluster)
	if !ok {
		return nil
	}
	var all []string
	for _, reference := range selection.References(specToResolve(cluster)) {
		all = append(all, indexValue(reference))
	}
	return all
}

// referents reads the objects that DatabricksClusters refer to.
type referents struct {
	reader client.Reader
	kinds  []*managed.Kind
}

// of returns the existing objects of references in a namespace.
func (r referents) of(ctx context.Context, namespace string, references []selection.Reference) (map[selection.Reference]selection.Referent, error) {
	found := map[selection.Reference]selection.Referent{}
	for _, reference := range references {
		for _, kind := range r.kinds {
			if kind.Name != reference.Kind {
				continue
			}
			resource := kind.New()
			// The object is shared with the cache and only read.
			err := r.reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: reference.Name}, resource, client.UnsafeDisableDeepCopy)
			switch {
			case err == nil:
				found[reference] = referentOf(kind.View(resource))
			case !apierrors.IsNotFound(err):
				return nil, fmt.Errorf("read %s %q: %w", reference.Kind, reference.Name, err)
			}
		}
	}
	return found, nil
}

// referentOf returns what a reference to an object depends on.
func referentOf(object managed.Object) selection.Referent {
	return selection.Referent{
		ID: *object.ID, Host: object.Status.Host, WorkspaceID: object.Status.WorkspaceID, NotReady: object.NotReady(),
	}
}

// enqueueReferringTo enqueues the objects that refer to an object of a kind which was
// created, deleted, or changed so that a reference to it may be resolved differently. They
// have the priority of changed objects, because there may be thousands. An object that a
// new process finds enqueues none.
func enqueueReferringTo(kind *managed.Kind, reader client.Reader, feed *queue.Feed) handler.EventHandler {
	enqueue := func(ctx context.Context, object client.Object) {
		var clusters v1alpha1.DatabricksClusterList
		value := indexValue(selection.Reference{Kind: kind.Name, Name: object.GetName()})
		err := reader.List(ctx, &clusters, client.InNamespace(object.GetNamespace()), client.MatchingFields{indexReference: value}, client.UnsafeDisableDeepCopy)
		if err != nil {
			log.FromContext(ctx).Info("the clusters that refer to an object could not be enqueued", "kind", kind.Name, "name", object.GetName(), "error", err.Error())
			return
		}
		for i := range clusters.Items {
			feed.Add(client.ObjectKeyFromObject(&clusters.Items[i]))
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, _ queue.Queue) {
			if !e.IsInInitialList {
				enqueue(ctx, e.Object)
			}
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, _ queue.Queue) {
			if referentOf(kind.View(e.ObjectOld)) != referentOf(kind.View(e.ObjectNew)) {
				enqueue(ctx, e.ObjectNew)
			}
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, _ queue.Queue) { enqueue(ctx, e.Object) },
	}
}
