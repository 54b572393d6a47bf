package cache

import (
	"bytes"
	"encoding/json"
	"reflect"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// entry is what the cache holds of one cluster that objects are interested in. It
// keeps apart what each source returned and when its read began: a list never
// stands in for a GET.
type entry struct {
	id string
	// watchers are the objects whose cluster it is; requests are the reads that
	// objects wait for.
	watchers map[Object]struct{}
	requests map[requestKey]*readRequest

	// newest is the observation with the newest start, be it from a list or a GET.
	newest Observation
	// spec is what the newest GET returned with one, which began at specAt; omitted
	// counts the GETs since that returned none.
	spec    json.RawMessage
	specAt  time.Time
	omitted int

	// createdAt is when the entry was made. Until the cluster was observed once, it
	// may be new and not visible yet.
	createdAt time.Time
	seen      bool
	// deleting: deletion was requested, so "not found" is accepted at once.
	deleting bool
	// health is how the GETs of this cluster fare.
	health health

	// writing counts the writes in flight. Only observations that began after
	// validAfter are valid. needsReread: there is none since the last write.
	writing     int
	wroteAt     time.Time
	validAfter  time.Time
	needsReread bool

	// requestedAt is when a read was last requested, readAt when the last one began
	// that did not fail, whatever it returned.
	requestedAt, readAt time.Time
	// stale marks what the slow cadence has reached.
	stale bool
	// specDue is when its spec is to be read again.
	specDue time.Time
	// backoff spaces the GETs that fail.
	backoff backoff

	// absent counts the complete lists in a row that did not have it, absentSince is
	// when the first of them began. unlisted: a GET returned it since, so lists say
	// nothing about it.
	absent      int
	absentSince time.Time
	unlisted    bool
}

// isValid reports whether the newest observation may be used.
func (e *entry) isValid() bool {
	return e.writing == 0 && e.newest.Presence != Unknown && e.newest.StartedAt.After(e.validAfter)
}

// isGone reports whether there is nothing left to read.
func (e *entry) isGone() bool { return e.isValid() && e.newest.Presence != Present }

// isNeeded reports whether any object is interested.
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

// acceptSpec takes the spec of a GET that began at startedAt. One without a spec
// says nothing: what an earlier GET returned is not known to hold any more. It reports
// whether the spec differs from the one that was known.
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

// accept takes an observation. It reports whether the cluster differs from before,
// or became valid again.
func (e *entry) accept(observed Observation) (changed bool) {
	if !observed.StartedAt.After(e.newest.StartedAt) {
		return false
	}
	before := e.newest
	observed.ChangedAt = observed.StartedAt
	same := observed.Presence == before.Presence && sameCluster(observed.Cluster, before.Cluster)
	if same {
		observed.ChangedAt, observed.Cluster = before.ChangedAt, before.Cluster // one copy is enough
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

// listed records that a complete list had the cluster.
func (e *entry) listed() { e.absent, e.absentSince, e.unlisted = 0, time.Time{}, false }

// missed records that a complete list which began at startedAt did not have it.
func (e *entry) missed(startedAt time.Time) {
	if e.absent == 0 {
		e.absentSince = startedAt
	}
	e.absent++
	e.stale = false
}

// isUnconfirmed reports whether a list did not have the cluster and no GET has
// returned since whether it exists.
func (e *entry) isUnconfirmed() bool {
	return e.absent > 0 && !e.unlisted && e.newest.Presence == Present && !e.newest.StartedAt.After(e.absentSince)
}

// visibleBy is until when its absence from lists is no reason for a GET.
func (e *entry) visibleBy(grace time.Duration) time.Time {
	if e.seen {
		return e.wroteAt.Add(grace)
	}
	return e.createdAt.Add(grace)
}

// sameCluster compares what two reads returned, but for the spec, which only GET
// returns.
func sameCluster(a, b *compute.ClusterDetails) bool {
	if a == nil || b == nil {
		return a == b
	}
	return reflect.DeepEqual(a, b)
}

// trimmed returns a copy of a cluster without what is large or restless and of no
// use to a controller. Of the executors it keeps the number.
func trimmed(cluster *compute.ClusterDetails) *compute.ClusterDetails {
	c := *cluster
	c.Driver, c.Executors, c.DefaultTags, c.ClusterLogStatus, c.Spec = nil, anyNodes(len(c.Executors)), nil, nil, nil
	c.ClusterCores, c.ClusterMemoryMb = 0, 0
	return &c
}

// manyNodes are shared by all clusters, so that counting executors costs no memory.
var manyNodes = make([]compute.SparkNode, 1000)

// anyNodes returns n nodes without content.
func anyNodes(n int) []compute.SparkNode {
	switch {
	case n == 0:
		return nil
	case n <= len(manyNodes):
		return manyNodes[:n:n]
	default:
		return make([]compute.SparkNode, n)
	}
}

// errOmitted is the failure of a cluster whose GETs return no spec.
var errOmitted = &databricks.Error{
	Class:   databricks.ClassTransient,
	Message: "the workspace returned the cluster without its spec three times in a row",
}
