package ratelimit

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// host is a Limiter whose rate holds no request, with a fake clock.
type host struct {
	*Limiter
	t   *testing.T
	now time.Time
}

func newHost(t *testing.T) *host {
	t.Helper()
	return &host{Limiter: New("host", Options{Start: 1000, Max: 1000, Burst: 1000}), t: t, now: epoch}
}

// send sends a request that must be permitted and advances the clock by a second.
func (h *host) send(r Request, kind OutcomeKind) {
	h.t.Helper()
	permit, wait := h.Acquire(r, h.now)
	if wait != nil {
		h.t.Fatalf("%v of %q is held: %v", r.Endpoint, r.Resource, wait)
	}
	permit.Release(h.now, Outcome{Kind: kind})
	h.now = h.now.Add(time.Second)
}

// held returns why a request is held; empty if it is not. It sends nothing.
func (h *host) held(r Request) Reason {
	h.t.Helper()
	permit, wait := h.Acquire(r, h.now)
	if wait != nil {
		return wait.Reason
	}
	permit.Cancel(h.now)
	return ""
}

func (h *host) expect(r Request, reason Reason) {
	h.t.Helper()
	if got := h.held(r); got != reason {
		h.t.Errorf("%v of %q is held by %q, expected %q", r.Endpoint, r.Resource, got, reason)
	}
}

func get(resource string) Request {
	return Request{Priority: PriorityConfirm, Endpoint: "clusters/get", Resource: resource}
}

func permissions(resource string) Request {
	return Request{Priority: PriorityConfirm, Endpoint: "permissions/get", Resource: resource}
}

func edit(flow, resource string) Request {
	return Request{Priority: PriorityChange, Flow: flow, Endpoint: "clusters/edit", Resource: resource}
}

func terminate(flow, resource string) Request {
	return Request{Priority: PriorityTerminate, Flow: flow, Endpoint: "clusters/delete", Resource: resource}
}

var list = Request{Priority: PriorityFastList, Endpoint: "clusters/list"}

func TestAFailingResourceHoldsNothingElse(t *testing.T) {
	t.Run("[case-67] [R17]", func(t *testing.T) {
		h := newHost(t)
		for range 200 {
			h.send(get("failing"), Failed)
			h.now = h.now.Add(4 * time.Second)
			h.expect(get("well"), "")
			h.expect(list, "")
			h.expect(create("b"), "")
		}
	})
	t.Run("[case-67] while others succeed", func(t *testing.T) {
		h := newHost(t)
		// Failures of two resources do not count against the endpoint after others succeeded.
		for range 3 {
			h.send(get("failing"), Failed)
			h.send(get("well"), Served)
			h.send(get("also failing"), Failed)
			h.send(get("well"), Served)
		}
		for range 200 {
			for range 3 {
				h.send(get("failing"), Failed)
				h.send(get("also failing"), Failed)
			}
			h.now = h.now.Add(15 * time.Second)
			h.expect(get("well"), "")
			h.expect(list, "")
		}
	})
	t.Run("[case-67] on all its endpoints", func(t *testing.T) {
		h := newHost(t)
		for range 20 {
			h.send(get("failing"), Failed)
			h.send(permissions("failing"), Failed)
			h.now = h.now.Add(8 * time.Second)
		}
		h.expect(list, "")
		h.expect(get("well"), "")
	})
}

func TestAFailingEndpointHoldsNoOther(t *testing.T) {
	t.Run("[case-68] [R17]", func(t *testing.T) {
		h := newHost(t)
		opened := false
		for i := range 200 {
			for _, id := range []string{"x", "y", "z"} {
				if permit, wait := h.Acquire(permissions(id), h.now); wait == nil {
					permit.Release(h.now, Outcome{Kind: Failed})
				} else {
					opened = true
					if wait.Reason != ReasonEndpointUnavailable || wait.Domain != "permissions/get" {
						t.Fatalf("held by %v %v", wait.Reason, wait.Domain)
					}
				}
			}
			h.send(get(fmt.Sprint(i)), Served)
			h.send(create("b"), Served)
			h.send(terminate("b", "x"), Served)
			h.send(list, Served)
		}
		if !opened {
			t.Error("the endpoint's breaker never opened")
		}
		if got := h.Health("permissions/get"); got.Reason != ReasonEndpointUnavailable || got.Domain != "permissions/get" || got.Since.IsZero() {
			t.Errorf("the endpoint's health is %+v", got)
		}
		if got := h.Health("clusters/get"); got != (Health{}) {
			t.Errorf("the health of another endpoint is %+v", got)
		}
	})
	t.Run("[case-68] a second failing endpoint does not open the host's breaker", func(t *testing.T) {
		h := newHost(t)
		h.send(permissions("x"), Failed)
		h.send(list, Served)
		h.send(permissions("y"), Failed)
		h.send(get("z"), Failed)
		h.send(edit("a", "w"), Failed)
		h.expect(list, "")
	})
}

