package ratelimit

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func create(flow string) Request {
	return Request{Priority: PriorityChange, Flow: flow, Endpoint: "clusters/create"}
}

func TestCreatesLearnAHiddenLimit(t *testing.T) {
	for _, hidden := range []struct {
		name     string
		burst    int
		flows    int
		makespan float64 // times the optimum
	}{
		{"burst of a second", 10, 1, 1.1},
		{"burst of three seconds", 30, 1, 1.1},
		{"ten flows", 10, 10, 1.1},
		{"fifty flows", 10, 50, 1.1},
		// Without a burst, less than the limit is learned.
		{"no burst", 1, 1, 1.5},
	} {
		t.Run("[P5] "+hidden.name, func(t *testing.T) {
			s := newSimulation(Options{})
			bucket := newBucket(10, hidden.burst)
			s.serve = limited(&bucket)
			for i := range 1000 {
				s.untilServed(create(fmt.Sprint(i%hidden.flows)), nil)
			}
			s.run(never)
			took := s.now.Sub(epoch)
			optimum := time.Duration(float64(time.Second) * 1000 / (10 * (1 - s.options.Headroom)))
			learned := epoch.Add(30 * time.Second)
			late := s.count(learned, never, Throttled)
			t.Logf("took %v of %v, %d throttled, %d after learning, learned %.1f, %d asks",
				took, optimum, s.count(epoch, never, Throttled), late, s.rate.learned, s.asks)
			if took.Seconds() > hidden.makespan*optimum.Seconds() {
				t.Errorf("took %v, optimum %v", took, optimum)
			}
			if late*100 > s.count(learned, never, Served) {
				t.Errorf("%d of 1000 throttled after learning", late)
			}
		})
	}
}

func TestALimitThatChangesIsLearnedAgain(t *testing.T) {
	for _, row := range []struct {
		name   string
		factor float64
		within time.Duration
	}{{"halved", 0.5, 30 * time.Second}, {"doubled", 2, 90 * time.Second}} {
		t.Run("[P5] "+row.name, func(t *testing.T) {
			s := newSimulation(Options{})
			bucket := newBucket(10, 10)
			s.serve = limited(&bucket)
			for range 3000 {
				s.untilServed(create("a"), nil)
			}
			changed := epoch.Add(time.Minute)
			s.at(changed, func() { bucket.setRate(s.now, 10*row.factor) })
			s.run(never)
			from := changed.Add(row.within)
			reached := float64(s.count(from, from.Add(20*time.Second), Served)) / 20
			wanted := 0.9 * 10 * row.factor * (1 - s.options.Headroom)
			t.Logf("%.1f requests a second, wanted %.1f", reached, wanted)
			if reached < wanted {
				t.Errorf("%.1f requests a second, wanted %.1f", reached, wanted)
			}
			if share := float64(s.count(epoch, never, Throttled)) / float64(len(s.sent)); share > 0.02 {
				t.Errorf("%.3f of the requests were throttled", share)
			}
		})
	}
}

func TestProbesOfTheRateBecomeRare(t *testing.T) {
	t.Run("[P5]", func(t *testing.T) {
		s := newSimulation(Options{})
		bucket := newBucket(10, 10)
		s.serve = limited(&bucket)
		for range 500 {
			left := 20
			var again func(time.Duration)
			again = func(time.Duration) {
				if left--; left >= 0 {
					s.untilServed(create("a"), again)
				}
			}
			again(0)
		}
		s.run(never)
		if n := s.count(epoch, never, Served); n != 10000 {
			t.Fatalf("%d served", n)
		}
		if n := s.count(epoch, never, Throttled); n > 15 {
			t.Errorf("%d of 10000 requests were throttled by a limit that never changed", n)
		}
	})
}

func TestABurstOfThrottlesIsOneCut(t *testing.T) {
	a := newAdaptiveRate(Options{Start: 16, Max: 30, Headroom: 0.2})
	for range 20 { // requests that were in flight together
		a.throttled(epoch, epoch.Add(100*time.Millisecond))
	}
	if a.rate != 8 {
		t.Errorf("the rate is %v after one burst of 429s", a.rate)
	}
}

