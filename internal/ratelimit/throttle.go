package ratelimit

import "time"

// throttling follows the 429s of one endpoint, to find one that is limited by
// itself while the host accepts other requests.
type throttling struct {
	// row counts 429s of the endpoint in a row, each with a request to another
	// endpoint served before it.
	row int
	at  time.Time
	// othersServed is set when another endpoint was served since the last 429.
	othersServed bool
}

const (
	// loneThrottles is how many 429s in a row mean that the limit is the
	// endpoint's own.
	loneThrottles      = 3
	firstEndpointPause = time.Second
	lastEndpointPause  = 30 * time.Second
)

// throttled takes a 429, and reports whether the limit is the endpoint's own.
func (t *throttling) throttled(now time.Time) bool {
	switch {
	case now.Sub(t.at) < burstSpan: // the same burst
	case t.othersServed || t.row >= loneThrottles:
		t.row++
	default:
		t.row = 1
	}
	t.at, t.othersServed = now, false
	return t.row >= loneThrottles
}

// pause is how long an endpoint with a limit of its own gets no request where
// the service asks for nothing.
func (t *throttling) pause() time.Duration {
	return min(firstEndpointPause<<min(t.row-loneThrottles, 10), lastEndpointPause)
}
