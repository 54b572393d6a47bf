package ratelimit

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	. "github.com/onsi/gomega"
)

func TestRetryAfterIsObeyedUpToItsCap(t *testing.T) {
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
			l := New("host", Options{})
			permit, wait := l.Acquire(create("a"), epoch)
			if wait != nil {
				t.Fatal(wait)
			}
			permit.Release(epoch, Outcome{Kind: Throttled, RetryAfter: row.asked})
			if _, wait := l.Acquire(terminate("a", "x"), epoch); wait != nil && wait.At.Sub(epoch) > time.Second {
				t.Errorf("a terminate is held by the Retry-After of a create: %v", wait.At.Sub(epoch))
			}
			for _, p := range []Priority{PriorityChange, PriorityDeep} {
				_, wait := l.Acquire(request(p, "a"), epoch)
				switch {
				case row.kept == 0 && wait != nil && wait.At.Sub(epoch) > 10*time.Second:
					t.Errorf("%s held for %v", p, wait.At.Sub(epoch))
				case row.kept > 0 && (wait == nil || wait.Reason != ReasonRetryAfter || wait.Domain != "host"):
					t.Errorf("%s held by %v", p, wait)
				case row.kept > 0 && (wait.At.Sub(epoch) < row.kept || wait.At.Sub(epoch) > row.kept+maxRetryHint):
					t.Errorf("%s held for %v", p, wait.At.Sub(epoch))
				}
			}
		})
	}
}

func TestAThrottledTerminateHoldsNoTerminateOfAnotherEndpoint(t *testing.T) {
	t.Run("[R7]", func(t *testing.T) {
		h := newHost(t)
		deletion := Request{Priority: PriorityTerminate, Flow: "a", Endpoint: "clusters/permanent-delete", Resource: "x"}
		permit, _ := h.Acquire(deletion, h.now)
		permit.Release(h.now, Outcome{Kind: Throttled, RetryAfter: time.Minute})
		h.now = h.now.Add(time.Second)
		h.expect(deletion, ReasonRetryAfter)
		h.expect(terminate("a", "x"), "")
		h.expect(create("b"), ReasonRetryAfter)
	})
}

func TestAnEndpointWithALimitOfItsOwnHoldsNoOther(t *testing.T) {
	t.Run("[R7] [R17]", func(t *testing.T) {
		s := newSimulation(Options{})
		s.serve = func(r Request, _ time.Time) Outcome {
			if r.Endpoint == "permissions/get" {
				return Outcome{Kind: Throttled}
			}
			return Outcome{Kind: Served}
		}
		for _, r := range []Request{permissions("x"), permissions("y"), list, create("b")} {
			var again func()
			again = func() { s.send(r, func(time.Duration, Outcome) { again() }) }
			again()
		}
		s.run(epoch.Add(2 * time.Minute))
		from := s.now
		s.run(from.Add(time.Minute))
		if n := s.count(from, never, Throttled); n > 6 {
			t.Errorf("%d requests of the endpoint in a minute", n)
		}
		if n := s.count(from, never, Served); n < 60*10 {
			t.Errorf("%d of the others were served in a minute", n)
		}
		if _, wait := s.Acquire(permissions("x"), s.now); wait == nil || wait.Reason != ReasonRetryAfter || wait.Domain != "permissions/get" {
			t.Errorf("the endpoint is held by %v", wait)
		}
	})
}

func TestTheMessageOfAWaitHasNoTime(t *testing.T) {
	t.Run("[case-73]", func(t *testing.T) {
		for reason := range reasonTexts {
			var err error = &Wait{At: epoch, Reason: reason, Domain: "clusters/get"}
			other := &Wait{At: epoch.Add(time.Hour), Reason: reason, Domain: "clusters/get"}
			wait, ok := errors.AsType[*Wait](err)
			if !ok || wait.Error() != other.Error() || !strings.Contains(err.Error(), "clusters/get") {
				t.Errorf("%s: %v", reason, err)
			}
		}
		if len(reasonTexts) != 6 {
			t.Errorf("%d reasons have a text", len(reasonTexts))
		}
	})
}

