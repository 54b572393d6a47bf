package ratelimit

import (
	"slices"
	"time"
)

const (
	// maxWrites bounds the writes in flight. More would occupy workers while the host is
	// silent, and a host that answers needs no more at the rates of Databricks.
	maxWrites = 6
	// maxChanges bounds those of PriorityChange.
	maxChanges = 4
	// A request that waits for unanswered writes is retried after half the age of the
	// oldest one: at most after ownUnansweredPause if the places of its own flow are
	// used up, and after otherUnansweredPause otherwise or if it is a terminate.
	ownUnansweredPause   = 5 * time.Second
	otherUnansweredPause = time.Second
)

// inFlight counts the writes that have not been answered yet. One flow may use all
// places except one.
type inFlight struct {
	total, changes flight
	// since are the times at which the writes were sent, the oldest first.
	since []time.Time
}

// pause returns when to retry a request whose flow has own free places.
func (i *inFlight) pause(p Priority, own int, now time.Time) time.Duration {
	longest := otherUnansweredPause
	if own <= 0 && p != PriorityTerminate {
		longest = ownUnansweredPause
	}
	if len(i.since) == 0 {
		return 0
	}
	return min(now.Sub(i.since[0])/2, longest)
}

// flight counts requests, in total and by flow.
type flight struct {
	count int
	flows map[string]int
}

func newInFlight() inFlight {
	return inFlight{total: flight{flows: map[string]int{}}, changes: flight{flows: map[string]int{}}}
}

// free returns the free places of a flow and of all flows together for writes of a
// priority.
func (i *inFlight) free(p Priority, flow string) (own, all int) {
	all, own = maxWrites-i.total.count, maxWrites-1-i.total.flows[flow]
	if p == PriorityChange {
		all = min(all, maxChanges-i.changes.count)
		own = min(own, maxChanges-1-i.changes.flows[flow])
	}
	return own, all
}

func (i *inFlight) add(r Request, now time.Time) {
	if !r.Priority.isWrite() {
		return
	}
	i.since = append(i.since, now)
	i.total.add(r.Flow, 1)
	if r.Priority == PriorityChange {
		i.changes.add(r.Flow, 1)
	}
}

// remove removes a write that was sent at a time.
func (i *inFlight) remove(r Request, at time.Time) {
	if !r.Priority.isWrite() {
		return
	}
	if n := slices.IndexFunc(i.since, at.Equal); n >= 0 {
		i.since = slices.Delete(i.since, n, n+1)
	}
	i.total.add(r.Flow, -1)
	if r.Priority == PriorityChange {
		i.changes.add(r.Flow, -1)
	}
}

func (f *flight) add(flow string, n int) {
	f.count += n
	f.flows[flow] += n
	if f.flows[flow] == 0 {
		delete(f.flows, flow)
	}
}
