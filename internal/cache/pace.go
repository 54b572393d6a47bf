package cache

import (
	"math"
	"time"
)

// pace learns how many calls a second a host bears, though no host tells.
//
// Until the first 429 it doubles while it is used up. A server that says 429
// has an empty bucket, so between two of them it let through exactly what it
// refills: that quotient is the limit. pace then holds below it by the
// headroom. A 429 while it holds means that the limit shrank, and it learns
// again; now and then it tries for more, less often each time it was in vain.
type pace struct {
	limits Limits
	// rate is what is allowed now, in calls per second.
	rate float64
	// learned is the server's limit; 0 where it is not known.
	learned float64
	// failed is the rate at the last 429; 0 before the first.
	failed float64
	// cutAt is when the rate was last halved. What began before belongs to the
	// same burst of 429s.
	cutAt time.Time
	// accepted counts the calls let through by the server since cutAt.
	accepted int
	// lately is how many were let through within the last seconds.
	lately meter
	// advancedAt is when rate was last adjusted; heldSince when it came to its
	// hold.
	advancedAt, heldSince time.Time
	// doubledAt is when the rate was last doubled, or set at first.
	doubledAt time.Time
	// probeAfter is how long to hold before trying for more.
	probeAfter time.Duration
	probing    bool
}

const (
	doubleEvery = 3 * time.Second
	// minRate is what is left to every host, in calls per second.
	minRate         = 0.5
	firstProbe      = 15 * time.Second
	lastProbe       = 30 * time.Minute
	burstSpan       = time.Second
	shortestMeasure = 2 * time.Second
	// longestMeasure bounds the time between two 429s that may be measured:
	// over a longer one the server's bucket was full and spilled.
	longestMeasure = 20 * time.Second
	// overshoot is taken off a rate at which a climb ended: the server's burst
	// let it go further than the limit.
	overshoot = 0.85
	// worthwhile is by how much a limit must have grown to be believed.
	worthwhile = 1.05
)

func newPace(limits Limits) pace {
	return pace{limits: limits, rate: math.Min(limits.Start, limits.Max), probeAfter: firstProbe}
}

// hold is where the rate rests.
func (p *pace) hold() float64 {
	if p.learned == 0 {
		return p.limits.Max
	}
	return p.bounded(p.learned * (1 - p.limits.Headroom))
}

func (p *pace) bounded(rate float64) float64 {
	return math.Max(math.Min(minRate, p.limits.Max), math.Min(rate, p.limits.Max))
}

// advance lets time pass. Only a rate that is used up is a rate that is tested,
// so only then it rises.
func (p *pace) advance(now time.Time, usedUp bool) {
	elapsed := now.Sub(p.advancedAt)
	p.advancedAt = now
	if !usedUp {
		p.doubledAt, p.heldSince = now, time.Time{}
		if p.probing {
			p.rate, p.probing = p.hold(), false
		}
		return
	}
	seconds := math.Min(elapsed.Seconds(), 1)
	switch {
	case p.failed == 0:
		if now.Sub(p.doubledAt) >= doubleEvery {
			p.rate, p.doubledAt = p.bounded(2*p.rate), now
		}
	case p.learned == 0:
		p.rate = p.bounded(p.rate + seconds*p.climb())
	case p.probing && p.lately.perSecond(now) < 0.85*p.rate: // not tested yet
	case p.probing:
		p.rate = p.bounded(p.rate + seconds*p.hold()/20)
	case p.rate < p.hold():
		p.rate = math.Min(p.hold(), p.rate+seconds*p.hold()/6)
	default:
		p.rest(now)
	}
}

// climb is how fast the rate rises between two 429s: gently up to where the
// first one was, and like a search beyond it, for that one then came from calls
// too close together rather than from too many.
func (p *pace) climb() float64 {
	if p.rate < p.failed {
		return p.failed / 16
	}
	return p.rate / 8
}

// rest is what happens while the rate is at its hold.
func (p *pace) rest(now time.Time) {
	p.rate = p.hold()
	if p.heldSince.IsZero() {
		p.heldSince = now
	}
	p.probing = now.Sub(p.heldSince) >= p.probeAfter && p.rate < p.limits.Max
}

// served counts a call that the server let through.
func (p *pace) served(now time.Time) {
	p.accepted++
	p.lately.add(now)
}

// throttled takes a 429 of a call that began at startedAt. It tells whether
// this began a new burst.
func (p *pace) throttled(startedAt, now time.Time) bool {
	if !p.cutAt.IsZero() && (!startedAt.After(p.cutAt) || now.Sub(p.cutAt) < burstSpan) {
		return false
	}
	measured := p.measure(now)
	switch {
	case measured > 0:
		p.learned = measured
	case p.probing && overshoot*p.lately.perSecond(now) > p.learned*worthwhile:
		p.learned, p.probeAfter = overshoot*p.lately.perSecond(now), firstProbe
	case p.probing:
		p.probeAfter = min(2*p.probeAfter, lastProbe)
	default:
		p.learned = 0
	}
	p.failed = p.rate
	p.rate = p.bounded(math.Min(p.rate/2, p.hold()))
	p.cutAt, p.accepted, p.probing, p.heldSince = now, 0, false, time.Time{}
	return true
}

// measure is the server's limit as seen between the last 429 and this one; 0
// where that says nothing.
func (p *pace) measure(now time.Time) float64 {
	span := now.Sub(p.cutAt)
	if p.cutAt.IsZero() || span < shortestMeasure || span > longestMeasure || p.accepted < 4 {
		return 0
	}
	return float64(p.accepted) / span.Seconds()
}