func TestDoReturnsThePermit(t *testing.T) {
	now := func() time.Time { return epoch }
	t.Run("after a panic", func(t *testing.T) {
		l := New("host", Options{})
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic is lost")
				}
			}()
			_ = l.Do(create("a"), now, func() Outcome { panic("call") })
		}()
		if n := l.State(epoch).WritesInFlight; n != 0 {
			t.Errorf("%d writes are in flight", n)
		}
		if f := l.domains.endpoint("clusters/create").failing["flow/a"]; f == nil || f.failures != 1 {
			t.Error("it does not count as failed")
		}
	})
	t.Run("after panics, which say nothing about the connection", func(t *testing.T) {
		l := New("host", Options{})
		for range 5 {
			func() {
				defer func() { _ = recover() }()
				_ = l.Do(get("x"), now, func() Outcome { panic("call") })
			}()
		}
		NewWithT(t).Expect(l.Health("clusters/get")).To(BeZero())
	})
	t.Run("after an answer", func(t *testing.T) {
		l := New("host", Options{})
		if wait := l.Do(create("a"), now, func() Outcome { return Outcome{Kind: Answered} }); wait != nil {
			t.Fatal(wait)
		}
		if n := l.State(epoch).WritesInFlight; n != 0 {
			t.Errorf("%d writes are in flight", n)
		}
	})
	t.Run("a held request is not sent", func(t *testing.T) {
		l := New("host", Options{Burst: 1, Max: 1})
		_ = l.Do(create("a"), now, func() Outcome { return Outcome{Kind: Served} })
		if wait := l.Do(create("a"), now, func() Outcome { t.Error("called"); return Outcome{} }); wait == nil {
			t.Error("no token was left, and it was sent")
		}
	})
}

func TestACancelledPermitHasNoEffect(t *testing.T) {
	t.Run("[case-91]", func(t *testing.T) {
		l := New("host", Options{Start: 4})
		before := l.State(epoch)
		for range 1000 {
			permit, wait := l.Acquire(create("a"), epoch)
			if wait != nil {
				t.Fatal(wait)
			}
			permit.Release(epoch, Outcome{Kind: NotSent})
		}
		after := l.State(epoch)
		if after.Tokens != before.Tokens || after.WritesInFlight != 0 || after.Priorities["change"] != before.Priorities["change"] {
			t.Errorf("%+v became %+v", before, after)
		}
		if l.rate.accepted != 0 || len(l.domains.endpoint("clusters/create").working) != 0 || len(l.budgets) != 0 {
			t.Error("the adaptive rate changed")
		}
	})
	t.Run("the turn is restored", func(t *testing.T) {
		l, now := New("host", Options{Start: 1, Max: 1, Burst: 2}), epoch
		for _, flow := range []string{"a", "a", "a", "b"} { // both flows wait, and b has the turn
			if permit, _ := l.Acquire(create(flow), now); permit != nil {
				permit.Release(now, Outcome{Kind: Served})
			}
		}
		now = now.Add(1100 * time.Millisecond)
		permit, wait := l.Acquire(create("b"), now)
		if wait != nil {
			t.Fatal(wait)
		}
		permit.Cancel(now)
		permit.Cancel(now)
		if f, other := l.queues[PriorityChange].flows["b"], l.queues[PriorityChange].flows["a"]; !f.order.Before(other.order) {
			t.Error("the turn is lost")
		}
		if _, wait = l.Acquire(create("b"), now); wait != nil {
			t.Errorf("the token is lost: %v", wait)
		}
	})
}

func TestACallThatPanicsHasFailed(t *testing.T) {
	g := NewWithT(t)
	h := newHost(t)
	g.Expect(func() {
		_ = h.Do(get("x"), func() time.Time { return h.now }, func() Outcome { panic("a mistake") })
	}).To(PanicWith("a mistake"))
	g.Expect(h.domains.endpoint("clusters/get").failing).To(HaveKey("resource/x"))
	g.Expect(h.domains.run.unreachable).To(BeZero(), "nothing is known of the connection")
}

func TestACancelledTerminatePassesNoBreaker(t *testing.T) {
	h := newHost(t)
	h.trip()
	permit, wait := h.Acquire(terminate("a", "v"), h.now)
	if wait != nil {
		t.Fatal(wait)
	}
	h.expect(terminate("b", "w"), ReasonHostUnavailable)
	permit.Cancel(h.now)
	h.expect(terminate("b", "w"), "")
}

