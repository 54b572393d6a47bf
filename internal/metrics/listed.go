package metrics

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

var knownPoolStates = []string{"ACTIVE", "STOPPED"}

// collectListed sends the metrics of policies and pools, which it must not change because
// they are not copied, and adds them to the metrics of all kinds.
func (s *State) collectListed(ctx context.Context, ch chan<- prometheus.Metric, kinds *objectStats, creations *creationStats) {
	stats := newListedStats()
	var allPolicies v1alpha1.DatabricksClusterPolicyList
	if err := s.Reader.List(ctx, &allPolicies, client.UnsafeDisableDeepCopy); err != nil {
		return
	}
	kinds.expect(kindPolicy)
	for i := range allPolicies.Items {
		object := &allPolicies.Items[i]
		stats.policies[object.Status.Host]++
		stats.addDrift(kindPolicy, &object.Status.ManagementStatus)
		creations.add(object.Status.Creation)
		kinds.add(kindPolicy, object, object.Status.ObservedGeneration, object.Status.Conditions)
	}
	var allPools v1alpha1.DatabricksInstancePoolList
	if err := s.Reader.List(ctx, &allPools, client.UnsafeDisableDeepCopy); err != nil {
		return
	}
	kinds.expect(kindPool)
	for i := range allPools.Items {
		object := &allPools.Items[i]
		stats.addPool(&object.Status)
		stats.addDrift(kindPool, &object.Status.ManagementStatus)
		creations.add(object.Status.Creation)
		kinds.add(kindPool, object, object.Status.ObservedGeneration, object.Status.Conditions)
	}
	stats.collect(ch)
}

// listedStats counts policies and pools.
type listedStats struct {
	policies  map[string]int    // by host
	pools     map[[2]string]int // by host and state
	instances map[[2]string]int // by host and use
	drifted   map[[2]string]int // by kind and host
}

func newListedStats() *listedStats {
	return &listedStats{
		policies: map[string]int{}, pools: map[[2]string]int{}, instances: map[[2]string]int{}, drifted: map[[2]string]int{},
	}
}

func (l *listedStats) addPool(status *v1alpha1.DatabricksInstancePoolStatus) {
	l.pools[[2]string{status.Host, state(status.State, knownPoolStates)}]++
	if status.Stats == nil {
		return
	}
	for use, count := range map[string]int32{
		"used": status.Stats.Used, "idle": status.Stats.Idle,
		"pending_used": status.Stats.PendingUsed, "pending_idle": status.Stats.PendingIdle,
	} {
		l.instances[[2]string{status.Host, use}] += int(count)
	}
}

func (l *listedStats) addDrift(kind string, status *v1alpha1.ManagementStatus) {
	if len(status.Drift) > 0 {
		l.drifted[[2]string{kind, status.Host}]++
	}
}

func (l *listedStats) collect(ch chan<- prometheus.Metric) {
	for host, count := range l.policies {
		ch <- gauge(policies, count, host)
	}
	for key, count := range l.pools {
		ch <- gauge(pools, count, key[0], key[1])
	}
	for key, count := range l.instances {
		ch <- gauge(poolInstances, count, key[0], key[1])
	}
	for key, count := range l.drifted {
		ch <- gauge(driftedObjects, count, key[0], key[1])
	}
}

// creationStats counts the creations that are not completed, of all kinds.
type creationStats struct {
	open int
	// deadline is the earliest deadline of an open creation; nil if there is none.
	deadline *metav1.Time
}

func (c *creationStats) add(intent *v1alpha1.CreationIntent) {
	if intent != nil && intent.Token != "" {
		c.open++
		c.deadline = earlier(c.deadline, intent.NotAfter)
	}
}

func (c *creationStats) collect(ch chan<- prometheus.Metric) {
	ch <- gauge(openCreations, c.open)
	if c.deadline != nil {
		ch <- timestamp(creationDeadline, c.deadline.Time)
	}
}