func TestABucketTakesTokensBackUpToItsBurst(t *testing.T) {
	b := newBucket(1, 2)
	b.refund(epoch)
	if got := b.tokens(epoch); got != 2 {
		t.Errorf("a full bucket holds %v", got)
	}
	b.take(epoch)
	b.take(epoch)
	b.refund(epoch)
	if got := b.tokens(epoch); got != 1 {
		t.Errorf("after two taken and one back there are %v", got)
	}
	b.take(epoch)
	if got := b.tokens(epoch); got != 0 {
		t.Errorf("after the last there are %v", got)
	}
	if got := b.tokens(epoch.Add(time.Hour)); got != 2 {
		t.Errorf("an hour later there are %v", got)
	}
}

// measured returns a rate with the default options and a limit of ten requests per second,
// so that its target is eight.
func measured(rate float64) adaptiveRate {
	a := newAdaptiveRate(Options{}.withDefaults())
	a.rate, a.learned, a.throttledRate, a.advancedAt = rate, 10, 16, epoch
	return a
}

// unmeasured returns a rate after a 429 at 16 requests per second.
func unmeasured(rate float64) adaptiveRate {
	a := measured(rate)
	a.learned = 0
	return a
}

// unthrottled returns a rate before the first 429.
func unthrottled(rate float64) adaptiveRate {
	a := unmeasured(rate)
	a.throttledRate, a.doubledAt = 0, epoch
	return a
}

// probing returns a rate that probes, with some requests in each of the last three seconds.
func probing(rate float64, perSecond int) adaptiveRate {
	a := measured(rate)
	a.probing = true
	for second := range 3 {
		for range perSecond {
			a.served(epoch.Add(time.Duration(second-2) * time.Second))
		}
	}
	return a
}

func TestHowTheRateRisesWhileItIsUsedUp(t *testing.T) {
	const second = time.Second
	for name, row := range map[string]struct {
		rate  adaptiveRate
		after time.Duration
		want  float64
	}{
		"before the first 429, within three seconds":        {unthrottled(4), 3*second - 1, 4},
		"before the first 429, after three seconds":         {unthrottled(4), 3 * second, 8},
		"before the first 429, up to the maximum":           {unthrottled(20), 3 * second, 30},
		"after a 429, below its rate":                       {unmeasured(8), second, 9},
		"after a 429, in half a second":                     {unmeasured(8), second / 2, 8.5},
		"after a 429, and a pause":                          {unmeasured(8), 5 * second, 9},
		"after a 429, at its rate":                          {unmeasured(16), second, 18},
		"after a 429, up to the maximum":                    {unmeasured(29), second, 30},
		"below the target":                                  {measured(2), 750 * time.Millisecond, 3},
		"just below the target":                             {measured(7.5), second, 8},
		"at the target":                                     {measured(8), second, 8},
		"above the target":                                  {measured(9), second, 8},
		"while it is probed, with fewer requests than that": {probing(10, 8), second, 10},
		"while it is probed, with as many":                  {probing(10, 9), second, 10.4},
		"while it is probed, up to the maximum":             {probing(30, 30), second, 30},
	} {
		t.Run("[P5] "+name, func(t *testing.T) {
			a := row.rate
			a.advance(epoch.Add(row.after), true)
			NewWithT(t).Expect(a.rate).To(BeNumerically("~", row.want, 1e-9))
		})
	}
}

func TestARateThatIsNotUsedUpIsNotRaised(t *testing.T) {
	for name, row := range map[string]struct {
		rate adaptiveRate
		want float64
	}{
		"before the first 429": {unthrottled(4), 4}, "after a 429": {unmeasured(8), 8}, "below the target": {measured(2), 2},
		"while it is probed": {probing(10, 9), 8},
	} {
		t.Run("[P5] "+name, func(t *testing.T) {
			g := NewWithT(t)
			a := row.rate
			a.advance(epoch.Add(2*time.Second), false)
			g.Expect(a.rate).To(BeNumerically("==", row.want))
			g.Expect(a.probing).To(BeFalse())
			a.advance(epoch.Add(2*time.Second), true)
			g.Expect(a.rate).To(BeNumerically("~", row.want, 1e-9), "no time was used up")
		})
	}
	g := NewWithT(t)
	a := unthrottled(4)
	a.advance(epoch.Add(2*time.Second), false)
	a.advance(epoch.Add(4*time.Second), true)
	g.Expect(a.rate).To(BeNumerically("==", 4), "used up for two seconds")
	a.advance(epoch.Add(5*time.Second), true)
	g.Expect(a.rate).To(BeNumerically("==", 8))
}