func TestACancelledPermitKeepsWhatHappenedSince(t *testing.T) {
	t.Run("another request waits", func(t *testing.T) {
		l, permit := permitAfterWaiting(t)
		now := permit.at.Add(100 * time.Millisecond)
		if _, wait := l.Acquire(create("b"), now); wait == nil {
			t.Fatal("there is a token for another request")
		}
		permit.Cancel(now)
		if since := l.queues[PriorityChange].waitingSince; !since.Equal(now) {
			t.Errorf("requests wait since %s, and not since %s", since, now)
		}
	})
	t.Run("the request did not wait", func(t *testing.T) {
		l := New("host", Options{})
		permit, _ := l.Acquire(create("a"), epoch)
		permit.Cancel(epoch)
		if since := l.queues[PriorityChange].waitingSince; !since.IsZero() {
			t.Errorf("requests wait since %s", since)
		}
	})
	t.Run("the request waited", func(t *testing.T) {
		l, permit := permitAfterWaiting(t)
		permit.Cancel(permit.at)
		if since := l.queues[PriorityChange].waitingSince; !since.Equal(epoch) {
			t.Errorf("requests wait since %s, and not since %s", since, epoch)
		}
	})
	t.Run("another request was sent", func(t *testing.T) {
		l := New("host", Options{})
		first, _ := l.Acquire(create("a"), epoch)
		second, _ := l.Acquire(create("b"), epoch.Add(time.Second))
		first.Cancel(epoch.Add(time.Second))
		if !l.last.at.Equal(epoch.Add(time.Second)) {
			t.Errorf("the last request was sent at %s", l.last.at)
		}
		second.Cancel(epoch.Add(time.Second))
		if !l.last.at.Equal(epoch) {
			t.Errorf("after the second was cancelled, the last request was sent at %s", l.last.at)
		}
	})
}

// permitAfterWaiting returns a limiter and the permit of a request that waited since epoch.
func permitAfterWaiting(t *testing.T) (*Limiter, *Permit) {
	t.Helper()
	l := New("host", Options{Start: 1, Max: 1, Burst: 2})
	for range 3 { // the third one waits
		_, _ = l.Acquire(create("a"), epoch)
	}
	permit, wait := l.Acquire(create("a"), epoch.Add(1100*time.Millisecond))
	if wait != nil {
		t.Fatal(wait)
	}
	return l, permit
}

func TestThePermitIsReturnedOnce(t *testing.T) {
	l := New("host", Options{})
	permit, _ := l.Acquire(create("a"), epoch)
	permit.Release(epoch, Outcome{Kind: Served})
	before := l.State(epoch)
	permit.Release(epoch, Outcome{Kind: Failed})
	permit.Cancel(epoch)
	if after := l.State(epoch); after.Tokens != before.Tokens || after.WritesInFlight != 0 || l.rate.accepted != 1 {
		t.Errorf("%+v became %+v", before, after)
	}
}

func TestStateCountsByPriorityAndReason(t *testing.T) {
	t.Run("[case-73]", func(t *testing.T) {
		h := newHost(t)
		h.trip()
		h.expect(list, ReasonHostUnavailable)
		state := h.State(h.now)
		if !state.HostUnavailable || state.Name != "host" || state.Waits[ReasonHostUnavailable] != 1 {
			t.Errorf("%+v", state)
		}
		if got := state.Priorities["fast-list"]; got.Refused != 1 || got.Waiting != 1 {
			t.Errorf("%+v", got)
		}
		if got := state.Priorities["confirm"]; got.Granted != 2 {
			t.Errorf("%+v", got)
		}
	})
}

// drained returns a Limiter of one request per second without a token, from the epoch on.
func drained(t *testing.T) *Limiter {
	t.Helper()
	l := New("host", Options{Start: 1, Max: 1})
	for range 5 {
		permit, wait := l.Acquire(request(PriorityTerminate, "drain"), epoch)
		if wait != nil {
			t.Fatal(wait)
		}
		permit.Release(epoch, Outcome{Kind: Served})
	}
	return l
}

