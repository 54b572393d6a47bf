package ratelimit

import (
	"maps"
	"slices"
	"time"
)

// State is a Limiter as it is now, for metrics.
type State struct {
	Name string
	// Rate is how many requests per second are allowed now, Tokens how many may be
	// sent at once.
	Rate, Tokens float64
	// Learned is the service's own limit, in requests per second; 0 where it has
	// not shown one.
	Learned float64
	// HostUnavailable is set while the breaker of the host is open, and
	// UnavailableEndpoints are those whose breaker is, sorted.
	HostUnavailable      bool
	UnavailableEndpoints []string
	// WritesInFlight counts the writes that have not been answered.
	WritesInFlight int
	// Priorities are the requests by the name of their priority.
	Priorities map[string]PriorityState
	// Waits counts by reason the requests that got a Wait.
	Waits map[Reason]int64
}

// PriorityState counts the requests of a priority since the Limiter was made.
type PriorityState struct {
	// Granted were sent, Refused got a Wait, and Throttled were answered with 429.
	Granted, Refused, Throttled int64
	// Waiting is how many flows wait.
	Waiting int
	// PausedUntil is what the service asked for; it may have passed.
	PausedUntil time.Time
}

// State returns the state at now.
func (l *Limiter) State(now time.Time) State {
	l.mu.Lock()
	defer l.mu.Unlock()
	state := State{
		Name: l.name, Rate: l.rate.rate, Tokens: l.bucket.tokens(now), Learned: l.rate.learned,
		HostUnavailable: l.domains.host.isOpen(), WritesInFlight: l.writes.total.count,
		Priorities: map[string]PriorityState{}, Waits: maps.Clone(l.waits),
	}
	for name, e := range l.domains.endpoints {
		if e.breaker.isOpen() {
			state.UnavailableEndpoints = append(state.UnavailableEndpoints, name)
		}
	}
	slices.Sort(state.UnavailableEndpoints)
	for p := range priorities {
		q := &l.queues[p]
		state.Priorities[p.String()] = PriorityState{
			Granted: q.granted, Refused: q.refused, Throttled: q.throttled,
			Waiting: q.waiting(now), PausedUntil: q.pausedUntil,
		}
	}
	return state
}

// Health is whether an endpoint answers.
type Health struct {
	// Reason is ReasonHostUnavailable or ReasonEndpointUnavailable, and empty where
	// the endpoint answers as far as is known.
	Reason Reason
	// Domain is what does not answer: the name of the Limiter, or the endpoint.
	Domain string
	// Since is when its breaker opened, ProbeAt when the next probe may be sent.
	Since, ProbeAt time.Time
}

// Health returns the health of an endpoint: that of the host where the host does
// not answer.
func (l *Limiter) Health(endpoint string) Health {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b := &l.domains.host; b.isOpen() {
		return Health{Reason: ReasonHostUnavailable, Domain: l.name, Since: b.openSince, ProbeAt: b.probeAt}
	}
	e := l.domains.endpoints[endpoint]
	if e == nil || !e.breaker.isOpen() {
		return Health{}
	}
	return Health{Reason: ReasonEndpointUnavailable, Domain: endpoint, Since: e.breaker.openSince, ProbeAt: e.breaker.probeAt}
}
