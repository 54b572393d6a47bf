package controller_test

import (
	"context"
	"fmt"
	"sync"

	. "github.com/onsi/gomega"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

type restConfig = rest.Config

// record is every version of every object of a test. Each is held against the
// rules as it comes.
type record struct {
	mu       sync.Mutex
	versions map[string][]*v1alpha1.DatabricksCluster
}

// watchStatuses holds every status that the operator ever writes in this test
// against the rules by which other tools read it.
func watchStatuses(r *rig) *record {
	kept := &record{versions: map[string][]*v1alpha1.DatabricksCluster{}}
	watcher, err := client.NewWithWatch(kubernetes.Config, client.Options{Scheme: kubernetes.Scheme})
	r.Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(context.Background())
	stream, err := watcher.Watch(ctx, &v1alpha1.DatabricksClusterList{}, client.InNamespace(r.namespace))
	r.Expect(err).NotTo(HaveOccurred())
	var reading sync.WaitGroup
	reading.Go(func() {
		for event := range stream.ResultChan() {
			cluster, ok := event.Object.(*v1alpha1.DatabricksCluster)
			if !ok || event.Type == watch.Deleted {
				continue
			}
			kept.mu.Lock()
			kept.versions[cluster.Name] = append(kept.versions[cluster.Name], cluster)
			kept.mu.Unlock()
			for _, broken := range brokenRules(cluster) {
				r.t.Errorf("%s, generation %d: %s\nconditions: %v", cluster.Name, cluster.Generation, broken, conditions(cluster))
			}
		}
	})
	r.t.Cleanup(func() {
		cancel()
		stream.Stop()
		reading.Wait()
	})
	return kept
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

// writesTo counts how often an object was written.
func (k *record) writesTo(name string) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.versions[name])
}

// brokenRules names the rules of the conditions that a status breaks. They are
// kstatus' and Flux's, and our own; test/gitops proves them equal to theirs.
func brokenRules(cluster *v1alpha1.DatabricksCluster) []string {
	status := cluster.Status
	if status.ObservedGeneration == -1 {
		return nil
	}
	var broken []string
	check := func(holds bool, rule string, args ...any) {
		if !holds {
			broken = append(broken, fmt.Sprintf(rule, args...))
		}
	}
	ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady)
	reconciling := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReconciling)
	stalled := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionStalled)
	suspended := meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionSuspended)
	check(ready != nil || suspended || len(status.Conditions) == 0, "there is no Ready")
	check(reconciling == nil || stalled == nil, "Reconciling and Stalled are both present")
	for _, condition := range []*metav1.Condition{reconciling, stalled} {
		if condition == nil {
			continue
		}
		check(condition.Status == metav1.ConditionTrue, "%s is present and not True", condition.Type)
		check(ready != nil && ready.Status == metav1.ConditionFalse, "%s without Ready=False", condition.Type)
		check(ready != nil && ready.Reason == condition.Reason, "Ready and %s have other reasons", condition.Type)
	}
	if ready != nil && ready.Status == metav1.ConditionFalse {
		check(reconciling != nil || stalled != nil || suspended, "Ready=False with neither Reconciling nor Stalled")
	}
	check(ready == nil || ready.Status != metav1.ConditionUnknown, "Ready is Unknown")
	for _, condition := range status.Conditions {
		check(condition.ObservedGeneration == status.ObservedGeneration, "%s is of generation %d, the status of %d", condition.Type, condition.ObservedGeneration, status.ObservedGeneration)
		check(condition.Message != "", "%s has no message", condition.Type)
	}
	return broken
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
