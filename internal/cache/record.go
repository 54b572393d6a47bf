package cache

import (
	"reflect"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
)

// record is what a mirror knows of one cluster that somebody is interested in.
type record struct {
	id string
	// watchers are the objects whose cluster it is; demands are what objects
	// wait for.
	watchers map[Object]struct{}
	demands  map[demandKey]*demand

	// newest is the look with the newest start, be it list or GET.
	newest Observation
	spec   *compute.ClusterSpec
	specAt time.Time

	// since is when the record was made. Until it was seen once, a cluster may be
	// new and not visible yet.
	since time.Time
	seen  bool
	// doomed: it was written to end; that it is gone then is believed at once.
	doomed bool
	// err is why the newest GET failed, where it says nothing of other clusters.
	err error

	// writing counts the writes under way. Nothing that began before
	// believeAfter is believed. unsettled: nobody has looked since the last write.
	writing      int
	wroteAt      time.Time
	believeAfter time.Time
	unsettled    bool

	// askedAt is when a look was last asked for, lookedAt when the last one began,
	// whatever it found.
	askedAt, lookedAt time.Time
	// stale marks what the slow cadence has come round to.
	stale bool
	// deepDue is when its Spec is to be read again.
	deepDue time.Time
	// retries spaces the GETs that fail.
	retries retries

	// absent counts the complete lists in a row that did not have it, absentSince
	// is when the first of them began. unlisted: a GET said since that it is
	// there all the same, so that lists say nothing of it.
	absent      int
	absentSince time.Time
	unlisted    bool
}

// believable tells whether the newest look may be believed.
func (r *record) believable() bool {
	return r.writing == 0 && r.newest.Presence != Unknown && r.newest.StartedAt.After(r.believeAfter)
}

// gone tells whether there is nothing left to look at.
func (r *record) gone() bool {
	return r.believable() && r.newest.Presence != Present
}

// wanted tells whether anybody is interested.
func (r *record) wanted() bool { return len(r.watchers) > 0 || len(r.demands) > 0 }

// observation is the newest look if it may be believed; else Unknown.
func (r *record) observation() Observation {
	if !r.believable() {
		return Observation{Err: r.err}
	}
	seen := r.newest
	seen.Err = r.err
	return seen
}

// accept takes a look. It tells whether the cluster is another than before, or
// may be believed again.
func (r *record) accept(look Observation) (news bool) {
	if !look.StartedAt.After(r.newest.StartedAt) {
		return false
	}
	before := r.newest
	look.ChangedAt = look.StartedAt
	same := look.Presence == before.Presence && sameCluster(look.Cluster, before.Cluster)
	if same {
		look.ChangedAt = before.ChangedAt
		if !look.Deep && !before.Deep {
			look.Cluster = before.Cluster // let the copy go
		}
	}
	failed := r.err != nil
	r.newest, r.err, r.stale = look, nil, false
	r.retries.succeeded()
	if look.Presence == Present {
		r.seen, r.doomed = true, false
	}
	if !r.believable() {
		return false
	}
	settled := r.unsettled
	r.unsettled = false
	return !same || settled || failed
}

// listed notes that a complete list which began at startedAt had the cluster.
func (r *record) listed() { r.absent, r.absentSince, r.unlisted = 0, time.Time{}, false }

// missed notes that a complete list which began at startedAt did not have it.
func (r *record) missed(startedAt time.Time) {
	if r.absent == 0 {
		r.absentSince = startedAt
	}
	r.absent++
	r.stale = false
}

// unconfirmed tells whether a list did not have the cluster and no GET has said
// since whether it is there.
func (r *record) unconfirmed() bool {
	return r.absent > 0 && !r.unlisted && r.newest.Presence == Present && !r.newest.StartedAt.After(r.absentSince)
}

// wait is until when its absence from lists is no reason to ask.
func (r *record) visibleBy(grace time.Duration) time.Time {
	if r.seen {
		return r.wroteAt.Add(grace)
	}
	return r.since.Add(grace)
}

// sameCluster compares what two looks saw, but for Spec: only GET returns it.
func sameCluster(a, b *compute.ClusterDetails) bool {
	if a == nil || b == nil {
		return a == b
	}
	x, y := *a, *b
	x.Spec, y.Spec = nil, nil
	return reflect.DeepEqual(x, y)
}

// trimmed is a copy of a cluster without what is large or restless and of no
// use to a controller. Of the executors it keeps how many there are.
func trimmed(cluster *compute.ClusterDetails) *compute.ClusterDetails {
	c := *cluster
	c.Driver, c.Executors, c.DefaultTags, c.ClusterLogStatus = nil, anyNodes(len(c.Executors)), nil, nil
	c.ClusterCores, c.ClusterMemoryMb = 0, 0
	return &c
}

// manyNodes are shared by all clusters, so that counting executors costs no memory.
var manyNodes = make([]compute.SparkNode, 1000)

// anyNodes are so many nodes of which nothing is known.
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