func TestHowManyTokensAPriorityLeavesToThoseAbove(t *testing.T) {
	for priority, tokens := range map[Priority]float64{
		PriorityTerminate: 1, PriorityChange: 1.5, PriorityConfirm: 2, PriorityFastList: 2.5, PrioritySlowList: 3, PriorityDeep: 3.5,
	} {
		t.Run("[P6] "+priority.String(), func(t *testing.T) {
			g := NewWithT(t)
			needed := time.Duration(tokens * float64(time.Second))
			_, wait := drained(t).Acquire(request(priority, "a"), epoch.Add(needed-10*time.Millisecond))
			g.Expect(wait).To(HaveField("Reason", ReasonRateLimited))
			g.Expect(wait.At).To(BeTemporally("~", epoch.Add(needed), time.Microsecond))
			_, wait = drained(t).Acquire(request(priority, "a"), epoch.Add(needed))
			g.Expect(wait).NotTo(HaveOccurred())
		})
	}
}

func TestThePrioritiesHaveNames(t *testing.T) {
	for priority, name := range map[Priority]string{
		PriorityTerminate: "terminate", PriorityChange: "change", PriorityConfirm: "confirm",
		PriorityFastList: "fast-list", PrioritySlowList: "slow-list", PriorityDeep: "deep",
	} {
		NewWithT(t).Expect(priority.String()).To(Equal(name))
	}
}

// wait makes a priority wait since some time before the epoch.
func (l *Limiter) wait(p Priority, since time.Duration) {
	l.queues[p].waitingSince, l.queues[p].expectedAt = epoch.Add(-since), epoch
}

func TestWhichPriorityGoesFirst(t *testing.T) {
	const second = time.Second
	for name, row := range map[string]struct {
		waiting map[Priority]time.Duration
		last    grant
		first   Priority
	}{
		"none waits":                             {nil, grant{}, priorities},
		"a terminate":                            {map[Priority]time.Duration{PriorityTerminate: 0}, grant{priority: PriorityTerminate}, PriorityTerminate},
		"a change, not for a second":             {map[Priority]time.Duration{PriorityChange: second - 1}, grant{}, priorities},
		"a change, for a second":                 {map[Priority]time.Duration{PriorityChange: second}, grant{}, PriorityChange},
		"a confirmation, not for a second":       {map[Priority]time.Duration{PriorityConfirm: second - 1}, grant{}, priorities},
		"a confirmation, for a second":           {map[Priority]time.Duration{PriorityConfirm: second}, grant{}, PriorityConfirm},
		"a fast list, not for two seconds":       {map[Priority]time.Duration{PriorityFastList: 2*second - 1}, grant{}, priorities},
		"a fast list, for two seconds":           {map[Priority]time.Duration{PriorityFastList: 2 * second}, grant{}, PriorityFastList},
		"a slow list, not for four seconds":      {map[Priority]time.Duration{PrioritySlowList: 4*second - 1}, grant{}, priorities},
		"a slow list, for four seconds":          {map[Priority]time.Duration{PrioritySlowList: 4 * second}, grant{}, PrioritySlowList},
		"a deep read, not for half a minute":     {map[Priority]time.Duration{PriorityDeep: 30*second - 1}, grant{}, priorities},
		"a deep read, for half a minute":         {map[Priority]time.Duration{PriorityDeep: 30 * second}, grant{}, PriorityDeep},
		"the one that is late for longest":       {map[Priority]time.Duration{PriorityChange: 2 * second, PriorityFastList: 4 * second, PrioritySlowList: 5 * second}, grant{}, PriorityFastList},
		"a terminate and a starved change":       {map[Priority]time.Duration{PriorityTerminate: second, PriorityChange: 5 * second}, grant{}, PriorityChange},
		"these, after a change":                  {map[Priority]time.Duration{PriorityTerminate: second, PriorityChange: 5 * second}, grant{priority: PriorityChange}, PriorityTerminate},
		"a starved read and a change":            {map[Priority]time.Duration{PriorityChange: 0, PriorityConfirm: 5 * second}, grant{priority: PriorityChange}, PriorityConfirm},
		"these, after a starved read":            {map[Priority]time.Duration{PriorityChange: 0, PriorityConfirm: 5 * second}, grant{priority: PriorityConfirm, aged: true}, priorities},
		"a starved read alone, after another":    {map[Priority]time.Duration{PriorityConfirm: 5 * second}, grant{priority: PriorityConfirm, aged: true}, PriorityConfirm},
		"a starved change, after a starved read": {map[Priority]time.Duration{PriorityChange: 5 * second}, grant{priority: PriorityConfirm, aged: true}, PriorityChange},
	} {
		t.Run("[P6] "+name, func(t *testing.T) {
			l := New("host", Options{})
			for p, since := range row.waiting {
				l.wait(p, since)
			}
			l.last = row.last
			NewWithT(t).Expect(l.firstPriority(epoch)).To(Equal(row.first))
		})
	}
}

