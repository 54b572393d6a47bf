package ratelimit

import (
	"math"
	"time"

	"golang.org/x/time/rate"
)

// adaptiveRate learns how many requests a second a host accepts, from its 429s
// alone.
//
// Until the first 429 the rate doubles while it is used up. A server that
// answers 429 has an empty bucket, so between two of them it accepted exactly
// what it refills: that quotient is the limit. The rate then holds below it by
// the headroom. A 429 while it holds means that the limit shrank, and it is
// learned again; now and then a higher rate is probed, less often each time that
// failed.
type adaptiveRate struct {
	options Options
	// rate is what is allowed now, in requests per second.
	rate float64
	// learned is the server's limit; 0 where it is not known.
	learned float64
	// failed is the rate at the last 429; 0 before the first.
	failed float64
	// cutAt is when the rate was last halved. Requests that began before belong to
	// the same burst of 429s.
	cutAt time.Time
	// accepted counts the requests that the server accepted since cutAt.
	accepted int
	// recent measures what the server accepted within the last seconds.
	recent meter
	// advancedAt is when rate was last adjusted; heldSince when it reached its
	// hold.
	advancedAt, heldSince time.Time
	// doubledAt is when the rate was last doubled, or set at first.
	doubledAt time.Time
	// probeAfter is how long to hold before a higher rate is probed.
	probeAfter time.Duration
	probing    bool
}

const (
	doubleEvery = 3 * time.Second
	// minRate is the lowest rate, in requests per second.
	minRate        = 0.5
	firstRateProbe = 15 * time.Second
	lastRateProbe  = 30 * time.Minute
	// burstSpan is how long the 429s after a cut belong to the same burst.
	burstSpan       = time.Second
	shortestMeasure = 2 * time.Second
	// longestMeasure bounds the time between two 429s that may be measured: over
	// a longer one the server's bucket was full and spilled.
	longestMeasure = 20 * time.Second
	// overshoot is taken off a rate at which a climb ended: the server's burst let
	// it go further than the limit.
	overshoot = 0.85
	// worthwhile is by how much a limit must have grown to replace the learned one.
	worthwhile = 1.05
)

func newAdaptiveRate(options Options) adaptiveRate {
	return adaptiveRate{options: options, rate: math.Min(options.Start, options.Max), probeAfter: firstRateProbe}
}

// hold is the rate at which nothing is tried.
func (a *adaptiveRate) hold() float64 {
	if a.learned == 0 {
		return a.options.Max
	}
	return a.bounded(a.learned * (1 - a.options.Headroom))
}

func (a *adaptiveRate) bounded(perSecond float64) float64 {
	return math.Max(math.Min(minRate, a.options.Max), math.Min(perSecond, a.options.Max))
}

// advance lets time pass. The rate rises only while it is used up, because only
// then it is tested.
func (a *adaptiveRate) advance(now time.Time, usedUp bool) {
	elapsed := now.Sub(a.advancedAt)
	a.advancedAt = now
	if !usedUp {
		a.doubledAt, a.heldSince = now, time.Time{}
		if a.probing {
			a.rate, a.probing = a.hold(), false
		}
		return
	}
	seconds := math.Min(elapsed.Seconds(), 1)
	switch {
	case a.failed == 0:
		if now.Sub(a.doubledAt) >= doubleEvery {
			a.rate, a.doubledAt = a.bounded(2*a.rate), now
		}
	case a.learned == 0:
		a.rate = a.bounded(a.rate + seconds*a.climb())
	case a.probing && a.recent.perSecond(now) < 0.85*a.rate: // not tested yet
	case a.probing:
		a.rate = a.bounded(a.rate + seconds*a.hold()/20)
	case a.rate < a.hold():
		a.rate = math.Min(a.hold(), a.rate+seconds*a.hold()/6)
	default:
		a.rest(now)
	}
}

// climb is how fast the rate rises between two 429s: gently up to where the
// first one was, and like a search beyond it, because that one then came from
// requests too close together rather than from too many.
func (a *adaptiveRate) climb() float64 {
	if a.rate < a.failed {
		return a.failed / 16
	}
	return a.rate / 8
}

// rest keeps the rate at its hold until it is time for a probe.
func (a *adaptiveRate) rest(now time.Time) {
	a.rate = a.hold()
	if a.heldSince.IsZero() {
		a.heldSince = now
	}
	a.probing = now.Sub(a.heldSince) >= a.probeAfter && a.rate < a.options.Max
}

// served counts a request that the server accepted.
func (a *adaptiveRate) served(now time.Time) {
	a.accepted++
	a.recent.add(now)
}

// throttled takes a 429 of a request that began at startedAt. It reports whether
// this began a new burst.
func (a *adaptiveRate) throttled(startedAt, now time.Time) bool {
	if !a.cutAt.IsZero() && (!startedAt.After(a.cutAt) || now.Sub(a.cutAt) < burstSpan) {
		return false
	}
	measured := a.measure(now)
	switch {
	case measured > 0:
		a.learned = measured
	case a.probing && overshoot*a.recent.perSecond(now) > a.learned*worthwhile:
		a.learned, a.probeAfter = overshoot*a.recent.perSecond(now), firstRateProbe
	case a.probing:
		a.probeAfter = min(2*a.probeAfter, lastRateProbe)
	default:
		a.learned = 0
	}
	a.failed = a.rate
	a.rate = a.bounded(math.Min(a.rate/2, a.hold()))
	a.cutAt, a.accepted, a.probing, a.heldSince = now, 0, false, time.Time{}
	return true
}

// measure is the server's limit as seen between the last 429 and this one; 0
// where that says nothing.
func (a *adaptiveRate) measure(now time.Time) float64 {
	span := now.Sub(a.cutAt)
	if a.cutAt.IsZero() || span < shortestMeasure || span > longestMeasure || a.accepted < 4 {
		return 0
	}
	return float64(a.accepted) / span.Seconds()
}

// bucket is a token bucket that takes tokens back.
type bucket struct {
	limiter *rate.Limiter
	// returned counts the tokens of requests that were never sent.
	returned int
}

func newBucket(perSecond float64, burst int) bucket {
	return bucket{limiter: rate.NewLimiter(rate.Limit(perSecond), burst)}
}

func (b *bucket) tokens(now time.Time) float64 {
	return math.Min(b.limiter.TokensAt(now)+float64(b.returned), float64(b.limiter.Burst()))
}

// take takes a token, which must be there.
func (b *bucket) take(now time.Time) {
	if b.returned > 0 {
		b.returned--
		return
	}
	b.limiter.AllowN(now, 1)
}

// giveBack returns a token that was taken before.
func (b *bucket) giveBack(now time.Time) {
	if b.tokens(now) <= float64(b.limiter.Burst()-1) {
		b.returned++
	}
}

func (b *bucket) setRate(now time.Time, perSecond float64) {
	b.limiter.SetLimitAt(now, rate.Limit(perSecond))
}
