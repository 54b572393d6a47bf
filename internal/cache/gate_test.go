package cache

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/time/rate"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

func create(name string) func(context.Context, databricks.Writer) error {
	return func(ctx context.Context, api databricks.Writer) error {
		var request databricks.CreateRequest
		request.ClusterName = name
		_, err := api.Create(ctx, request)
		return err
	}
}

// limited is a host with a hidden limit, and a gate before it.
type limited struct {
	*gate
	bucket *rate.Limiter
	mu     sync.Mutex
	served []time.Time
	denied []time.Time
}

func newLimited(perSecond float64, burst int, limits Limits) *limited {
	options := Options{Limits: limits}.withDefaults()
	return &limited{gate: newGate("host", options), bucket: rate.NewLimiter(rate.Limit(perSecond), burst)}
}

// try makes one call of a class; false: not let through before at.
func (l *limited) try(class Class) (done bool, at time.Time) {
	began := time.Now()
	if wait := l.reserve(class, began); wait != nil {
		return false, wait.At
	}
	<-time.After(50 * time.Millisecond)
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.bucket.AllowN(now, 1) {
		l.denied = append(l.denied, now)
		l.ended(class, began, now, &databricks.Error{Class: databricks.ClassThrottled})
		return false, now.Add(time.Second)
	}
	l.served = append(l.served, now)
	l.ended(class, began, now, nil)
	return true, now
}

// burst makes many calls at once, each as often as it needs, and returns how
// long that took.
func (l *limited) burst(class Class, count int) time.Duration {
	began := time.Now()
	var all sync.WaitGroup
	for range count {
		all.Go(func() {
			for {
				done, at := l.try(class)
				if done {
					return
				}
				<-time.After(time.Until(at))
			}
		})
	}
	all.Wait()
	return time.Since(began)
}

// between counts the times within a span; the slice may still grow.
func (l *limited) between(times *[]time.Time, from, to time.Time) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, at := range *times {
		if !at.Before(from) && at.Before(to) {
			n++
		}
	}
	return n
}

func TestABurstOfCreatesLearnsAHiddenLimit(t *testing.T) {
	for _, hidden := range []struct {
		name     string
		burst    int
		makespan float64 // times the optimum
	}{
		{"burst of a second", 10, 1.1},
		{"burst of three seconds", 30, 1.1},
		// Where no two calls may come together, less than the limit is learned.
		{"no burst", 1, 1.5},
	} {
		t.Run("[P5] "+hidden.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLimited(10, hidden.burst, Limits{})
				began := time.Now()
				took := l.burst(classChange, 1000)
				optimum := time.Duration(float64(time.Second) * 1000 / (10 * (1 - l.limits.Headroom)))
				learned := began.Add(30 * time.Second)
				late := l.between(&l.denied, learned, time.Now())
				t.Logf("took %v of %v, %d throttled, %d after learning, learned %.1f", took, optimum, len(l.denied), late, l.pace.learned)
				if took.Seconds() > hidden.makespan*optimum.Seconds() {
					t.Errorf("took %v, optimum %v", took, optimum)
				}
				if late*100 > l.between(&l.served, learned, time.Now()) {
					t.Errorf("%d of 1000 throttled after learning", late)
				}
			})
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
			synctest.Test(t, func(t *testing.T) {
				l := newLimited(10, 10, Limits{})
				done := make(chan struct{})
				go func() { l.burst(classChange, 3000); close(done) }()
				<-time.After(60 * time.Second)
				l.bucket.SetLimit(rate.Limit(10 * row.factor))
				<-time.After(row.within)
				from := time.Now()
				<-time.After(20 * time.Second)
				reached := float64(l.between(&l.served, from, time.Now())) / 20
				wanted := 0.9 * 10 * row.factor * (1 - l.limits.Headroom)
				t.Logf("%.1f calls a second, wanted %.1f", reached, wanted)
				if reached < wanted {
					t.Errorf("%.1f calls a second, wanted %.1f", reached, wanted)
				}
				<-done
				if share := float64(len(l.denied)) / float64(len(l.served)); share > 0.02 {
					t.Errorf("%.3f of the calls were throttled", share)
				}
			})
		})
	}
}