func TestAPriorityIsWaitingUntilASecondAfterItsRetry(t *testing.T) {
	g := NewWithT(t)
	l := New("host", Options{})
	g.Expect(l.usedUp(epoch)).To(BeFalse())
	l.wait(PriorityChange, time.Minute)
	g.Expect(l.isWaiting(PriorityChange, epoch.Add(time.Second))).To(BeTrue())
	g.Expect(l.usedUp(epoch.Add(time.Second))).To(BeTrue())
	g.Expect(l.usedUp(epoch.Add(time.Second + 1))).To(BeFalse())
	g.Expect(l.isWaiting(PriorityChange, epoch.Add(time.Second+1))).To(BeFalse())
	l.queues[PriorityDeep].next = epoch.Add(time.Minute)
	g.Expect(l.usedUp(epoch.Add(time.Minute-1))).To(BeTrue(), "a slot is assigned")
	g.Expect(l.usedUp(epoch.Add(time.Minute))).To(BeFalse())
}

func TestWhatIsLeftToThePriorityThatGoesFirst(t *testing.T) {
	g := NewWithT(t)
	l := New("host", Options{Start: 10})
	g.Expect(l.floor(PriorityConfirm, priorities)).To(BeNumerically("==", 2))
	g.Expect(l.floor(PriorityConfirm, PriorityConfirm)).To(BeNumerically("==", 1))
	g.Expect(l.floor(PriorityConfirm, PriorityTerminate)).To(BeNumerically("==", 3))
	g.Expect(l.floor(PriorityDeep, PriorityDeep-1)).To(BeNumerically("==", 4.5))
	g.Expect(New("host", Options{Burst: 2}).floor(PriorityDeep, priorities)).To(BeNumerically("==", 2), "as many as there can be")
	for _, first := range []Priority{PriorityTerminate, priorities} {
		g.Expect(l.gap(PriorityConfirm, first)).To(BeZero(), "it was never throttled")
	}
	l.rate.throttledRate = 20
	g.Expect(l.gap(PriorityConfirm, priorities)).To(Equal(90 * time.Millisecond))
	g.Expect(l.gap(PriorityConfirm, PriorityConfirm)).To(Equal(90 * time.Millisecond))
	g.Expect(l.gap(PriorityConfirm, PriorityTerminate)).To(Equal(180 * time.Millisecond))
}

// waits returns for how long requests are held that are made at a time.
func waits(l *Limiter, now time.Time, requests ...Request) (all []time.Duration) {
	for _, r := range requests {
		_, wait := l.Acquire(r, now)
		if wait == nil {
			all = append(all, 0)
			continue
		}
		all = append(all, wait.At.Sub(now))
	}
	return all
}

func TestWhenRequestsThatTheRateHoldsAreRetried(t *testing.T) {
	const second = time.Second
	a, b := request(PriorityTerminate, "a"), request(PriorityTerminate, "b")
	for name, row := range map[string]struct {
		perSecond float64
		requests  []Request
		want      []time.Duration
	}{
		"one flow, one token and then half a token apart": {1, []Request{a, a, a, a}, []time.Duration{second, second, 3 * second / 2, 2 * second}},
		"two flows": {1, []Request{a, b, b}, []time.Duration{second, second, second}},
		"a read of all namespaces, not later than it starves": {0.1, []Request{request(PriorityConfirm, "")}, []time.Duration{second}},
		"a read that is sent before":                          {2, []Request{request(PriorityFastList, "")}, []time.Duration{second / 2}},
		"a read of one namespace":                             {0.1, []Request{request(PriorityConfirm, "a")}, []time.Duration{10 * second}},
		"a write of no namespace":                             {0.1, []Request{request(PriorityChange, "")}, []time.Duration{10 * second}},
	} {
		t.Run("[P6] "+name, func(t *testing.T) {
			l := New("host", Options{Start: row.perSecond, Max: row.perSecond, Burst: 1})
			permit, _ := l.Acquire(request(PriorityTerminate, "drain"), epoch)
			permit.Release(epoch, Outcome{Kind: Served})
			NewWithT(t).Expect(waits(l, epoch, row.requests...)).To(Equal(row.want))
		})
	}
	t.Run("a millisecond at least", func(t *testing.T) {
		l := drained(t)
		NewWithT(t).Expect(waits(l, epoch.Add(second-time.Microsecond), a)).To(Equal([]time.Duration{time.Millisecond}))
	})
}

