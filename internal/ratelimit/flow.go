package ratelimit

import (
	"math/rand/v2"
	"time"
)

// flow has the requests of one priority and one namespace, which shares the rate
// fairly with others. A held request is assigned a retry slot: the time at which its
// caller is expected to retry. A flow is waiting while a retry is expected.
type flow struct {
	// order is when the flow got its last token. The flow with the earliest order has
	// the turn. A flow that begins to wait is at most newcomerTokens ahead.
	order time.Time
	// first and last are the earliest and the latest assigned retry slot; next is the
	// first free one.
	first, last, next time.Time
	// turnAt is the retry time of the request that has the flow's turn.
	turnAt time.Time
	// requestedAt is when the last request of the flow arrived, and reason is why it
	// was last held.
	requestedAt time.Time
	reason      Reason
	// spacing is the time between two retry slots.
	spacing time.Duration
}

const (
	// maxRetryHint bounds the time until a retry slot, because the rate may rise
	// meanwhile.
	maxRetryHint = 10 * time.Second
	// slotGrace is how long a retry is still expected after its slot.
	slotGrace = time.Second
	// turnGrace is the shortest time for which the turn of a late flow is reserved.
	turnGrace = 250 * time.Millisecond
	// newcomerTokens is the advantage, in tokens, of a flow that begins to wait over one
	// that has just been served.
	newcomerTokens = 3
	// flowIdleTimeout is how long a flow without requests is kept.
	flowIdleTimeout = time.Minute
)

// recordRequest records that a request of the flow arrives. token is the time that
// refills one token.
func (f *flow) recordRequest(now time.Time, token time.Duration) {
	if !f.isWaiting(now) {
		if back := now.Add(-newcomerTokens * token); f.order.Before(back) {
			f.order = back
		}
		f.next, f.reason = time.Time{}, ""
	}
	f.requestedAt = now
}

// isWaiting reports whether a retry of the flow is expected.
func (f *flow) isWaiting(now time.Time) bool {
	expected := later(later(f.first, f.requestedAt).Add(f.spacing), f.turnAt)
	return !f.last.IsZero() && !now.After(f.last.Add(slotGrace)) && !now.After(expected.Add(slotGrace))
}

// isDue reports whether the next retry of the flow is expected about now. token is the
// time that refills one token.
func (f *flow) isDue(now time.Time, token time.Duration) bool {
	if !f.isWaiting(now) {
		return false
	}
	due := later(f.first, f.requestedAt.Add(f.spacing))
	if f.turnAt.After(f.requestedAt) {
		due = f.turnAt
	}
	return !due.After(now.Add(token/4)) && !now.After(due.Add(max(token, turnGrace)))
}

// retrySlot assigns a request a slot at or after earliest. Slots are half a span apart,
// because not all requests are retried. A request without a slot before maxRetryHint
// gets a random time.
func (f *flow) retrySlot(earliest time.Time, span time.Duration) time.Time {
	if f.next.Before(earliest) {
		f.next, f.first = earliest, earliest
	}
	if f.next.After(earliest.Add(maxRetryHint)) {
		return earliest.Add(maxRetryHint/2 + rand.N(maxRetryHint/2))
	}
	f.last, f.spacing = f.next, span/2
	f.next = f.next.Add(f.spacing)
	return f.last
}

// takeTurn assigns the flow's turn at a time to a request, unless another request of
// the flow has it. It reports whether it did.
func (f *flow) takeTurn(at, now time.Time) bool {
	if f.turnAt.After(now) {
		return false
	}
	f.turnAt = at
	f.last = later(f.last, at)
	return true
}

// served records that a request of the flow got a token.
func (f *flow) served(now time.Time) {
	f.order = now
	if !f.last.After(now) {
		f.last = time.Time{}
	}
}

// flow returns the flow of a name.
func (q *queue) flow(name string) *flow {
	f := q.flows[name]
	if f == nil {
		f = &flow{}
		q.flows[name] = f
	}
	return f
}

// turn is the position of a flow among those that compete with it.
type turn struct {
	// ahead is the number of flows that have their turn before it.
	ahead int
	// yields is set if a retry of one of those is due.
	yields bool
}

// turn returns the position of a flow among those that compete with it. token is the
// time that refills one token.
func (q *queue) turn(f *flow, now time.Time, token time.Duration, competes func(string, *flow) bool) (t turn) {
	for name, other := range q.flows {
		if other != f && other.order.Before(f.order) && other.isWaiting(now) && competes(name, other) {
			t.ahead++
			t.yields = t.yields || other.isDue(now, token)
		}
	}
	return t
}

// waitingFlows returns the number of waiting flows.
func (q *queue) waitingFlows(now time.Time) (n int) {
	for _, f := range q.flows {
		if f.isWaiting(now) {
			n++
		}
	}
	return n
}

func (q *queue) pruneFlows(now time.Time) {
	for name, f := range q.flows {
		if !f.isWaiting(now) && now.Sub(f.requestedAt) > flowIdleTimeout {
			delete(q.flows, name)
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
