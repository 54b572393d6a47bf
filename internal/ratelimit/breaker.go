package ratelimit

import (
	"math/rand/v2"
	"time"
)

// breaker is a circuit breaker. It holds the requests to a domain that does not
// answer, except for periodic probes. Any answer closes it.
type breaker struct {
	// openSince is when the breaker opened; zero while it is closed.
	openSince time.Time
	// probeAt is when the next probe may be sent.
	probeAt time.Time
	// probedAt is when the last probe was sent, or the breaker opened.
	probedAt time.Time
	// interval is the time between probes, without jitter.
	interval time.Duration
	// suitableHeld is set when a knownToWork request was held since the last probe. Such
	// a request is expected to be retried and preferred as the next probe.
	suitableHeld bool
}

// suitability is how well a request serves as a probe.
type suitability int

const (
	// unproven requests have failed.
	unproven suitability = iota
	// untried requests have neither failed nor succeeded.
	untried
	// knownToWork requests have succeeded and have not failed since.
	knownToWork
)

const (
	minProbeInterval = 2 * time.Second
	maxProbeInterval = 30 * time.Second
	probeGrowth      = 1.3
	// probeGrace is how long a probe is reserved for a knownToWork request.
	probeGrace = 2 * time.Second
)

func (b *breaker) isOpen() bool { return !b.openSince.IsZero() }

// trip opens the breaker.
func (b *breaker) trip(now time.Time) {
	*b = breaker{openSince: now, probedAt: now, interval: minProbeInterval}
	b.probeAt = now.Add(jittered(b.interval))
}

// reset closes the breaker. It reports whether it was open.
func (b *breaker) reset() bool {
	wasOpen := b.isOpen()
	*b = breaker{}
	return wasOpen
}

// hold returns until when a request is held; zero if it may be sent. A request that
// may be sent while the breaker is open is a probe.
func (b *breaker) hold(s suitability, now time.Time) time.Time {
	if !b.isOpen() {
		return time.Time{}
	}
	at := b.probeAt
	switch {
	case s == unproven && b.suitableHeld:
		at = at.Add(probeGrace)
	case s != unproven: // only probes that failed lengthen the interval
		at = sooner(at, b.probedAt.Add(minProbeInterval))
	}
	if !now.Before(at) {
		return time.Time{}
	}
	if s == knownToWork {
		b.suitableHeld = true
	}
	return at
}

// probed records that a probe was sent. The next one may follow after the interval,
// even if this one is not answered by then.
func (b *breaker) probed(now time.Time) {
	b.interval = min(time.Duration(probeGrowth*float64(b.interval)), maxProbeInterval)
	b.probeAt, b.probedAt, b.suitableHeld = now.Add(jittered(b.interval)), now, false
}

func sooner(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// jittered returns a span that differs by up to a quarter, so that several operators do
// not probe at the same time.
func jittered(span time.Duration) time.Duration {
	return span*3/4 + rand.N(span/2)
}
