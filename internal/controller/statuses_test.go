package controller_test

import (
	"context"
	"strings"
	"sync"

	. "github.com/onsi/gomega"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	watchtools "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/test/conformance"
)

type restConfig = rest.Config

// record has every version of every object of a test. Each version is checked when it
// arrives.
type record struct {
	mu       sync.Mutex
	versions map[string][]*v1alpha1.DatabricksCluster
	// newestOf is the newest version of every object, including those of other namespaces.
	newestOf map[client.ObjectKey]*v1alpha1.DatabricksCluster
	// conditionTexts are the conditions of each object with their messages, one text for
	// each version.
	conditionTexts map[client.ObjectKey][]string
}

func newRecord() *record {
	return &record{versions: map[string][]*v1alpha1.DatabricksCluster{}, newestOf: map[client.ObjectKey]*v1alpha1.DatabricksCluster{}, conditionTexts: map[client.ObjectKey][]string{}}
}

// watchStatuses checks every status that the operator writes in this test against the rules
// by which other tools interpret it, and checks that the operator writes only its own fields.
func watchStatuses(r *rig, kept *record, namespace string) {
	watcher, err := client.NewWithWatch(kubernetes.Config, client.Options{Scheme: kubernetes.Scheme})
	r.Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(context.Background())
	var none v1alpha1.DatabricksClusterList
	r.Expect(watcher.List(ctx, &none, client.InNamespace(namespace))).To(Succeed())
	r.Expect(none.Items).To(BeEmpty())
	stream, err := watchtools.NewRetryWatcherWithContext(ctx, none.ResourceVersion, clusterWatch{watcher, namespace})
	r.Expect(err).NotTo(HaveOccurred())
	var reading sync.WaitGroup
	reading.Go(func() {
		for event := range stream.ResultChan() {
			cluster, ok := event.Object.(*v1alpha1.DatabricksCluster)
			if !ok {
				r.t.Errorf("the watch of the statuses misses versions: %v", apierrors.FromObject(event.Object))
				return
			}
			if event.Type == watch.Deleted {
				continue
			}
			kept.mu.Lock()
			key := client.ObjectKeyFromObject(cluster)
			kept.newestOf[key] = cluster
			kept.conditionTexts[key] = append(kept.conditionTexts[key], strings.Join(conditionTexts(cluster), "; "))
			if namespace == r.namespace {
				kept.versions[cluster.Name] = append(kept.versions[cluster.Name], cluster)
			}
			kept.mu.Unlock()
			for _, broken := range conformance.BrokenRules(cluster) {
				r.t.Errorf("%s, generation %d: %s\nconditions: %v", cluster.Name, cluster.Generation, broken, conditions(cluster))
			}
			if isReadyUncompared(cluster) {
				r.t.Errorf("%s is Ready at generation %d, which was not compared with the cluster: %v", cluster.Name, cluster.Generation, conditions(cluster))
			}
			for _, field := range overreach(cluster) {
				r.t.Errorf("%s: the operator wrote %s, which it does not own", cluster.Name, field)
			}
		}
		if ctx.Err() == nil {
			r.t.Error("the watch of the statuses ended before the test")
		}
	})
	r.t.Cleanup(func() {
		cancel()
		stream.Stop()
		reading.Wait()
	})
}

// clusterWatch watches the clusters of a namespace. An API server ends a watch whose client
// reads too slowly, and the record has every version nevertheless.
type clusterWatch struct {
	client.WithWatch
	namespace string
}

func (w clusterWatch) WatchWithContext(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	return w.Watch(ctx, &v1alpha1.DatabricksClusterList{}, &client.ListOptions{Namespace: w.namespace, Raw: &options})
}

// isReadyUncompared reports whether an object is Ready before it was compared with its
// cluster, because other tools continue at that moment. A cluster that was purged while it
// was terminated cannot be compared.
func isReadyUncompared(cluster *v1alpha1.DatabricksCluster) bool {
	ready := meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionReady)
	synced := meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionSynced)
	if ready == nil || ready.Status != metav1.ConditionTrue || ready.Reason == v1alpha1.ReasonPurged {
		return false
	}
	return synced == nil || synced.Reason == v1alpha1.ReasonNotCompared
}

// states returns the distinct states of an object, in order.
func (k *record) states(name string) []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var states []string
	for _, version := range k.versions[name] {
		state := version.Status.State
		if state != "" && (len(states) == 0 || states[len(states)-1] != state) {
			states = append(states, state)
		}
	}
	return states
}

// firstOf returns the first conditions of a generation.
func (k *record) firstOf(name string, generation int64) []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, version := range k.versions[name] {
		if version.Status.ObservedGeneration == generation {
			return conditions(version)
		}
	}
	return nil
}

// reportedDrift returns all paths that an object's status has ever reported as drift.
func (k *record) reportedDrift(name string) []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var places []string
	for _, version := range k.versions[name] {
		for _, drifted := range version.Status.Drift {
			places = append(places, drifted.Path)
		}
	}
	return places
}

// shows reports whether the watch delivered this version of an object.
func (k *record) shows(cluster *v1alpha1.DatabricksCluster) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	seen := k.versions[cluster.Name]
	return len(seen) > 0 && seen[len(seen)-1].ResourceVersion == cluster.ResourceVersion
}

// total returns the number of writes to all objects.
func (k *record) total() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	count := 0
	for _, versions := range k.versions {
		count += len(versions)
	}
	return count
}

// writesTo returns the number of writes to an object.
func (k *record) writesTo(name string) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.versions[name])
}

// eventsOf returns the reasons of the events of an object.
func eventsOf(r *rig, name string) []string {
	var list eventsv1.EventList
	if err := r.api.List(r.t.Context(), &list, client.InNamespace(r.namespace)); err != nil {
		return nil
	}
	var reasons []string
	for _, event := range list.Items {
		if event.Regarding.Name == name {
			reasons = append(reasons, event.Reason)
		}
	}
	return reasons
}
