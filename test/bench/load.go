package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/owner"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// loaders is the number of objects that are loaded concurrently.
const loaders = 16

// newObject returns a typical cluster.
func newObject(name string) *v1alpha1.DatabricksCluster {
	object := &v1alpha1.DatabricksCluster{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}}
	object.Spec.SparkVersion = "16.4.x-scala2.12"
	object.Spec.NodeTypeID = "i3.xlarge"
	object.Spec.NumWorkers = new(int32(1))
	object.Spec.AutoterminationMinutes = new(int32(0))
	object.Spec.DataSecurityMode = v1alpha1.DataSecurityModeStandard
	object.Spec.CustomTags = map[string]string{"team": "bench", "cost-center": "4711"}
	object.Spec.SparkConf = map[string]string{"spark.speculation": "true"}
	return object
}

// forEach calls do count times, a few calls at a time, and returns the first
// error.
func forEach(ctx context.Context, count int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var working sync.WaitGroup
	for range loaders {
		working.Go(func() {
			for i := range next {
				if err := do(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := 0; i < count && ctx.Err() == nil; i++ {
		next <- i
	}
	close(next)
	working.Wait()
	return context.Cause(ctx)
}

// apply creates objects, waits until done holds for each and returns the times
// at which it did.
func (r *rig) apply(ctx context.Context, objects []*v1alpha1.DatabricksCluster, done func(*v1alpha1.DatabricksCluster) bool) (map[string]time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	loaded := make(chan error, 1)
	go func() {
		loaded <- forEach(ctx, len(objects), func(ctx context.Context, i int) error { return r.api.Create(ctx, objects[i]) })
	}()
	waiting, at := map[string]bool{}, map[string]time.Time{}
	for _, object := range objects {
		waiting[object.Name] = true
	}
	for len(waiting) > 0 && ctx.Err() == nil { // an API server may end a watch at any time
		watching, err := r.api.Watch(ctx, &v1alpha1.DatabricksClusterList{}, client.InNamespace(namespace))
		if err != nil {
			return nil, fmt.Errorf("watch the objects: %w", err)
		}
		for change := range watching.ResultChan() {
			object, ok := change.Object.(*v1alpha1.DatabricksCluster)
			if ok && change.Type != watch.Deleted && waiting[object.Name] && done(object) {
				delete(waiting, object.Name)
				at[object.Name] = time.Now()
			}
			if len(waiting) == 0 {
				break
			}
		}
		watching.Stop()
	}
	if err := <-loaded; err != nil {
		return nil, fmt.Errorf("create the objects: %w", err)
	}
	if len(waiting) > 0 {
		return nil, fmt.Errorf("%d of %d objects were not ready in time\n%s", len(waiting), len(objects), r.logs())
	}
	return at, nil
}

func isReady(object *v1alpha1.DatabricksCluster) bool {
	for i := range object.Status.Conditions {
		if c := &object.Status.Conditions[i]; c.Type == v1alpha1.ConditionReady {
			return c.Status == metav1.ConditionTrue
		}
	}
	return false
}

func names(prefix string, count int) []string {
	all := make([]string, count)
	for i := range all {
		all[i] = fmt.Sprintf("%s-%05d", prefix, i)
	}
	return all
}

// newObjects returns objects with these names.
func newObjects(names []string) []*v1alpha1.DatabricksCluster {
	all := make([]*v1alpha1.DatabricksCluster, len(names))
	for i, name := range names {
		all[i] = newObject(name)
	}
	return all
}

// model is an object that an operator has created, as etcd stores it, and its
// cluster.
type model struct {
	object  *v1alpha1.DatabricksCluster
	cluster simulator.Record
}

// modelOf reads an object and its cluster.
func (r *rig) modelOf(ctx context.Context, name string) (model, error) {
	m := model{object: &v1alpha1.DatabricksCluster{}}
	content, err := r.etcd().get(ctx, keyOf(name))
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(content, m.object); err != nil {
		return m, fmt.Errorf("read the model: %w", err)
	}
	err = r.simulator.Do(ctx, http.MethodGet, "clusters/"+m.object.Status.ClusterID, nil, &m.cluster)
	return m, err
}

// keyOf returns the key under which etcd stores an object.
func keyOf(name string) string {
	return "/registry/" + v1alpha1.GroupName + "/databricksclusters/" + namespace + "/" + name
}

// seed adds objects in their final state, and their clusters, as copies of what
// the operator produced for their models. It writes to etcd, which is many times
// faster than the API server. No operator may run.
func (r *rig) seed(ctx context.Context, count int, of func(i int) (from model, name string)) error {
	const batch = 50
	return forEach(ctx, (count+batch-1)/batch, func(ctx context.Context, n int) error {
		objects := map[string][]byte{}
		for i := n * batch; i < min((n+1)*batch, count); i++ {
			from, name := of(i)
			object, err := r.copyOf(ctx, from, name)
			if err != nil {
				return err
			}
			if objects[keyOf(name)], err = json.Marshal(object); err != nil {
				return fmt.Errorf("encode an object: %w", err)
			}
		}
		return r.etcd().put(ctx, objects)
	})
}

// copyOf returns a copy of an object under another name, after it has added a
// cluster for it.
func (r *rig) copyOf(ctx context.Context, from model, name string) (*v1alpha1.DatabricksCluster, error) {
	object := from.object.DeepCopy()
	object.Name, object.UID = name, uuid.NewUUID()
	var made simulator.Record
	err := r.simulator.Do(ctx, http.MethodPost, "clusters", simulator.Seed{
		Workspace: from.cluster.Workspace, Source: "API", State: simulator.Running, Spec: specLike(from.cluster.Spec, from.object, object),
	}, &made)
	if err != nil {
		return nil, err
	}
	object.Status = statusLike(from.object, name, made.ID, made.Created)
	return object, nil
}

// specLike returns the model's specification as the operator would have
// requested it for another object.
func specLike(spec map[string]any, model, object *v1alpha1.DatabricksCluster) map[string]any {
	other := maps.Clone(spec)
	other["cluster_name"] = object.Namespace + "/" + object.Name
	if tags, ok := spec["custom_tags"].(map[string]any); ok {
		tags = maps.Clone(tags)
		for key, value := range tags {
			if value == tagOf(model) {
				tags[key] = tagOf(object)
			}
		}
		other["custom_tags"] = tags
	}
	return other
}

// tagOf returns the owner tag of an object's cluster.
func tagOf(object *v1alpha1.DatabricksCluster) string {
	return owner.Of(operatorID, string(object.UID), object.Namespace, object.Name).Tag()
}

// statusLike returns the model's status for another object and its cluster.
func statusLike(model *v1alpha1.DatabricksCluster, name, id string, created time.Time) v1alpha1.DatabricksClusterStatus {
	status := *model.Status.DeepCopy()
	status.Selector = strings.ReplaceAll(status.Selector, model.Name, name)
	status.URL = strings.ReplaceAll(status.URL, status.ClusterID, id)
	status.ClusterID = id
	status.ObservedGeneration = 1
	at := metav1.NewTime(created.Truncate(time.Second))
	status.StartTime, status.LastRestartedTime = &at, &at
	for i := range status.Conditions {
		status.Conditions[i].ObservedGeneration = 1
	}
	return status
}
