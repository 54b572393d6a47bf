package ratelimit

import (
	"fmt"
	"testing"
	"time"
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