func TestATerminateIsNotStuckBehindReads(t *testing.T) {
	inBubble(t, "[P6] at a rate of our own", func(t *testing.T) {
		terminateBehindReads(t, newLimited(math.Inf(1), 1, Limits{Max: 4}))
	})
	inBubble(t, "[P6] under a hidden limit", func(t *testing.T) {
		terminateBehindReads(t, newLimited(5, 1, Limits{}))
	})
}

// terminateBehindReads sends terminates while readers want more than there is.
func terminateBehindReads(t *testing.T, l *limited) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for _, class := range []Class{classConfirm, classFastList, classSlowList, classDeep, classConfirm, classFastList} {
		readers.Go(func() {
			for ctx.Err() == nil {
				_, at := l.try(class)
				<-time.After(max(time.Until(at), time.Millisecond))
			}
		})
	}
	<-time.After(time.Minute)
	for range 50 {
		began := time.Now()
		for {
			wait := l.reserve(classTerminate, time.Now())
			if wait == nil {
				break
			}
			<-time.After(time.Until(wait.At))
		}
		l.ended(classTerminate, began, time.Now(), nil)
		if waited := time.Since(began); waited > 750*time.Millisecond { // three tokens at 4/s
			t.Errorf("a terminate waited %v", waited)
		}
		<-time.After(3 * time.Second)
	}
	stop()
	readers.Wait()
}

func TestChangesDoNotStarveBehindTerminates(t *testing.T) {
	inBubble(t, "[P6]", func(t *testing.T) {
		l := newLimited(math.Inf(1), 1, Limits{Max: 8})
		var all sync.WaitGroup
		all.Go(func() { l.burst(classTerminate, 500) })
		<-time.After(10 * time.Second)
		if took := l.burst(classChange, 1); took > 3*time.Second {
			t.Errorf("a change waited %v behind terminates", took)
		}
		all.Wait()
	})
}

func TestTryingForMoreBecomesRare(t *testing.T) {
	inBubble(t, "[P5]", func(t *testing.T) {
		l := newLimited(10, 10, Limits{})
		l.burst(classChange, 10000)
		if n := len(l.denied); n > 15 {
			t.Errorf("%d of 10000 calls were throttled by a limit that never changed", n)
		}
	})
}

func TestNoClassStarves(t *testing.T) {
	inBubble(t, "[P6]", func(t *testing.T) {
		l := newLimited(math.Inf(1), 1, Limits{Max: 8})
		var writers sync.WaitGroup
		writers.Go(func() { l.burst(classChange, 4000) })
		longest := map[Class]time.Duration{}
		var mu sync.Mutex
		var readers sync.WaitGroup
		for _, class := range []Class{classTerminate, classConfirm, classFastList, classSlowList, classDeep} {
			readers.Go(func() {
				<-time.After(10 * time.Second)
				for range 5 {
					took := l.burst(class, 1)
					mu.Lock()
					longest[class] = max(longest[class], took)
					mu.Unlock()
					<-time.After(time.Second)
				}
			})
		}
		readers.Wait()
		for class, took := range longest {
			t.Logf("%s waited at most %v", class, took)
			if bound := ranks[class].patience + 3*time.Second; took > bound {
				t.Errorf("%s waited %v, more than %v", class, took, bound)
			}
		}
		writers.Wait()
	})
}

func TestRetryAfterIsObeyedWithinReason(t *testing.T) {
	for _, row := range []struct {
		name        string
		asked, kept time.Duration
	}{
		{"none", 0, 0},
		{"seconds", 7 * time.Second, 7 * time.Second},
		{"negative", -time.Hour, 0},
		{"ten days", 240 * time.Hour, 5 * time.Minute},
	} {
		t.Run("[R7] "+row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGate("host", Options{}.withDefaults())
				began := time.Now()
				if wait := g.reserve(classChange, began); wait != nil {
					t.Fatal(wait)
				}
				g.ended(classChange, began, began, &databricks.Error{Class: databricks.ClassThrottled, RetryAfter: row.asked})
				if wait := g.reserve(classTerminate, time.Now()); wait != nil && wait.At.Sub(began) > time.Second {
					t.Errorf("a terminate was held by what was asked of a create: %v", wait.At.Sub(began))
				}
				for _, class := range []Class{classChange, classDeep} {
					wait := g.reserve(class, time.Now())
					switch {
					case row.kept == 0 && wait != nil && wait.At.Sub(began) > 10*time.Second:
						t.Errorf("%s held for %v", class, wait.At.Sub(began))
					case row.kept > 0 && (wait == nil || wait.At.Sub(began) < row.kept || wait.At.Sub(began) > row.kept+horizon):
						t.Errorf("%s not held for %v: %v", class, row.kept, wait)
					}
				}
			})
		})
	}
}

