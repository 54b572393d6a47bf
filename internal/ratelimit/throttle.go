package ratelimit

import "time"

// throttling tracks the 429s of one endpoint, to detect a limit of this endpoint alone.
type throttling struct {
	// consecutive counts the 429s of the endpoint in a row before each of which a
	// request to another endpoint was served.
	consecutive int
	at          time.Time
	// othersServed is set when another endpoint was served since the last 429.
	othersServed bool
}

const (
	// minEndpointThrottles is the number of consecutive 429s that indicate a limit of
	// the endpoint alone.
	minEndpointThrottles = 3
	minEndpointPause     = time.Second
	maxEndpointPause     = 30 * time.Second
)

// throttled records a 429 and reports whether the limit is that of the endpoint alone.
func (t *throttling) throttled(now time.Time) bool {
	switch {
	case now.Sub(t.at) < burstSpan: // the same burst
	case t.othersServed || t.consecutive >= minEndpointThrottles:
		t.consecutive++
	default:
		t.consecutive = 1
	}
	t.at, t.othersServed = now, false
	return t.consecutive >= minEndpointThrottles
}

// pause returns how long an endpoint with its own limit is paused if its 429 has no
// Retry-After.
func (t *throttling) pause() time.Duration {
	return min(minEndpointPause<<min(t.consecutive-minEndpointThrottles, 10), maxEndpointPause)
}