func TestWhatOpensABreaker(t *testing.T) {
	type step struct {
		Request
		kind OutcomeKind
	}
	for _, row := range []struct {
		name     string
		steps    []step
		endpoint string
		reason   Reason
	}{
		{"two resources", []step{{get("x"), Failed}, {get("y"), Failed}, {get("y"), Failed}}, "clusters/get", ReasonEndpointUnavailable},
		{"one resource", []step{{get("x"), Failed}, {get("x"), Failed}, {get("x"), Failed}, {get("x"), Failed}}, "clusters/get", ""},
		{
			"two resources with a success between",
			[]step{{get("x"), Failed}, {get("y"), Failed}, {get("z"), Served}, {get("x"), Failed}, {get("y"), Failed}, {get("x"), Failed}},
			"clusters/get", "",
		},
		{"two flows without resources", []step{{create("a"), Failed}, {create("b"), Failed}, {create("a"), Failed}}, "clusters/create", ReasonEndpointUnavailable},
		{"one flow without resources", []step{{list, Failed}, {list, Failed}, {list, Failed}}, "clusters/list", ReasonEndpointUnavailable},
		{"two in a row", []step{{list, Failed}, {list, Failed}}, "clusters/list", ""},
		{
			"one flow while another is served",
			[]step{{create("a"), Failed}, {create("b"), Served}, {create("a"), Failed}, {create("a"), Failed}, {create("a"), Failed}},
			"clusters/create", "",
		},
		{"answers of the service", []step{{get("x"), Answered}, {get("y"), Answered}, {list, Answered}, {get("z"), Answered}}, "clusters/get", ""},
		{"two endpoints", []step{{get("x"), Failed}, {edit("a", "y"), Failed}, {list, Failed}}, "clusters/create", ReasonHostUnavailable},
		{"two endpoints with a success between", []step{{get("x"), Failed}, {list, Served}, {edit("a", "y"), Failed}, {list, Failed}}, "clusters/create", ""},
		{"two endpoints without a connection", []step{{get("x"), Unreachable}, {list, Unreachable}}, "clusters/create", ReasonHostUnavailable},
		{
			"one endpoint without a connection",
			[]step{{get("x"), Unreachable}, {get("x"), Unreachable}, {get("x"), Unreachable}, {get("x"), Unreachable}, {get("x"), Unreachable}},
			"clusters/create", ReasonHostUnavailable,
		},
		{
			"one endpoint four times without a connection",
			[]step{{get("x"), Unreachable}, {get("x"), Unreachable}, {get("x"), Unreachable}, {get("x"), Unreachable}},
			"clusters/create", "",
		},
	} {
		t.Run("[R17] "+row.name, func(t *testing.T) {
			h := newHost(t)
			for _, s := range row.steps {
				h.send(s.Request, s.kind)
			}
			if got := h.Health(row.endpoint).Reason; got != row.reason {
				t.Errorf("%s is held by %q, expected %q", row.endpoint, got, row.reason)
			}
		})
	}
}

func TestAFailureCountsForFiveMinutes(t *testing.T) {
	for name, row := range map[string]struct {
		pause          time.Duration
		endpoint, host Reason
	}{
		"a pause of five minutes": {5*time.Minute - 2*time.Second, ReasonEndpointUnavailable, ReasonHostUnavailable},
		"a longer pause":          {5*time.Minute + 1, "", ""},
	} {
		t.Run("[R17] an endpoint, "+name, func(t *testing.T) {
			h := newHost(t)
			h.send(get("x"), Failed)
			h.now = h.now.Add(row.pause)
			h.send(get("y"), Failed)
			h.send(get("y"), Failed)
			NewWithT(t).Expect(h.Health("clusters/get").Reason).To(Equal(row.endpoint))
		})
		t.Run("[R17] the host, "+name, func(t *testing.T) {
			h := newHost(t)
			h.send(get("x"), Failed)
			h.now = h.now.Add(row.pause)
			h.send(edit("a", "y"), Failed)
			h.send(edit("a", "z"), Failed)
			NewWithT(t).Expect(h.Health("clusters/create").Reason).To(Equal(row.host))
		})
	}
}

