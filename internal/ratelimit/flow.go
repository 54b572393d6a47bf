package ratelimit

import (
	"math/rand/v2"
	"time"
)

// flow is the requests of one priority that share fairly with those of others,
// for example a namespace. Its requests come and ask by themselves, at the times
// that they were given; a flow waits as long as it is expected to ask.
type flow struct {
	// order is when the flow got its last token. The flow with the earliest has
	// the turn. One that begins to wait is put at most newcomerTokens ahead.
	order time.Time
	// first and last are the times of the line that requests were given and that
	// are still to come; next is the first free one.
	first, last, next time.Time
	// turnAt is the time that a request was given because the flow has the turn.
	turnAt time.Time
	// askedAt is when a request of the flow last asked, and reason what it was
	// last held by.
	askedAt time.Time
	reason  Reason
	// spacing is the time between two requests of the line.
	spacing time.Duration
}

const (
	// horizon bounds how far ahead a request is sent away: further, the rate may
	// have risen meanwhile.
	horizon = 10 * time.Second
	// grace is how long a request that does not ask at the time that it was given
	// is still expected.
	grace = time.Second
	// turnGrace is how long at least the turn of a flow that is late is kept.
	turnGrace = 250 * time.Millisecond
	// newcomerTokens is how many tokens back a flow that begins to wait is put in
	// the order of turns, so that it goes before one that has just been served.
	newcomerTokens = 3
	// flowMemory is how long a flow that does not ask is remembered.
	flowMemory = time.Minute
)

// ask records that a request of the flow asks now, at a rate of one token a span.
func (f *flow) ask(now time.Time, token time.Duration) {
	if !f.waits(now) {
		if back := now.Add(-newcomerTokens * token); f.order.Before(back) {
			f.order = back
		}
		f.next, f.reason = time.Time{}, ""
	}
	f.askedAt = now
}

// waits reports whether a request of the flow is still expected.
func (f *flow) waits(now time.Time) bool {
	expected := later(later(f.first, f.askedAt).Add(f.spacing), f.turnAt)
	return !f.last.IsZero() && !now.After(f.last.Add(grace)) && !now.After(expected.Add(grace))
}

// soon reports whether the next request of the flow is expected about now, at a
// rate of one token a span.
func (f *flow) soon(now time.Time, token time.Duration) bool {
	if !f.waits(now) {
		return false
	}
	due := later(f.first, f.askedAt.Add(f.spacing))
	if f.turnAt.After(f.askedAt) {
		due = f.turnAt
	}
	return !due.After(now.Add(token/4)) && !now.After(due.Add(max(token, turnGrace)))
}

// line gives a request a time from earliest on: spread over the line as the span
// says, of which half is left out since not all requests ask again. A request
// that finds no place before the horizon asks again after it, spread at random.
func (f *flow) line(earliest time.Time, span time.Duration) time.Time {
	if f.next.Before(earliest) {
		f.next, f.first = earliest, earliest
	}
	if f.next.After(earliest.Add(horizon)) {
		return earliest.Add(horizon/2 + rand.N(horizon/2))
	}
	f.last, f.spacing = f.next, span/2
	f.next = f.next.Add(f.spacing)
	return f.last
}

// takeTurn gives a request the time at which the turn of the flow comes. It reports
// whether no other request of the flow has it.
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

// turn is where a flow stands among those that compete with it.
type turn struct {
	// ahead is how many flows have their turn before it.
	ahead int
	// yields is set when one of those is about to ask.
	yields bool
}

// turn returns where a flow stands among those that compete with it, at a rate of
// one token a span.
func (q *queue) turn(f *flow, now time.Time, token time.Duration, competes func(string, *flow) bool) (t turn) {
	for name, other := range q.flows {
		if other != f && other.order.Before(f.order) && other.waits(now) && competes(name, other) {
			t.ahead++
			t.yields = t.yields || other.soon(now, token)
		}
	}
	return t
}

// waiting counts the flows that wait.
func (q *queue) waiting(now time.Time) (n int) {
	for _, f := range q.flows {
		if f.waits(now) {
			n++
		}
	}
	return n
}

func (q *queue) pruneFlows(now time.Time) {
	for name, f := range q.flows {
		if !f.waits(now) && now.Sub(f.askedAt) > flowMemory {
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
