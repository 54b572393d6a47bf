package cache

import "time"

// GateState is a gate as it is now, for metrics.
type GateState struct {
	Host string
	// Rate is how many calls per second are allowed now, Tokens how many may come
	// at once.
	Rate, Tokens float64
	// Learned is the host's own limit, in calls per second; 0 where it has not
	// shown one.
	Learned float64
	// BreakerOpen tells that the host does not answer, and is only tried.
	BreakerOpen bool
	// Classes are the calls by class name.
	Classes map[string]ClassState
}

// ClassState counts the calls of a class since the gate was made.
type ClassState struct {
	// Granted were let through, Refused told to come back, and Throttled answered
	// by the host with 429.
	Granted, Refused, Throttled int64
	// PausedUntil is what the host asked for; it may have passed.
	PausedUntil time.Time
}

// MirrorState is a mirror as it is now, for metrics.
type MirrorState struct {
	Host, Principal string
	// Objects use it, Watched are the clusters that are somebody's, Listed those
	// that the newest complete list had.
	Objects, Watched, Listed int
	// Pages is what that list took, and ListedAt when it began; zero: none yet.
	Pages    int
	ListedAt time.Time
	Health   Health
}

// Gates are the gates there are, in no order.
func (r *Registry) Gates() []GateState {
	_, gates := r.snapshot()
	states := make([]GateState, 0, len(gates))
	for _, g := range gates {
		states = append(states, g.state(time.Now()))
	}
	return states
}

// Mirrors are the mirrors there are, in no order.
func (r *Registry) Mirrors() []MirrorState {
	mirrors, _ := r.snapshot()
	states := make([]MirrorState, 0, len(mirrors))
	for _, m := range mirrors {
		states = append(states, m.state())
	}
	return states
}

func (g *gate) state(now time.Time) GateState {
	g.mu.Lock()
	defer g.mu.Unlock()
	state := GateState{
		Host: g.host, Rate: g.pace.rate, Tokens: g.bucket.TokensAt(now), Learned: g.pace.learned,
		BreakerOpen: !g.breaker.openUntil.IsZero(), Classes: map[string]ClassState{},
	}
	for class := range classes {
		q := &g.queues[class]
		state.Classes[class.String()] = ClassState{q.granted, q.refused, q.throttled, q.pausedUntil}
	}
	return state
}

func (m *mirror) state() MirrorState {
	m.mu.Lock()
	defer m.mu.Unlock()
	return MirrorState{
		Host: m.host, Principal: m.principal.UserName,
		Objects: len(m.objects), Watched: len(m.watched), Listed: len(m.snapshot.clusters),
		Pages: m.pages, ListedAt: m.snapshot.startedAt, Health: m.health.shown(),
	}
}
