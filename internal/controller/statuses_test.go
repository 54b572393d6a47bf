package controller_test

import (
	"context"
	"strings"
	"sync"

	. "github.com/onsi/gomega"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/test/conformance"
)

type restConfig = rest.Config

// record is every version of every object of a test. Each is held against the
// rules as it comes.
type record struct {
	mu       sync.Mutex
	versions map[string][]*v1alpha1.DatabricksCluster
	// newestOf is the newest version of every object, also of other namespaces.
	newestOf map[client.ObjectKey]*v1alpha1.DatabricksCluster
	// said are the conditions with their messages that each object has shown, a
	// text per version.
	said map[client.ObjectKey][]string
}

func newRecord() *record {
	return &record{versions: map[string][]*v1alpha1.DatabricksCluster{}, newestOf: map[client.ObjectKey]*v1alpha1.DatabricksCluster{}, said: map[client.ObjectKey][]string{}}
}

// watchStatuses holds every status that the operator ever writes in this test
// against the rules by which other tools read it, and every write to what is
// the operator's to write.
func watchStatuses(r *rig, kept *record, namespace string) {
	watcher, err := client.NewWithWatch(kubernetes.Config, client.Options{Scheme: kubernetes.Scheme})
	r.Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(context.Background())
	stream, err := watcher.Watch(ctx, &v1alpha1.DatabricksClusterList{}, client.InNamespace(namespace))
	r.Expect(err).NotTo(HaveOccurred())
	var reading sync.WaitGroup
	reading.Go(func() {
		for event := range stream.ResultChan() {
			cluster, ok := event.Object.(*v1alpha1.DatabricksCluster)
			if !ok || event.Type == watch.Deleted {
				continue
			}
			kept.mu.Lock()
			key := client.ObjectKeyFromObject(cluster)
			kept.newestOf[key] = cluster
			kept.said[key] = append(kept.said[key], strings.Join(told(cluster), "; "))
			if namespace == r.namespace {
				kept.versions[cluster.Name] = append(kept.versions[cluster.Name], cluster)
			}
			kept.mu.Unlock()
			for _, broken := range conformance.BrokenRules(cluster) {
				r.t.Errorf("%s, generation %d: %s\nconditions: %v", cluster.Name, cluster.Generation, broken, conditions(cluster))
			}
			if isReadyUncompared(cluster) {
				r.t.Errorf("%s is Ready at generation %d, which nobody has held against the cluster: %v", cluster.Name, cluster.Generation, conditions(cluster))
			}
			for _, field := range overreach(cluster) {
				r.t.Errorf("%s: the operator wrote %s, which is not its own", cluster.Name, field)
			}
		}
	})
	r.t.Cleanup(func() {
		cancel()
		stream.Stop()
		reading.Wait()
	})
}

// isReadyUncompared tells an object that looks done before it was held against
// its cluster: tools go on at that moment. What was purged while it was idle has
// nothing to be held against.
func isReadyUncompared(cluster *v1alpha1.DatabricksCluster) bool {
	ready := meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionReady)
	synced := meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionSynced)
	if ready == nil || ready.Status != metav1.ConditionTrue || ready.Reason == v1alpha1.ReasonPurged {
		return false
	}
	return synced == nil || synced.Reason == v1alpha1.ReasonNotCompared
}

// states are the distinct states that an object has shown, in order.
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

// firstOf are the conditions that were the first to be of a generation.
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

// toldDrift are the places that an object's status has ever named as different.
func (k *record) toldDrift(name string) []string {
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

// shows tells that an object was seen as it is.
func (k *record) shows(cluster *v1alpha1.DatabricksCluster) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	seen := k.versions[cluster.Name]
	return len(seen) > 0 && seen[len(seen)-1].ResourceVersion == cluster.ResourceVersion
}

// total counts the writes to all objects.
func (k *record) total() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	count := 0
	for _, versions := range k.versions {
		count += len(versions)
	}
	return count
}

// writesTo counts how often an object was written.
func (k *record) writesTo(name string) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.versions[name])
}

// eventsOf are the reasons of the events about an object.
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