func TestAnIsolatedResourceCountsAgainAfterAnHour(t *testing.T) {
	for pause, want := range map[time.Duration]Reason{time.Hour - time.Second: "", time.Hour: ReasonEndpointUnavailable} {
		t.Run("[R17] "+pause.String(), func(t *testing.T) {
			h := newHost(t)
			h.send(get("failing"), Failed) // a second passes
			for h.now.Before(epoch.Add(pause)) {
				h.send(get("well"), Served)
			}
			h.now = epoch.Add(pause + 1)
			for _, id := range []string{"failing", "other", "failing"} {
				h.failed(get(id), Failed, h.now)
			}
			NewWithT(t).Expect(h.Health("clusters/get").Reason).To(Equal(want))
		})
	}
}

func TestAnEndpointIsKnownForAnHourAndDuringItsRetryAfter(t *testing.T) {
	g := NewWithT(t)
	d := newDomains()
	d.recordSent(get("x"), epoch)
	d.answered(get("x"), epoch)
	d.recordSent(list, epoch)
	d.endpoint("clusters/list").pausedUntil = epoch.Add(2 * time.Hour)
	d.prune(epoch.Add(time.Hour))
	g.Expect(d.endpoint("clusters/get").working).To(HaveKey("resource/x"))
	g.Expect(d.endpoints).To(HaveLen(2))
	d.recordSent(get("y"), epoch.Add(time.Hour))
	d.prune(epoch.Add(time.Hour + 1))
	g.Expect(d.endpoint("clusters/get").working).To(BeEmpty())
	d.prune(epoch.Add(2*time.Hour - 1))
	g.Expect(d.endpoints).To(HaveLen(2))
	d.prune(epoch.Add(2*time.Hour + 1))
	g.Expect(d.endpoints).To(BeEmpty())
}

func TestARequestThatWasNeverSentProbesNoHostBeforeItsTime(t *testing.T) {
	g := NewWithT(t)
	h := newHost(t)
	h.send(list, Served)
	h.trip()
	h.domains.host.probeAt = h.now.Add(20 * time.Second)
	h.now = h.now.Add(10 * time.Second)
	h.expect(get("never seen"), ReasonHostUnavailable)
	g.Expect(h.Health("").Since).To(Equal(epoch.Add(3 * time.Second)))
	h.expect(list, "")
}

func TestOneHundredRefusedCreatesOpenNothing(t *testing.T) {
	t.Run("[case-71] [R17]", func(t *testing.T) {
		h := newHost(t)
		for range 100 {
			h.send(create("a"), Answered)
			h.expect(create("b"), "")
		}
	})
}

// trip opens the breaker of the host.
func (h *host) trip() {
	h.t.Helper()
	h.send(get("x"), Failed)
	h.send(edit("a", "y"), Failed)
	h.send(get("z"), Failed)
	if reason := h.Health("").Reason; reason != ReasonHostUnavailable {
		h.t.Fatalf("the breaker of the host is not open: %q", reason)
	}
}

// sendUnanswered sends a request that is not answered in the test.
func (h *host) sendUnanswered(r Request) {
	h.t.Helper()
	if _, wait := h.Acquire(r, h.now); wait != nil {
		h.t.Fatalf("%v of %q is held: %v", r.Endpoint, r.Resource, wait)
	}
}

func TestAProbeIsARequestKnownToWork(t *testing.T) {
	t.Run("[case-98]", func(t *testing.T) {
		h := newHost(t)
		h.send(list, Served)
		h.send(get("x"), Served)
		h.trip()
		h.sendUnanswered(list)
		h.expect(list, ReasonHostUnavailable)
		h.now = h.Health("").ProbeAt
		h.expect(get("x"), ReasonHostUnavailable) // it opened the breaker, and a list is expected
		h.expect(get("never seen"), ReasonHostUnavailable)
		h.expect(list, "")
		h.send(list, Served)
		h.expect(get("x"), "")
	})
	t.Run("none is waiting", func(t *testing.T) {
		h := newHost(t)
		h.send(get("x"), Failed)
		h.send(edit("a", "y"), Failed)
		h.send(get("z"), Failed)
		h.now = h.Health("").ProbeAt
		h.expect(get("x"), "")
	})
	t.Run("it is not retried", func(t *testing.T) {
		h := newHost(t)
		h.send(list, Served)
		h.trip()
		h.sendUnanswered(list)
		h.expect(list, ReasonHostUnavailable)
		h.now = h.Health("").ProbeAt.Add(probeGrace)
		h.expect(get("x"), "")
	})
	t.Run("of an endpoint", func(t *testing.T) {
		h := newHost(t)
		h.send(get("well"), Served)
		for _, id := range []string{"x", "y", "x"} {
			h.send(get(id), Failed)
		}
		h.sendUnanswered(get("well"))
		h.expect(get("well"), ReasonEndpointUnavailable)
		h.now = h.Health("clusters/get").ProbeAt
		h.expect(get("x"), ReasonEndpointUnavailable)
		h.send(get("well"), Served)
		h.expect(get("x"), "")
	})
}

