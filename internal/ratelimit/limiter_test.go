package ratelimit

import (
	"errors"
	"strings"
	"testing"
	"time"
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
