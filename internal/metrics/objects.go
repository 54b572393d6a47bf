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
		"DatabricksClusters by workspace and by the state of their cluster: Databricks' word, OTHER for one that is not known, NONE where there is no cluster.",
		labelHost, "state")
	clusterWorkers = newDesc("cluster_workers",
		"Workers that the clusters have now, by workspace.", labelHost)
	driftedClusters = newDesc("drifted_clusters",
		"DatabricksClusters whose cluster others changed, by workspace.", labelHost)
	driftedFields = newDesc("drifted_fields",
		"Fields in status.drift of all DatabricksClusters, by workspace.", labelHost)
	deferredClusters = newDesc("deferred_clusters",
		"DatabricksClusters with declared changes that wait for their cluster to be down or restarted, by workspace.", labelHost)
	openCreations = newDesc("open_creations",
		"DatabricksClusters whose create call is not settled: about to be made, or with an answer that was lost.")
	creationDeadline = newDesc("oldest_creation_deadline_timestamp_seconds",
		"Until when the oldest of the open create calls could be made; absent where there is none.")

	conditions = newDesc("conditions",
		"Objects that have a condition, by kind, type, status and reason.", labelKind, "type", "status", "reason")
	unobserved = newDesc("unobserved_objects",
		"Objects whose newest specification the operator has not looked at, by kind.", labelKind)
	deleting = newDesc("deleting_objects",
		"Objects that are being deleted, by kind.", labelKind)
	deletionOldest = newDesc("oldest_deletion_timestamp_seconds",
		"When the deletion of the object began that is being deleted for longest, by kind; absent where there is none.", labelKind)
)

const labelKind = "kind"

const (
	kindCluster   = "DatabricksCluster"
	kindWorkspace = "DatabricksWorkspace"
)

// collectObjects counts the objects. They are shared with everybody and only
// looked at. The cache fails to list them while it starts and stops: there is
// nothing to tell then.
func (s *State) collectObjects(ctx context.Context, ch chan<- prometheus.Metric) {
	var all v1alpha1.DatabricksClusterList
	if err := s.Reader.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil {
		return
	}
	clusterStats, kinds := newClusterStats(), newObjectStats()
	kinds.expect(kindCluster)
	for i := range all.Items {
		object := &all.Items[i]
		clusterStats.add(&object.Status)
		kinds.add(kindCluster, object, object.Status.ObservedGeneration, object.Status.Conditions)
	}
	clusterStats.collect(ch)
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
	open   int
	// deadline is the earliest of the open creations; nil: none.
	deadline *metav1.Time
}

// hostStats is the clusters of one workspace.
type hostStats struct{ workers, drifted, fields, deferred int }

func newClusterStats() *clusterStats {
	return &clusterStats{states: map[[2]string]int{}, hosts: map[string]*hostStats{}}
}

func (f *clusterStats) add(status *v1alpha1.DatabricksClusterStatus) {
	f.states[[2]string{status.Host, state(status.State)}]++
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
	if intent := status.Creation; intent != nil && intent.Token != "" {
		f.open++
		f.deadline = earlier(f.deadline, intent.NotAfter)
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
	ch <- gauge(openCreations, f.open)
	if f.deadline != nil {
		ch <- instant(creationDeadline, f.deadline.Time)
	}
}

var knownStates = []string{
	"PENDING", "RUNNING", "RESTARTING", "RESIZING", "TERMINATING", "TERMINATED", "ERROR", "UNKNOWN",
}

// state bounds what a server can make of a label.
func state(told string) string {
	switch {
	case told == "":
		return "NONE"
	case slices.Contains(knownStates, told):
		return told
	default:
		return "OTHER"
	}
}

// objectStats counts objects of every kind by what all kinds have.
type objectStats struct {
	kinds      map[string]*counts
	conditions map[condition]int
}

type condition struct{ kind, name, status, reason string }

type counts struct {
	unobserved, deleting int
	// oldest is when the longest deletion began; nil: there is none.
	oldest *metav1.Time
}

func newObjectStats() *objectStats {
	return &objectStats{kinds: map[string]*counts{}, conditions: map[condition]int{}}
}

// expect has a kind told of even if there is no object of it.
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
			ch <- instant(deletionOldest, of.oldest.Time, kind)
		}
	}
	for key, count := range l.conditions {
		ch <- gauge(conditions, count, key.kind, key.name, key.status, key.reason)
	}
}

// earlier is the first of two times; a nil one is none.
func earlier(a, b *metav1.Time) *metav1.Time {
	if a == nil || b != nil && b.Before(a) {
		return b
	}
	return a
}
