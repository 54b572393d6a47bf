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
	// suitableAt is when the next probe by a suitable request may be sent, if that is
	// sooner. Only suitable probes delay it, so failing members do not hold the first
	// request of another one.
	suitableAt time.Time
	// interval is the time between probes, without jitter.
	interval time.Duration
	// suitableHeld is set when a suitable request was held since the last probe. Such a
	// request is expected to be retried and preferred as the next probe.
	suitableHeld bool
}

// suitability is how well a request serves as a probe.
type suitability int

const (
	// unproven requests say little about the domain: they failed before, or, for a host,
	// never succeeded.
	unproven suitability = iota
	// suitable requests have not failed.
	suitable
)

const (
	minProbeInterval = 2 * time.Second
	maxProbeInterval = 30 * time.Second
	probeGrowth      = 1.3
	// probeGrace is how long a probe is reserved for a suitable request.
	probeGrace = 2 * time.Second
)

func (b *breaker) isOpen() bool { return !b.openSince.IsZero() }

// trip opens the breaker.
func (b *breaker) trip(now time.Time) {
	*b = breaker{openSince: now, interval: minProbeInterval}
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
	case s == suitable:
		at = sooner(at, b.suitableAt)
	case b.suitableHeld:
		at = at.Add(probeGrace)
	}
	if !now.Before(at) {
		return time.Time{}
	}
	if s == suitable {
		b.suitableHeld = true
	}
	return at
}

// probed records that a probe was sent. The next one may follow after the interval,
// even if this one is not answered by then.
func (b *breaker) probed(s suitability, now time.Time) {
	b.interval = min(time.Duration(probeGrowth*float64(b.interval)), maxProbeInterval)
	b.probeAt, b.suitableHeld = now.Add(jittered(b.interval)), false
	if s == suitable {
		b.suitableAt = now.Add(minProbeInterval)
	}
}

// cancelProbe records that a probe was not sent after all: another one may be sent now.
func (b *breaker) cancelProbe(now time.Time) {
	if b.isOpen() {
		b.probeAt = now
	}
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