func TestWhenRequestsToADomainThatDoesNotAnswerAreRetried(t *testing.T) {
	t.Run("[R17] others wait for the probe", func(t *testing.T) {
		g := NewWithT(t)
		h := newHost(t)
		h.trip()
		_, wait := h.Acquire(get("x"), h.now)
		g.Expect(wait.At).To(Equal(h.Health("").ProbeAt.Add(time.Millisecond)))
		g.Expect(wait.Domain).To(Equal("host"))
	})
	t.Run("[case-73] terminates pass every three seconds", func(t *testing.T) {
		g := NewWithT(t)
		h := newHost(t)
		h.trip()
		h.domains.host.probeAt = h.now.Add(20 * time.Second)
		g.Expect(waits(h.Limiter, h.now, terminate("a", "x"), terminate("a", "y"), terminate("a", "z"), terminate("a", "w"))).
			To(Equal([]time.Duration{0, 3 * time.Second, 3 * time.Second, 6 * time.Second}))
		g.Expect(waits(h.Limiter, h.now.Add(3*time.Second-1), terminate("a", "y"))).NotTo(Equal([]time.Duration{0}))
		g.Expect(waits(h.Limiter, h.now.Add(3*time.Second), terminate("a", "y"))).To(Equal([]time.Duration{0}))
	})
	for name, open := range map[string]func(*host) *breaker{
		"host": func(h *host) *breaker { return &h.domains.host },
		"endpoint": func(h *host) *breaker {
			for _, id := range []string{"x", "y", "z"} {
				h.send(terminate("a", id), Failed)
			}
			return &h.domains.endpoint("clusters/delete").breaker
		},
	} {
		t.Run("[case-73] terminates of several flows take turns, at an open breaker of the "+name, func(t *testing.T) {
			g := NewWithT(t)
			h := newHost(t)
			b := open(h)
			b.trip(h.now)
			b.probeAt = h.now.Add(20 * time.Second)
			g.Expect(waits(h.Limiter, h.now, terminate("a", "x"), terminate("a", "y"), terminate("b", "z"), terminate("a", "y"))).
				To(Equal([]time.Duration{0, 3 * time.Second, 3 * time.Second, 6 * time.Second}))
			g.Expect(waits(h.Limiter, h.now.Add(4*time.Second), terminate("a", "y"))).To(Equal([]time.Duration{5 * time.Second}), "the other has the turn")
			g.Expect(waits(h.Limiter, h.now.Add(4*time.Second), terminate("c", "x"))).To(Equal([]time.Duration{6001 * time.Millisecond}), "two have it")
			g.Expect(waits(h.Limiter, h.now.Add(4*time.Second+1), terminate("a", "y"))).To(Equal([]time.Duration{0}), "it did not come")
			g.Expect(b.probeAt).To(Equal(h.now.Add(20*time.Second)), "they are no probes")
			g.Expect(waits(h.Limiter, h.now.Add(20*time.Second), terminate("a", "y"))).To(Equal([]time.Duration{0}))
			g.Expect(b.probeAt).To(BeTemporally(">", h.now.Add(20*time.Second)), "this is one")
		})
	}
	t.Run("[R17] a flow whose requests fail waits for its budget", func(t *testing.T) {
		g := NewWithT(t)
		h := newHost(t)
		h.send(create("b"), Served)
		for range 10 {
			h.failed(create("a"), Failed, h.now)
		}
		g.Expect(waits(h.Limiter, h.now, create("a"), create("a"), create("a"))).
			To(Equal([]time.Duration{2001 * time.Millisecond, 3001 * time.Millisecond, 4001 * time.Millisecond}))
		g.Expect(waits(h.Limiter, h.now, terminate("a", "x"))).To(Equal([]time.Duration{0}))
	})
}

