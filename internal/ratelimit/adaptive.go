package ratelimit

import (
	"math"
	"time"

	"golang.org/x/time/rate"
)

// adaptiveRate measures the request limit of a host from its 429s.
//
// The rate doubles while it is used up, until the first 429. The token bucket of a
// server that answers 429 is empty, so between two 429s the server accepts as many
// requests as it refills tokens: that rate is the limit. The adaptive rate then stays
// below the limit by the headroom. A 429 at that rate means that the limit decreased,
// and it is measured again. Sometimes a higher rate is probed, less often after each
// failed probe.
type adaptiveRate struct {
	options Options
	// rate is the current rate, in requests per second.
	rate float64
	// learned is the server's limit; 0 if it is not known.
	learned float64
	// throttledRate is the rate at the last 429; 0 before the first.
	throttledRate float64
	// cutAt is when the rate was last halved. 429s of requests that began before belong
	// to the same burst.
	cutAt time.Time
	// accepted counts the requests that the server accepted since cutAt.
	accepted int
	// recent counts the accepted requests of the last seconds.
	recent meter
	// advancedAt is when the rate was last adjusted; heldSince is when it reached its
	// target.
	advancedAt, heldSince time.Time
	// doubledAt is when the rate was last doubled or initialized.
	doubledAt time.Time
	// probeAfter is how long the target rate is held before a higher rate is probed.
	probeAfter time.Duration
	probing    bool
}

const (
	doublingInterval = 3 * time.Second
	// minRate is the lowest rate, in requests per second.
	minRate              = 0.5
	minRateProbeInterval = 15 * time.Second
	maxRateProbeInterval = 30 * time.Minute
	// burstSpan is the time after a cut in which further 429s belong to the same burst.
	burstSpan      = time.Second
	minMeasureSpan = 2 * time.Second
	// maxMeasureSpan is the longest usable time between two 429s. In a longer one the
	// server's token bucket may have been full.
	maxMeasureSpan = 20 * time.Second
	// overshootFactor corrects the rate at which a probe ended, because the server's
	// burst accepts more than its limit.
	overshootFactor = 0.85
	// minGrowth is the factor by which a limit must exceed the learned one to replace
	// it.
	minGrowth = 1.05
)

func newAdaptiveRate(options Options) adaptiveRate {
	return adaptiveRate{options: options, rate: math.Min(options.Start, options.Max), probeAfter: minRateProbeInterval}
}

// targetRate returns the rate to hold between probes.
func (a *adaptiveRate) targetRate() float64 {
	if a.learned == 0 {
		return a.options.Max
	}
	return a.bounded(a.learned * (1 - a.options.Headroom))
}

func (a *adaptiveRate) bounded(perSecond float64) float64 {
	return math.Max(math.Min(minRate, a.options.Max), math.Min(perSecond, a.options.Max))
}

// advance adjusts the rate to the time now. The rate rises only while it is used up,
// because an unused rate is not tested.
func (a *adaptiveRate) advance(now time.Time, usedUp bool) {
	elapsed := now.Sub(a.advancedAt)
	a.advancedAt = now
	if !usedUp {
		a.doubledAt, a.heldSince = now, time.Time{}
		if a.probing {
			a.rate, a.probing = a.targetRate(), false
		}
		return
	}
	seconds := math.Min(elapsed.Seconds(), 1)
	switch {
	case a.throttledRate == 0:
		if now.Sub(a.doubledAt) >= doublingInterval {
			a.rate, a.doubledAt = a.bounded(2*a.rate), now
		}
	case a.learned == 0:
		a.rate = a.bounded(a.rate + seconds*a.climb())
	case a.probing && a.recent.perSecond(now) < 0.85*a.rate: // not tested yet
	case a.probing:
		a.rate = a.bounded(a.rate + seconds*a.targetRate()/20)
	case a.rate < a.targetRate():
		a.rate = math.Min(a.targetRate(), a.rate+seconds*a.targetRate()/6)
	default:
		a.holdTarget(now)
	}
}

// climb returns how fast the rate rises between two 429s, per second. It rises slowly
// up to the rate of the last 429 and faster above it, because such a 429 was caused by
// a burst and not by the rate.
func (a *adaptiveRate) climb() float64 {
	if a.rate < a.throttledRate {
		return a.throttledRate / 16
	}
	return a.rate / 8
}

// holdTarget keeps the rate at its target until a probe is due.
func (a *adaptiveRate) holdTarget(now time.Time) {
	a.rate = a.targetRate()
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

// throttled records a 429 of a request that began at startedAt and reports whether it
// begins a new burst.
func (a *adaptiveRate) throttled(startedAt, now time.Time) bool {
	if !a.cutAt.IsZero() && (!startedAt.After(a.cutAt) || now.Sub(a.cutAt) < burstSpan) {
		return false
	}
	measured := a.measure(now)
	switch {
	case measured > 0:
		a.learned = measured
	case a.probing && overshootFactor*a.recent.perSecond(now) > a.learned*minGrowth:
		a.learned, a.probeAfter = overshootFactor*a.recent.perSecond(now), minRateProbeInterval
	case a.probing:
		a.probeAfter = min(2*a.probeAfter, maxRateProbeInterval)
	default:
		a.learned = 0
	}
	a.throttledRate = a.rate
	a.rate = a.bounded(math.Min(a.rate/2, a.targetRate()))
	a.cutAt, a.accepted, a.probing, a.heldSince = now, 0, false, time.Time{}
	return true
}

// measure returns the server's limit as measured between the last 429 and this one; 0
// if the measurement is not usable.
func (a *adaptiveRate) measure(now time.Time) float64 {
	span := now.Sub(a.cutAt)
	if a.cutAt.IsZero() || span < minMeasureSpan || span > maxMeasureSpan || a.accepted < 4 {
		return 0
	}
	return float64(a.accepted) / span.Seconds()
}

// bucket is a token bucket that accepts returned tokens.
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

// take takes a token. There must be one.
func (b *bucket) take(now time.Time) {
	if b.returned > 0 {
		b.returned--
		return
	}
	b.limiter.AllowN(now, 1)
}

// refund returns a taken token to the bucket.
func (b *bucket) refund(now time.Time) {
	if b.tokens(now) <= float64(b.limiter.Burst()-1) {
		b.returned++
	}
}

func (b *bucket) setRate(now time.Time, perSecond float64) {
	b.limiter.SetLimitAt(now, rate.Limit(perSecond))
}
