package metrics

import (
	"context"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

var (
	clusters = newDesc("clusters",
		"DatabricksClusters by workspace and state of their cluster in Databricks; OTHER for an unknown state, NONE if there is no cluster.",
		labelHost, "state")
	clusterWorkers = newDesc("cluster_workers",
		"Workers that the clusters have now, by workspace.", labelHost)
	driftedClusters = newDesc("drifted_clusters",
		"DatabricksClusters with drift: their cluster was changed outside of the operator, by workspace.", labelHost)
	driftedFields = newDesc("drifted_fields",
		"Fields in status.drift of all DatabricksClusters, by workspace.", labelHost)
	deferredClusters = newDesc("deferred_clusters",
		"DatabricksClusters with declared changes that wait for their cluster to be down or restarted, by workspace.", labelHost)
	openCreations = newDesc("open_creations",
		"Objects whose create call is not completed: it is about to be made, or its answer was lost.")
	creationDeadline = newDesc("oldest_creation_deadline_timestamp_seconds",
		"Deadline of the oldest open create call; absent if there is none.")

	policies = newDesc("cluster_policies",
		"DatabricksClusterPolicies by workspace.", labelHost)
	pools = newDesc("instance_pools",
		"DatabricksInstancePools by workspace and state of their pool in Databricks; OTHER for an unknown state, NONE if there is no pool.",
		labelHost, "state")
	poolInstances = newDesc("instance_pool_instances",
		"Instances of the pools of DatabricksInstancePools, by workspace and use: used, idle, pending_used or pending_idle.", labelHost, "use")
	driftedObjects = newDesc("drifted_objects",
		"DatabricksClusterPolicies and DatabricksInstancePools with fields in status.drift, by kind and workspace.", labelKind, labelHost)

	conditions = newDesc("conditions",
		"Objects that have a condition, by kind, type, status and reason.", labelKind, "type", "status", "reason")
	unobserved = newDesc("unobserved_objects",
		"Objects whose latest generation the operator has not observed, by kind.", labelKind)
	deleting = newDesc("deleting_objects",
		"Objects that are being deleted, by kind.", labelKind)
	deletionOldest = newDesc("oldest_deletion_timestamp_seconds",
		"Deletion timestamp of the object that has been deleting for longest, by kind; absent if there is none.", labelKind)
)

const labelKind = "kind"

const (
	kindCluster   = v1alpha1.ClusterKind
	kindPolicy    = v1alpha1.PolicyKind
	kindPool      = v1alpha1.PoolKind
	kindWorkspace = v1alpha1.WorkspaceKind
)

// collectObjects sends the metrics of the objects, which it must not change because
// they are not copied. It sends none if the informer cache cannot list them, which
// happens while it starts and stops.
func (s *State) collectObjects(ctx context.Context, ch chan<- prometheus.Metric) {
	var all v1alpha1.DatabricksClusterList
	if err := s.Reader.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil {
		return
	}
	clusterStats, kinds, creations := newClusterStats(), newObjectStats(), &creationStats{}
	kinds.expect(kindCluster)
	for i := range all.Items {
		object := &all.Items[i]
		clusterStats.add(&object.Status)
		creations.add(object.Status.Creation)
		kinds.add(kindCluster, object, object.Status.ObservedGeneration, object.Status.Conditions)
	}
	clusterStats.collect(ch)
	s.collectListed(ctx, ch, kinds, creations)
	creations.collect(ch)
	defer kinds.collect(ch)
	if !s.SharedWorkspaces {
		return
	}
	var shared v1alpha1.DatabricksWorkspaceList
	if err := s.Reader.List(ctx, &shared, client.UnsafeDisableDeepCopy); err != nil {
		return
	}
	kinds.expect(kindWorkspace)
	for i := range shared.Items {
		object := &shared.Items[i]
		kinds.add(kindWorkspace, object, object.Status.ObservedGeneration, object.Status.Conditions)
	}
}

// clusterStats counts clusters.
type clusterStats struct {
	states map[[2]string]int // by host and state
	hosts  map[string]*hostStats
}

// hostStats counts the clusters of one workspace.
type hostStats struct{ workers, drifted, fields, deferred int }

func newClusterStats() *clusterStats {
	return &clusterStats{states: map[[2]string]int{}, hosts: map[string]*hostStats{}}
}

func (f *clusterStats) add(status *v1alpha1.DatabricksClusterStatus) {
	f.states[[2]string{status.Host, state(status.State, knownStates)}]++
	at := f.hosts[status.Host]
	if at == nil {
		at = &hostStats{}
		f.hosts[status.Host] = at
	}
	if status.NumWorkers != nil {
		at.workers += int(*status.NumWorkers)
	}
	at.fields += len(status.Drift)
	if len(status.Drift) > 0 {
		at.drifted++
	}
	if len(status.PendingChanges) > 0 {
		at.deferred++
	}
}

func (f *clusterStats) collect(ch chan<- prometheus.Metric) {
	for key, count := range f.states {
		ch <- gauge(clusters, count, key[0], key[1])
	}
	for host, at := range f.hosts {
		ch <- gauge(clusterWorkers, at.workers, host)
		ch <- gauge(driftedClusters, at.drifted, host)
		ch <- gauge(driftedFields, at.fields, host)
		ch <- gauge(deferredClusters, at.deferred, host)
	}
}

var knownStates = []string{
	"PENDING", "RUNNING", "RESTARTING", "RESIZING", "TERMINATING", "TERMINATED", "ERROR", "UNKNOWN",
}

// state returns the label value of a reported state, which bounds the values.
func state(reported string, known []string) string {
	switch {
	case reported == "":
		return "NONE"
	case slices.Contains(known, reported):
		return reported
	default:
		return "OTHER"
	}
}

// objectStats counts the objects of every kind by their metadata and conditions.
type objectStats struct {
	kinds      map[string]*counts
	conditions map[condition]int
}

type condition struct{ kind, name, status, reason string }

type counts struct {
	unobserved, deleting int
	// oldest is when the longest deletion began; nil if there is none.
	oldest *metav1.Time
}

func newObjectStats() *objectStats {
	return &objectStats{kinds: map[string]*counts{}, conditions: map[condition]int{}}
}

// expect adds a kind, whose metrics are sent even if it has no object.
func (l *objectStats) expect(kind string) { l.kinds[kind] = &counts{} }

func (l *objectStats) add(kind string, object metav1.Object, observed int64, has []metav1.Condition) {
	of := l.kinds[kind]
	if observed != object.GetGeneration() {
		of.unobserved++
	}
	if since := object.GetDeletionTimestamp(); since != nil {
		of.deleting++
		of.oldest = earlier(of.oldest, since)
	}
	for i := range has {
		l.conditions[condition{kind, has[i].Type, string(has[i].Status), has[i].Reason}]++
	}
}

func (l *objectStats) collect(ch chan<- prometheus.Metric) {
	for kind, of := range l.kinds {
		ch <- gauge(unobserved, of.unobserved, kind)
		ch <- gauge(deleting, of.deleting, kind)
		if of.oldest != nil {
			ch <- timestamp(deletionOldest, of.oldest.Time, kind)
		}
	}
	for key, count := range l.conditions {
		ch <- gauge(conditions, count, key.kind, key.name, key.status, key.reason)
	}
}

// earlier returns the earlier of two times, of which either may be nil.
func earlier(a, b *metav1.Time) *metav1.Time {
	if a == nil || b != nil && b.Before(a) {
		return b
	}
	return a
}