// A list requests one page after another, so at most one of its requests is held at a
// time, and none while a page is on its way.
func TestOneCallerThatIsFasterThanTheRateUsesItUp(t *testing.T) {
	for name, row := range map[string]struct {
		latency time.Duration
		within  time.Duration
	}{
		"with pages of 20 ms":  {20 * time.Millisecond, 18 * time.Second},
		"with pages of 50 ms":  {50 * time.Millisecond, 25 * time.Second},
		"with pages of 200 ms": {200 * time.Millisecond, 65 * time.Second},
	} {
		t.Run("[P14] "+name, func(t *testing.T) {
			s := listed(row.latency, 300)
			if took := s.now.Sub(epoch); took > row.within {
				t.Errorf("300 pages took %v, at %.1f a second at last", took, s.rate.rate)
			}
		})
	}
	t.Run("[P5] one that is slower does not", func(t *testing.T) {
		NewWithT(t).Expect(listed(300*time.Millisecond, 300).rate.rate).To(BeNumerically("==", 4))
	})
}

// listed runs a list of pages that each take latency.
func listed(latency time.Duration, pages int) *simulation {
	s := newSimulation(Options{})
	s.latency = latency
	var next func(time.Duration)
	next = func(time.Duration) {
		if pages--; pages >= 0 {
			s.untilServed(Request{Priority: PrioritySlowList, Endpoint: "clusters/list"}, next)
		}
	}
	next(0)
	s.run(never)
	return s
}

func TestTheRateIsUsedUpUntilATokenAfterAHeldRequest(t *testing.T) {
	g := NewWithT(t)
	l := drained(t) // of one token a second
	_, wait := l.Acquire(create("a"), epoch)
	permit, _ := l.Acquire(create("a"), wait.At)
	permit.Release(wait.At, Outcome{Kind: Served})
	g.Expect(l.usedUp(wait.At.Add(time.Second))).To(BeTrue())
	g.Expect(l.usedUp(wait.At.Add(time.Second + 1))).To(BeFalse())
}

func TestWhenAHigherRateIsProbed(t *testing.T) {
	g := NewWithT(t)
	a := measured(8)
	a.advance(epoch, true)
	a.advance(epoch.Add(15*time.Second-1), true)
	g.Expect(a.probing).To(BeFalse())
	a.advance(epoch.Add(15*time.Second), true)
	g.Expect(a.probing).To(BeTrue())

	a = measured(8)
	a.advance(epoch, true)
	a.advance(epoch.Add(10*time.Second), false)
	a.advance(epoch.Add(20*time.Second), true)
	g.Expect(a.probing).To(BeFalse(), "the rate was not used up meanwhile")

	a = measured(30)
	a.learned = 100
	a.advance(epoch, true)
	a.advance(epoch.Add(time.Hour), true)
	g.Expect(a.probing).To(BeFalse(), "there is no higher rate")
}

