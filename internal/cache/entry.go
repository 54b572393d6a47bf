package cache

import (
	"bytes"
	"encoding/json"
	"reflect"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// entry is the cached state of one cluster that objects need. It stores the results
// of lists and GETs separately, because a list never replaces a GET.
type entry struct {
	id string
	// watchers are the objects that manage the cluster; requests are the reads that
	// objects wait for. Both have one or two elements for most clusters; maps have room
	// for eight.
	watchers []Object
	requests []readRequest

	// newest is the observation with the latest StartedAt, from a list or a GET.
	newest Observation
	// spec is from the newest GET that returned one, which began at specAt; omitted
	// counts the GETs since then that returned none.
	spec    json.RawMessage
	specAt  time.Time
	omitted int

	// createdAt is when the entry was created. A cluster that was never observed
	// (seen) may be new and not visible yet.
	createdAt time.Time
	seen      bool
	// deleting: deletion was requested, so "not found" is accepted at once.
	deleting bool
	// health is the health of the GETs of this cluster.
	health health

	// writing counts the writes in flight. Only observations that began after
	// validAfter are valid. needsReread: none has been read since the last write.
	writing     int
	wroteAt     time.Time
	validAfter  time.Time
	needsReread bool

	// requestedAt is when a read was last requested; readAt is when the last read that
	// did not fail began.
	requestedAt, readAt time.Time
	// stale: the cluster is due at the slow interval.
	stale bool
	// specDue is when the spec is read again.
	specDue time.Time
	// backoff is the backoff of the GETs.
	backoff backoff

	// absent counts the consecutive complete lists without the cluster; absentSince is
	// when the first of them began. unlisted: a GET returned the cluster since, so
	// lists do not show it.
	absent      int
	absentSince time.Time
	unlisted    bool
}

// isValid reports whether the newest observation may be used.
func (e *entry) isValid() bool {
	return e.writing == 0 && e.newest.Presence != Unknown && e.newest.StartedAt.After(e.validAfter)
}

// isGone reports whether the cluster does not exist any more.
func (e *entry) isGone() bool { return e.isValid() && e.newest.Presence != Present }

// isNeeded reports whether any object needs the entry.
func (e *entry) isNeeded() bool { return len(e.watchers) > 0 || len(e.requests) > 0 }

// observation returns the newest observation if it is valid; else Unknown.
func (e *entry) observation() Observation {
	if !e.isValid() {
		return Observation{}
	}
	return e.newest
}

// specification returns the spec if its GET began after the last own write.
func (e *entry) specification() Spec {
	if e.writing > 0 || e.spec == nil || !e.specAt.After(e.validAfter) {
		return Spec{Omitted: e.omitted}
	}
	return Spec{JSON: e.spec, StartedAt: e.specAt, Omitted: e.omitted}
}

// acceptSpec stores the spec of a GET that began at startedAt and reports whether it
// differs from the previous one. A GET without a spec makes the spec unknown.
func (e *entry) acceptSpec(spec json.RawMessage, startedAt time.Time) (changed bool) {
	if !startedAt.After(e.specAt) {
		return false
	}
	if spec == nil {
		e.omitted++
		e.spec, e.specAt = nil, time.Time{}
		return false
	}
	changed = e.spec != nil && !bytes.Equal(e.spec, spec)
	e.spec, e.specAt, e.omitted = spec, startedAt, 0
	return changed
}

// accept stores an observation and reports whether the cluster changed or became
// valid again.
func (e *entry) accept(observed Observation) (changed bool) {
	if !observed.StartedAt.After(e.newest.StartedAt) {
		return false
	}
	before := e.newest
	observed.ChangedAt = observed.StartedAt
	same := observed.Presence == before.Presence && sameCluster(observed.Cluster, before.Cluster)
	if same {
		observed.ChangedAt, observed.Cluster = before.ChangedAt, before.Cluster // keep one copy
	}
	e.newest, e.stale = observed, false
	if observed.Presence == Present {
		e.seen, e.deleting = true, false
	}
	if !e.isValid() {
		return false
	}
	reread := e.needsReread
	e.needsReread = false
	return !same || reread
}

// recordListed records that a complete list had the cluster.
func (e *entry) recordListed() { e.absent, e.absentSince, e.unlisted = 0, time.Time{}, false }

// recordAbsent records that a complete list which began at startedAt did not have the
// cluster.
func (e *entry) recordAbsent(startedAt time.Time) {
	if e.absent == 0 {
		e.absentSince = startedAt
	}
	e.absent++
	e.stale = false
}

// isUnconfirmed reports whether a list did not have the cluster and no later GET
// returned whether it exists.
func (e *entry) isUnconfirmed() bool {
	return e.absent > 0 && !e.unlisted && e.newest.Presence == Present && !e.newest.StartedAt.After(e.absentSince)
}

// visibleBy returns when the cluster must be visible in lists; an earlier absence
// causes no GET.
func (e *entry) visibleBy(grace time.Duration) time.Time {
	if e.seen {
		return e.wroteAt.Add(grace)
	}
	return e.createdAt.Add(grace)
}

// sameCluster reports whether two reads returned the same cluster.
func sameCluster(a, b *compute.ClusterDetails) bool {
	if a == nil || b == nil {
		return a == b
	}
	return reflect.DeepEqual(a, b)
}

// trimmed returns a copy of a cluster without the fields that Observation.Cluster
// omits. It keeps the number of executors.
func trimmed(cluster *compute.ClusterDetails) *compute.ClusterDetails {
	c := *cluster
	c.Driver, c.Executors, c.DefaultTags, c.ClusterLogStatus, c.Spec = nil, emptyNodes(len(c.Executors)), nil, nil, nil
	c.ClusterCores, c.ClusterMemoryMb = 0, 0
	return &c
}

// sharedNodes are shared by all clusters, so that the number of executors costs no
// memory.
var sharedNodes = make([]compute.SparkNode, 1000)

// emptyNodes returns n empty nodes.
func emptyNodes(n int) []compute.SparkNode {
	switch {
	case n == 0:
		return nil
	case n <= len(sharedNodes):
		return sharedNodes[:n:n]
	default:
		return make([]compute.SparkNode, n)
	}
}

// errOmitted is the error of a cluster whose GETs return no spec.
var errOmitted = &databricks.Error{
	Class:   databricks.ClassTransient,
	Message: "the workspace returned the cluster without its spec three times in a row",
}
