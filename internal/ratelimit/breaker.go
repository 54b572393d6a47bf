package ratelimit

import (
	"math/rand/v2"
	"time"
)

// breaker holds the requests to a domain that does not answer, and lets one
// through from time to time as a probe. Any answer closes it.
type breaker struct {
	// openSince is when it opened; zero while it is closed.
	openSince time.Time
	// probeAt is when the next probe may be sent.
	probeAt time.Time
	// probedAt is when the last probe was sent, or the breaker opened.
	probedAt time.Time
	// interval is the time from one probe to the next, before jitter.
	interval time.Duration
	// suited is set when a request that is known to work was held since the last
	// probe, so that one of its kind is expected to ask again.
	suited bool
}

// suitability is how well a request serves as a probe.
type suitability int

const (
	// unproven requests are among those that failed.
	unproven suitability = iota
	// untried requests have neither failed nor succeeded.
	untried
	// knownToWork requests have succeeded before, and are not among those that
	// opened the breaker.
	knownToWork
)

const (
	firstProbeInterval = 2 * time.Second
	lastProbeInterval  = 30 * time.Second
	probeGrowth        = 1.3
	// probeGrace is how long a probe is kept for a request that is known to work.
	probeGrace = 2 * time.Second
)

func (b *breaker) isOpen() bool { return !b.openSince.IsZero() }

// trip opens the breaker.
func (b *breaker) trip(now time.Time) {
	*b = breaker{openSince: now, probedAt: now, interval: firstProbeInterval}
	b.probeAt = now.Add(jittered(b.interval))
}

// reset closes the breaker. It reports whether it was open.
func (b *breaker) reset() bool {
	wasOpen := b.isOpen()
	*b = breaker{}
	return wasOpen
}

// hold returns until when a request is held; zero where it may be sent, which
// makes it a probe if the breaker is open.
func (b *breaker) hold(s suitability, now time.Time) time.Time {
	if !b.isOpen() {
		return time.Time{}
	}
	at := b.probeAt
	switch {
	case s == unproven && b.suited:
		at = at.Add(probeGrace)
	case s != unproven: // what failed before has lengthened the interval
		at = sooner(at, b.probedAt.Add(firstProbeInterval))
	}
	if !now.Before(at) {
		return time.Time{}
	}
	if s == knownToWork {
		b.suited = true
	}
	return at
}

// probed records that a probe was sent. The next may follow after the interval,
// whether this one is answered by then or not.
func (b *breaker) probed(now time.Time) {
	b.interval = min(time.Duration(probeGrowth*float64(b.interval)), lastProbeInterval)
	b.probeAt, b.probedAt, b.suited = now.Add(jittered(b.interval)), now, false
}

func sooner(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// jittered returns a span of a quarter more or less, so that operators do not
// probe together.
func jittered(span time.Duration) time.Duration {
	return span*3/4 + rand.N(span/2)
}