func TestWhatA429Teaches(t *testing.T) {
	const second = time.Second
	type wanted struct {
		learned, rate float64
		probeAfter    time.Duration
	}
	const first, later = 15 * second, 30 * second
	for name, row := range map[string]struct {
		rate     adaptiveRate
		since    time.Duration // since the last 429; zero: there was none
		accepted int
		want     wanted
	}{
		"the first one":                                {unthrottled(16), 0, 100, wanted{0, 8, first}},
		"thirty requests in three seconds":             {unmeasured(16), 3 * second, 30, wanted{10, 8, first}},
		"a limit near the rate":                        {unmeasured(8), 3 * second, 30, wanted{10, 4, first}},
		"a limit far below the rate":                   {unmeasured(16), 4 * second, 4, wanted{1, 0.8, first}},
		"a limit below the least rate":                 {unmeasured(16), 20 * second, 4, wanted{0.2, 0.5, first}},
		"after two seconds":                            {unmeasured(16), 2 * second, 20, wanted{10, 8, first}},
		"sooner than that":                             {unmeasured(20), 2*second - 1, 20, wanted{0, 10, first}},
		"after twenty seconds":                         {unmeasured(16), 20 * second, 200, wanted{10, 8, first}},
		"later than that":                              {unmeasured(20), 20*second + 1, 200, wanted{0, 10, first}},
		"fewer than four requests":                     {unmeasured(20), 3 * second, 3, wanted{0, 10, first}},
		"a probe that ended above the limit":           {probing(30, 20), 30 * second, 0, wanted{17, 13.6, first}},
		"a probe that ended at the limit":              {probing(12, 12), 30 * second, 0, wanted{10, 6, later}},
		"a measured limit has precedence over a probe": {probing(12, 12), 10 * second, 100, wanted{10, 6, first}},
	} {
		t.Run("[P5] "+name, func(t *testing.T) {
			g := NewWithT(t)
			a, now := row.rate, epoch.Add(second)
			a.accepted = row.accepted
			if row.since > 0 {
				a.cutAt = now.Add(-row.since)
			}
			g.Expect(a.throttled(now.Add(-1), now)).To(BeTrue())
			g.Expect(a.learned).To(BeNumerically("==", row.want.learned))
			g.Expect(a.rate).To(BeNumerically("~", row.want.rate, 1e-9))
			g.Expect(a.probeAfter).To(Equal(row.want.probeAfter))
			g.Expect(a.throttledRate).To(BeNumerically("==", row.rate.rate))
			g.Expect(a.probing).To(BeFalse())
			for range 30 {
				a.served(now.Add(second))
			}
			g.Expect(a.measure(now.Add(3*second))).To(BeNumerically("==", 10), "only requests after the 429 count")
		})
	}
}

func TestProbesThatFailAreRepeatedAfterTwiceTheTimeUpToHalfAnHour(t *testing.T) {
	g := NewWithT(t)
	a := probing(12, 12)
	for i, minutes := range []float64{0.5, 1, 2, 4, 8, 16, 30, 30} {
		a.probing, a.cutAt = true, time.Time{}
		a.throttled(epoch, epoch.Add(time.Second))
		g.Expect(a.probeAfter.Minutes()).To(BeNumerically("==", minutes), "probe %d", i+1)
	}
	a = probing(30, 20)
	a.probeAfter = 30 * time.Minute
	a.throttled(epoch, epoch.Add(time.Second))
	g.Expect(a.probeAfter).To(Equal(15*time.Second), "after one that succeeded")
}

func TestWhich429sBelongToABurst(t *testing.T) {
	for name, row := range map[string]struct {
		began, now time.Duration // after the last one
		isNew      bool
	}{
		"of a request that began before":              {-time.Second, time.Minute, false},
		"of a request that began at that time":        {0, time.Minute, false},
		"of a request that began later":               {1, time.Minute, true},
		"within a second":                             {1, time.Second - 1, false},
		"after a second":                              {1, time.Second, true},
		"of a request that began before, in a second": {-1, time.Second, false},
	} {
		t.Run("[P5] "+name, func(t *testing.T) {
			a := measured(8)
			a.cutAt = epoch
			NewWithT(t).Expect(a.throttled(epoch.Add(row.began), epoch.Add(row.now))).To(Equal(row.isNew))
		})
	}
}

func TestATokenThatWasTakenIsReturned(t *testing.T) {
	g := NewWithT(t)
	b := newBucket(1, 2)
	b.take(epoch)
	b.refund(epoch)
	g.Expect(b.tokens(epoch)).To(BeNumerically("==", 2))
	b.take(epoch)
	b.refund(epoch.Add(time.Second / 2))
	g.Expect(b.tokens(epoch.Add(time.Second/2))).To(BeNumerically("==", 1.5), "more than one is there, and two fit")
	b.setRate(epoch.Add(time.Second/2), 0.5)
	g.Expect(b.tokens(epoch.Add(3 * time.Second / 2))).To(BeNumerically("==", 2))
}