func TestOneProbeAtATime(t *testing.T) {
	h := newHost(t)
	h.trip()
	h.now = h.Health("").ProbeAt.Add(probeGrace)
	permit, wait := h.Acquire(list, h.now)
	if wait != nil {
		t.Fatal(wait)
	}
	h.expect(get("q"), ReasonHostUnavailable)
	permit.Cancel(h.now)
	h.expect(get("q"), "") // nothing was sent, so another may probe
	permit, _ = h.Acquire(list, h.now)
	h.now = h.now.Add(maxProbeInterval) // no answer so far
	h.expect(get("q"), "")
	permit.Release(h.now, Outcome{Kind: Throttled}) // also an answer
	if got := h.Health(""); got.Reason != "" {
		t.Errorf("after an answer it is %v", got.Reason)
	}
}

func TestTerminatesPassBreakersSlowly(t *testing.T) {
	t.Run("[case-73]", func(t *testing.T) {
		s := newSimulation(Options{})
		s.serve = func(r Request, _ time.Time) Outcome {
			if r.Priority == PriorityTerminate && r.Flow == "b" {
				return Outcome{Kind: Answered}
			}
			return Outcome{Kind: Failed}
		}
		var read func(Request)
		read = func(r Request) { s.send(r, func(time.Duration, Outcome) { read(r) }) }
		for _, r := range []Request{list, get("x"), get("y"), edit("a", "x")} {
			read(r)
		}
		s.run(epoch.Add(5 * time.Minute))
		if !s.State(s.now).HostUnavailable {
			t.Fatal("the breaker of the host is not open")
		}
		began, passed := s.now, 0
		for i := range 1000 {
			var again func()
			again = func() {
				s.send(terminate("a", fmt.Sprint(i)), func(time.Duration, Outcome) { passed++; again() })
			}
			again()
		}
		s.run(began.Add(time.Minute))
		// One passes in each interval, and one more may be a probe.
		probes := int(time.Minute/(maxProbeInterval*3/4)) + 1
		if most := int(time.Minute/passInterval) + 1 + probes; passed < 12 || passed > most {
			t.Errorf("%d terminates passed within a minute", passed)
		}
		waited := time.Hour
		s.send(terminate("b", "z"), func(w time.Duration, _ Outcome) { waited = w })
		s.run(s.now.Add(30 * time.Second))
		if waited > 3*passInterval+slotGrace {
			t.Errorf("the terminate of another flow waited %v", waited)
		}
	})
}

func TestAnUnreachableHostGetsFewRequests(t *testing.T) {
	s := newSimulation(Options{})
	s.serve = func(Request, time.Time) Outcome { return Outcome{Kind: Failed} }
	for i := range 200 {
		var again func()
		r := get(fmt.Sprint(i))
		if i%2 == 0 {
			r = edit("a", fmt.Sprint(i))
		}
		again = func() { s.send(r, func(time.Duration, Outcome) { again() }) }
		again()
	}
	s.run(epoch.Add(10 * time.Minute))
	if next := s.Health("").ProbeAt.Sub(s.now); next > maxProbeInterval*5/4 || maxProbeInterval > 30*time.Second {
		t.Errorf("the next probe is due in %v", next)
	}
	if n := len(s.sent); n > 45 {
		t.Errorf("%d requests to an unreachable host in ten minutes", n)
	}
}

