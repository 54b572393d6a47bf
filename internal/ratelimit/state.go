package ratelimit

import (
	"maps"
	"slices"
	"time"
)

// State is the current state of a Limiter, for metrics.
type State struct {
	Name string
	// Rate is the current rate in requests per second, and Tokens is the number of
	// requests that may be sent at once.
	Rate, Tokens float64
	// Learned is the measured limit of the service, in requests per second; 0 if it is
	// not known.
	Learned float64
	// HostUnavailable reports whether the breaker of the host is open.
	// UnavailableEndpoints are the endpoints whose breaker is open, sorted.
	HostUnavailable      bool
	UnavailableEndpoints []string
	// WritesInFlight counts the writes that have not been answered.
	WritesInFlight int
	// Priorities has the state of each priority by name.
	Priorities map[string]PriorityState
	// Waits counts the requests that got a Wait, by reason.
	Waits map[Reason]int64
}

// PriorityState counts the requests of a priority since the Limiter was made.
type PriorityState struct {
	// Granted counts the requests that got a permit, Refused those that got a Wait, and
	// Throttled those that were answered with 429.
	Granted, Refused, Throttled int64
	// Waiting is the number of waiting flows.
	Waiting int
	// PausedUntil is the end of the last Retry-After, which may be in the past.
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
			Waiting: q.waitingFlows(now), PausedUntil: q.pausedUntil,
		}
	}
	return state
}

// Health is the health of an endpoint.
type Health struct {
	// Reason is ReasonHostUnavailable or ReasonEndpointUnavailable; empty if no breaker
	// is open.
	Reason Reason
	// Domain is the domain of the open breaker: the name of the Limiter, or the
	// endpoint.
	Domain string
	// Since is when the breaker opened, ProbeAt when the next probe may be sent.
	Since, ProbeAt time.Time
}

// Health returns the health of an endpoint, or that of the host if its breaker is open.
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