func TestUnusedStateIsRemovedEveryTenSeconds(t *testing.T) {
	g := NewWithT(t)
	h := newHost(t)
	h.send(get("x"), Failed)
	h.expect(list, "")
	h.now = epoch.Add(10*time.Second - 1)
	h.expect(list, "")
	g.Expect(h.budgets).To(HaveLen(1))
	h.now = epoch.Add(10 * time.Second)
	h.expect(list, "")
	g.Expect(h.budgets).To(BeEmpty())
}

func TestTheLogNamesTheChangesOfBreakersAndOfTheRate(t *testing.T) {
	for verbosity, want := range [][]string{
		{
			`"level"=0 "msg"="circuit breaker opened" "host"="host" "endpoint"="clusters/get" "hostUnavailable"=true`,
			`"level"=0 "msg"="circuit breaker closed" "host"="host" "endpoint"="clusters/list"`,
		},
		{
			`"level"=0 "msg"="circuit breaker opened" "host"="host" "endpoint"="clusters/get" "hostUnavailable"=true`,
			`"level"=0 "msg"="circuit breaker closed" "host"="host" "endpoint"="clusters/list"`,
			`"level"=1 "msg"="throttled" "host"="host" "priority"="fast-list" "rate"=500 "learned"=0`,
		},
	} {
		var lines []string
		logger := funcr.New(func(_, line string) { lines = append(lines, line) }, funcr.Options{Verbosity: verbosity})
		h := newHost(t)
		h.Limiter = New("host", Options{Start: 1000, Max: 1000, Burst: 1000, Logger: logger})
		h.send(get("x"), Failed)
		h.send(edit("a", "y"), Failed)
		h.send(get("z"), Failed)
		h.now = h.now.Add(time.Minute)
		h.send(list, Served)
		h.send(list, Served)
		h.send(list, Throttled)
		NewWithT(t).Expect(lines).To(Equal(want))
	}
}

func TestATokenIsLeftToTheFlowThatHasTheTurn(t *testing.T) {
	t.Run("[S17]", func(t *testing.T) {
		g := NewWithT(t)
		l := drained(t)
		g.Expect(waits(l, epoch, request(PriorityTerminate, "b"))).To(Equal([]time.Duration{time.Second}))
		now := epoch.Add(1100 * time.Millisecond)
		g.Expect(waits(l, now, request(PriorityTerminate, "a"))).To(Equal([]time.Duration{time.Second}))
		g.Expect(waits(l, now, request(PriorityTerminate, "b"))).To(Equal([]time.Duration{0}))
	})
}

func TestTheLastGrantTellsWhetherAReadHadStarved(t *testing.T) {
	for name, row := range map[string]struct {
		priority Priority
		waited   time.Duration
		isAged   bool
	}{
		"a starved read":   {PriorityConfirm, time.Second, true},
		"another read":     {PriorityConfirm, time.Second / 2, false},
		"a starved change": {PriorityChange, time.Minute, false},
	} {
		t.Run("[P6] "+name, func(t *testing.T) {
			g := NewWithT(t)
			l := New("host", Options{})
			l.wait(row.priority, row.waited)
			g.Expect(waits(l, epoch, request(row.priority, "a"))).To(Equal([]time.Duration{0}))
			g.Expect(l.last).To(Equal(grant{priority: row.priority, at: epoch, aged: row.isAged}))
		})
	}
}

func TestTheRateIsUsedUpWhileRequestsHaveRetrySlots(t *testing.T) {
	t.Run("[P5] of the rate", func(t *testing.T) {
		g := NewWithT(t)
		l := drained(t)
		g.Expect(waits(l, epoch, create("a"), create("a"), create("a"))).To(HaveLen(3))
		g.Expect(l.usedUp(epoch.Add(2 * time.Second))).To(BeTrue())
	})
	t.Run("[P5] after a Retry-After", func(t *testing.T) {
		g := NewWithT(t)
		h := newHost(t)
		permit, _ := h.Acquire(create("a"), h.now)
		permit.Release(h.now, Outcome{Kind: Throttled, RetryAfter: time.Minute})
		g.Expect(waits(h.Limiter, h.now, create("a"))).To(Equal([]time.Duration{time.Minute}))
		g.Expect(h.usedUp(epoch.Add(time.Minute))).To(BeTrue())
	})
	t.Run("[P5] not of a breaker", func(t *testing.T) {
		h := newHost(t)
		h.trip()
		NewWithT(t).Expect(h.usedUp(h.now)).To(BeFalse())
	})
}