func TestAStormIsOneCut(t *testing.T) {
	now := time.Unix(0, 0)
	p := newPace(Limits{Start: 16, Max: 30, Headroom: 0.2})
	for range 20 { // calls that were under way together
		p.throttled(now, now.Add(100*time.Millisecond))
	}
	if p.rate != 8 {
		t.Errorf("the rate is %v after one burst of 429s", p.rate)
	}
}

func TestTheBreakerOpensTriesAndCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate("host", Options{}.withDefaults())
		fail := func() {
			began := time.Now()
			for {
				wait := g.reserve(classTerminate, time.Now())
				if wait == nil {
					break
				}
				<-time.After(time.Until(wait.At))
			}
			g.ended(classTerminate, began, time.Now(), errBroken)
		}
		for range breakerFailures {
			fail()
		}
		wait := g.reserve(classTerminate, time.Now())
		if wait == nil {
			t.Fatal("the breaker did not open")
		}
		<-time.After(time.Until(wait.At))
		if wait := g.reserve(classTerminate, time.Now()); wait != nil {
			t.Fatal("no call may try")
		}
		if wait := g.reserve(classTerminate, time.Now()); wait == nil {
			t.Fatal("a second call may try beside the first")
		}
		g.ended(classTerminate, time.Now(), time.Now(), nil)
		if wait := g.reserve(classTerminate, time.Now()); wait != nil {
			t.Fatal("the breaker did not close")
		}
		g.ended(classTerminate, time.Now(), time.Now(), nil)

		began, calls := time.Now(), 0
		for time.Since(began) < 10*time.Minute { // a sinkhole
			fail()
			calls++
		}
		if calls > 25 {
			t.Errorf("%d calls into a sinkhole in ten minutes", calls)
		}
	})
}

func TestHalfBrokenCostsABudgetOfFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate("host", Options{}.withDefaults())
		began, failures := time.Now(), 0
		for i := 0; time.Since(began) < 10*time.Minute; i++ {
			wait := g.reserve(classConfirm, time.Now())
			if wait != nil {
				<-time.After(time.Until(wait.At))
				continue
			}
			var err error
			if i%2 == 0 {
				err = errBroken
				failures++
			}
			g.ended(classConfirm, time.Now(), time.Now(), err)
		}
		if perMinute := float64(failures) / 10; perMinute > 40 {
			t.Errorf("%v failed calls a minute", perMinute)
		}
	})
}

func TestAWaitErrorTellsWhenAndIsNoAPIError(t *testing.T) {
	var err error = &WaitError{At: time.Now(), Reason: "full"}
	var e *databricks.Error
	if errors.As(err, &e) || err.Error() != "full" {
		t.Errorf("got %v", err)
	}
}

func TestASilentHostHoldsFewWriters(t *testing.T) {
	t.Run("[R7]", func(t *testing.T) {
		g := NewWithT(t)
		gate := newGate("host", Options{Limits: Limits{Start: 100, Max: 100, Burst: 50}}.withDefaults())
		now := time.Now()
		admits := func(class Class) bool { return gate.reserve(class, now) == nil }
		granted := 0
		for range 20 {
			if admits(classChange) {
				granted++
			}
		}
		g.Expect(granted).To(Equal(mostWrites))
		g.Expect(admits(classConfirm)).To(BeTrue(), "reads are not held by it")
		g.Expect(admits(classTerminate)).To(BeTrue(), "a terminate does not wait for changes")
		g.Expect(admits(classTerminate)).To(BeTrue())
		g.Expect(gate.reserve(classTerminate, now).At).To(BeTemporally("~", now, time.Second))
		gate.ended(classChange, now, now, nil)
		g.Expect(admits(classTerminate)).To(BeTrue(), "one was answered")
	})
}
