package ratelimit

import (
	"slices"
	"time"
)

const (
	// maxWrites is how many writes may be in flight. More would take the workers
	// from other hosts while this one is silent, and no host that answers needs
	// them at any rate that Databricks allows.
	maxWrites = 6
	// maxChanges is how many of those may be no terminates.
	maxChanges = 4
	// A request that waits for writes which are not answered asks again after half of
	// their age, so that a service that is quick costs no time, and one that is silent
	// few attempts: at most after ownUnansweredPause where they are its own flow's,
	// and after otherUnansweredPause where they are others', or it is a terminate.
	ownUnansweredPause   = 5 * time.Second
	otherUnansweredPause = time.Second
)

// inFlight counts the writes that have not been answered yet. One flow may use
// all places but one.
type inFlight struct {
	total, changes flight
	// since are when the writes were sent, the oldest first.
	since []time.Time
}

// pause returns when a request whose flow has so many free places asks again.
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

// flight counts requests, in all and by flow.
type flight struct {
	count int
	flows map[string]int
}

func newInFlight() inFlight {
	return inFlight{total: flight{flows: map[string]int{}}, changes: flight{flows: map[string]int{}}}
}

// free returns how many more writes of a priority and a flow may be sent, and how
// many of all flows.
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

// remove takes out a write that was sent at a time.
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