func TestAHostThatAnswersHalfOfEveryMinute(t *testing.T) {
	for _, latency := range []time.Duration{50 * time.Millisecond, 10 * time.Second} {
		t.Run(fmt.Sprintf("[case-98] failing within %v", latency), func(t *testing.T) {
			s := newSimulation(Options{})
			well := func(now time.Time) bool { return now.Sub(epoch)%time.Minute < 30*time.Second }
			s.serve = func(_ Request, now time.Time) Outcome {
				if !well(now) {
					s.latency = latency
					return Outcome{Kind: Failed}
				}
				s.latency = 50 * time.Millisecond
				return Outcome{Kind: Served}
			}
			for i := range 20 {
				var again func()
				r := get(fmt.Sprint(i))
				if i < 4 {
					r = edit(fmt.Sprint(i%2), fmt.Sprint(i))
				}
				again = func() { s.send(r, func(time.Duration, Outcome) { s.after(2*time.Second, again) }) }
				again()
			}
			s.run(epoch.Add(20 * time.Minute))
			var longest time.Duration
			for minute := range 20 {
				from := epoch.Add(time.Duration(minute) * time.Minute)
				first := time.Minute
				for _, r := range s.sent {
					if r.outcome.Kind == Served && !r.at.Before(from) {
						first = r.at.Sub(from)
						break
					}
				}
				longest = max(longest, first)
			}
			served, failed := s.count(epoch, never, Served), s.count(epoch, never, Failed)
			t.Logf("%d served, %d failed, the first of a half with answers after at most %v", served, failed, longest)
			if longest > 20*time.Second {
				t.Errorf("a half with answers began with a pause of %v", longest)
			}
			if failed > 30*20 {
				t.Errorf("%d failures in twenty halves without answers", failed)
			}
		})
	}
}

func TestFailuresOfOneFlowTakeNothingFromAnother(t *testing.T) {
	t.Run("[R17]", func(t *testing.T) {
		h := newHost(t)
		h.send(create("b"), Served)
		failures := 0
		for h.now.Sub(epoch) < 10*time.Minute {
			h.send(create("b"), Served) // never held
			if permit, wait := h.Acquire(create("a"), h.now); permit != nil {
				permit.Release(h.now, Outcome{Kind: Failed})
				failures++
			} else if wait.Reason != ReasonRetryBudget || wait.Domain != "clusters/create" {
				t.Fatalf("held by %v", wait)
			}
		}
		if perMinute := failures / 10; perMinute > 32 || perMinute < 20 {
			t.Errorf("%d failures a minute", perMinute)
		}
		h.expect(terminate("a", "x"), "")
	})
	t.Run("[R17] or from its own terminates and other resources", func(t *testing.T) {
		h := newHost(t)
		h.send(edit("a", "failing"), Failed)
		h.send(edit("a", "well"), Served)
		for range 1000 {
			if permit, _ := h.Acquire(edit("a", "failing"), h.now); permit != nil {
				permit.Release(h.now, Outcome{Kind: Failed})
			}
		}
		h.expect(edit("a", "failing"), ReasonRetryBudget)
		h.expect(edit("a", "well"), "")
		for range 20 {
			permit, wait := h.Acquire(terminate("a", "failing"), h.now)
			if wait != nil {
				t.Fatal(wait)
			}
			permit.Release(h.now, Outcome{Kind: Failed})
		}
	})
	t.Run("half of them fail", func(t *testing.T) {
		h := newHost(t)
		failures := 0
		for i := 0; h.now.Sub(epoch) < 10*time.Minute; h.now = h.now.Add(100 * time.Millisecond) {
			permit, wait := h.Acquire(get("x"), h.now)
			if wait != nil {
				continue
			}
			kind := Served
			if i++; i%2 == 0 {
				kind = Failed
				failures++
			}
			permit.Release(h.now, Outcome{Kind: kind})
		}
		if perMinute := failures / 10; perMinute > 40 {
			t.Errorf("%d failures a minute", perMinute)
		}
	})
}

func TestMemoryOfResourcesIsBounded(t *testing.T) {
	t.Run("[S17]", func(t *testing.T) {
		h := newHost(t)
		for i := range 5000 {
			kind := Served
			if i%3 == 0 {
				kind = Failed
			}
			if permit, _ := h.Acquire(terminate(fmt.Sprint("flow", i), fmt.Sprint(i)), h.now); permit != nil {
				permit.Release(h.now, Outcome{Kind: kind})
			}
			h.now = h.now.Add(10 * time.Millisecond)
		}
		e := h.domains.endpoint("clusters/delete")
		if len(e.failing) > maxMembers || len(e.working) > maxMembers || len(e.failing)+len(e.working) == 0 {
			t.Errorf("%d failing, %d working", len(e.failing), len(e.working))
		}
		h.now = h.now.Add(3 * idleTimeout)
		h.expect(list, "")
		h.now = h.now.Add(time.Minute)
		h.expect(list, "")
		flows := 0
		for p := range h.queues {
			flows += len(h.queues[p].flows)
		}
		if flows != 1 || len(h.budgets) != 0 || len(h.domains.endpoints) != 1 {
			t.Errorf("kept: %d flows, %d budgets, %d endpoints", flows, len(h.budgets), len(h.domains.endpoints))
		}
	})
}
