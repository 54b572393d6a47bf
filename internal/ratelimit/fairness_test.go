package ratelimit

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// request returns a request of a priority and a flow, to an endpoint of its own.
func request(p Priority, flow string) Request {
	return Request{Priority: p, Flow: flow, Endpoint: "endpoint/" + p.String()}
}

// load describes the requests that compete with the measured one.
type load struct {
	creates int
	serve   func() func(Request, time.Time) Outcome
	reads   []Priority
}

// longestWait returns the longest wait of a request under a load, in tokens.
func longestWait(r Request, under load) (tokens float64) {
	s := newSimulation(Options{Max: 10})
	if under.serve != nil {
		s.serve = under.serve()
	}
	for range under.creates {
		s.untilServed(create("a"), nil)
	}
	for _, p := range under.reads {
		var read func()
		read = func() { s.send(request(p, ""), func(time.Duration, Outcome) { read() }) }
		read()
	}
	for i := range 60 {
		s.at(epoch.Add(time.Duration(i)*1500*time.Millisecond+time.Second+rand.N(500*time.Millisecond)), func() {
			token := s.token()
			s.send(r, func(waited time.Duration, _ Outcome) { // without its own delay
				tokens = max(tokens, float64(waited-s.late)/float64(token))
			})
		})
	}
	s.run(epoch.Add(100 * time.Second))
	return tokens
}

func TestAThousandCreatesOfOneFlowDelayAnotherByTwoTokens(t *testing.T) {
	refused := func() func(Request, time.Time) Outcome {
		return func(Request, time.Time) Outcome { return Outcome{Kind: Answered} }
	}
	hidden := func() func(Request, time.Time) Outcome {
		bucket := newBucket(10, 10)
		return limited(&bucket)
	}
	reads := []Priority{PriorityConfirm, PriorityFastList, PrioritySlowList}
	for _, row := range []struct {
		name string
		load
	}{
		{"served", load{creates: 1000}},
		{"refused with 400 or 403", load{creates: 1000, serve: refused}},
		{"under a hidden limit", load{creates: 1000, serve: hidden}},
		{"with reads of the operator", load{creates: 1000, reads: reads}},
	} {
		for name, r := range map[string]Request{
			"create": create("b"),
			"edit":   {Priority: PriorityChange, Flow: "b", Endpoint: "clusters/edit", Resource: "x"},
			"delete": {Priority: PriorityTerminate, Flow: "b", Endpoint: "clusters/delete", Resource: "x"},
		} {
			t.Run("[P13] [case-72] "+row.name+", "+name, func(t *testing.T) {
				alone := row.load
				alone.creates = 0
				with, without := longestWait(r, row.load), longestWait(r, alone)
				t.Logf("%.2f tokens, %.2f without the load", with, without)
				if with-without > 2 {
					t.Errorf("delayed by %.2f tokens, from %.2f", with-without, without)
				}
			})
		}
	}
}

func TestFlowsShareTheRateEqually(t *testing.T) {
	t.Run("[S17]", func(t *testing.T) {
		s := newSimulation(Options{Start: 8, Max: 8})
		served := map[string]int{}
		for flow, n := range map[string]int{"a": 1000, "b": 200, "c": 80} {
			for range n {
				s.send(create(flow), func(time.Duration, Outcome) { served[flow]++ })
			}
		}
		s.run(epoch.Add(30 * time.Second))
		t.Log(served)
		if least := 30 * 8 / 3 * 8 / 10; served["a"] < least || served["b"] < least || served["c"] < min(least, 80) {
			t.Errorf("unequal shares: %v", served)
		}
	})
}

func TestAFlowWithoutRetriesIsRemoved(t *testing.T) {
	l := New("host", Options{Start: 1, Max: 1})
	for range 5 {
		if permit, _ := l.Acquire(create("a"), epoch); permit != nil {
			permit.Release(epoch, Outcome{Kind: Served})
		}
	}
	for i := range 100 { // these are never retried
		_, _ = l.Acquire(create(fmt.Sprint("gone", i)), epoch)
	}
	now := epoch.Add(5 * time.Minute)
	if permit, wait := l.Acquire(create("b"), now); permit == nil {
		t.Errorf("held by flows without retries: %v until %v", wait, wait.At)
	}
	_, _ = l.Acquire(create("b"), now.Add(pruneInterval))
	if n := len(l.queues[PriorityChange].flows); n != 1 {
		t.Errorf("%d flows are kept", n)
	}
}

func TestOneFlowCannotTakeAllWritesInFlight(t *testing.T) {
	t.Run("[R7] [R17]", func(t *testing.T) {
		l := New("host", Options{Start: 100, Max: 100, Burst: 50})
		var now time.Time
		grants := func(r Request) bool {
			now = now.Add(time.Second)
			permit, wait := l.Acquire(r, now)
			if wait != nil && wait.Reason != ReasonUnanswered {
				t.Fatal(wait)
			}
			return permit != nil
		}
		n := 0
		for range 20 {
			if grants(create("a")) {
				n++
			}
		}
		if n != maxChanges-1 {
			t.Fatalf("one flow has %d changes in flight", n)
		}
		if !grants(create("b")) {
			t.Error("another flow has no place")
		}
		if grants(create("c")) {
			t.Error("the bound on changes does not hold")
		}
		if !grants(request(PriorityTerminate, "a")) || !grants(request(PriorityTerminate, "b")) {
			t.Error("a terminate waits for changes")
		}
		if grants(request(PriorityTerminate, "c")) {
			t.Error("the bound on writes does not hold")
		}
		if !grants(request(PriorityConfirm, "a")) {
			t.Error("a read waits for writes")
		}
	})
	t.Run("[R17] terminates alone", func(t *testing.T) {
		l, now := New("host", Options{Start: 100, Max: 100, Burst: 50}), epoch
		n := 0
		for range 20 {
			if permit, _ := l.Acquire(request(PriorityTerminate, "a"), now); permit != nil {
				n++
			}
			now = now.Add(time.Second)
		}
		if n != maxWrites-1 {
			t.Errorf("one flow has %d terminates in flight", n)
		}
		if permit, wait := l.Acquire(create("b"), now); permit == nil {
			t.Errorf("another flow has no place: %v", wait)
		}
	})
}

func TestTheLastPlaceInFlightTakesTurns(t *testing.T) {
	t.Run("[R17]", func(t *testing.T) {
		s := newSimulation(Options{Start: 20, Max: 20})
		s.latency = 2 * time.Second // two changes a second at most
		for _, flow := range []string{"a", "b"} {
			for range 100 {
				s.send(create(flow), nil)
			}
		}
		var worst time.Duration
		for i := range 10 {
			s.at(epoch.Add(time.Duration(2+3*i)*time.Second), func() {
				s.send(create("c"), func(waited time.Duration, _ Outcome) { worst = max(worst, waited) })
			})
		}
		s.run(epoch.Add(45 * time.Second))
		if worst == 0 || worst > 3*time.Second {
			t.Errorf("another flow waited %v for a place", worst)
		}
	})
}

func TestATerminateDoesNotWaitForReads(t *testing.T) {
	for _, row := range []struct {
		name    string
		options Options
		hidden  float64
	}{
		{"at a rate of our own", Options{Max: 4}, 0},
		{"under a hidden limit", Options{}, 5},
	} {
		t.Run("[P6] "+row.name, func(t *testing.T) {
			s := newSimulation(row.options)
			if row.hidden > 0 {
				bucket := newBucket(row.hidden, 1)
				s.serve = limited(&bucket)
			}
			for _, p := range []Priority{PriorityConfirm, PriorityFastList, PrioritySlowList, PriorityDeep, PriorityConfirm, PriorityFastList} {
				var read func()
				read = func() { s.untilServed(request(p, ""), func(time.Duration) { read() }) }
				read()
			}
			for i := range 50 {
				s.at(epoch.Add(time.Minute+time.Duration(3*i)*time.Second), func() {
					s.send(request(PriorityTerminate, "a"), func(waited time.Duration, _ Outcome) {
						if waited > 750*time.Millisecond { // three tokens at 4/s
							t.Errorf("a terminate waited %v", waited)
						}
					})
				})
			}
			s.run(epoch.Add(5 * time.Minute))
		})
	}
}

func TestChangesDoNotStarveBehindTerminates(t *testing.T) {
	t.Run("[P6]", func(t *testing.T) {
		s := newSimulation(Options{Max: 8})
		for range 500 {
			s.send(request(PriorityTerminate, "a"), nil)
		}
		s.at(epoch.Add(10*time.Second), func() {
			s.send(create("b"), func(waited time.Duration, _ Outcome) {
				if waited > 3*time.Second {
					t.Errorf("a change waited %v behind terminates", waited)
				}
			})
		})
		s.run(never)
	})
}

func TestNoPriorityStarves(t *testing.T) {
	t.Run("[P6]", func(t *testing.T) {
		s := newSimulation(Options{Max: 8})
		for range 4000 {
			s.send(create("a"), nil)
		}
		longest := map[Priority]time.Duration{}
		for _, p := range []Priority{PriorityTerminate, PriorityConfirm, PriorityFastList, PrioritySlowList, PriorityDeep} {
			left := 5
			var again func()
			again = func() {
				s.send(request(p, ""), func(waited time.Duration, _ Outcome) {
					longest[p] = max(longest[p], waited)
					if left--; left > 0 {
						s.after(time.Second, again)
					}
				})
			}
			s.at(epoch.Add(10*time.Second), again)
		}
		s.run(epoch.Add(400 * time.Second))
		for p, took := range longest {
			t.Logf("%s waited at most %v", p, took)
			if bound := levels[p].maxStarvation + 3*time.Second; took > bound {
				t.Errorf("%s waited %v, more than %v", p, took, bound)
			}
		}
		if len(longest) != 5 {
			t.Errorf("some were never sent: %v", longest)
		}
	})
}

// Permits are conserved: never more requests are sent than the rate and the returned
// tokens permit, each place in flight is returned, and no flow waits longer than its
// share of the rate explains.
func TestPermitsAreConservedAndFlowsDoNotStarve(t *testing.T) {
	t.Run("[S17]", rapid.MakeCheck(func(t *rapid.T) {
		perSecond := rapid.Float64Range(2, 20).Draw(t, "rate")
		flows := rapid.IntRange(1, 12).Draw(t, "flows")
		s := newSimulation(Options{Start: perSecond, Max: perSecond})
		s.latency = time.Duration(rapid.IntRange(1, 80).Draw(t, "latency")) * time.Millisecond
		sent, cancelled := 0, 0
		lastSent := make([]time.Time, flows)
		worst := 0.0
		var left []int
		for i := range flows {
			left = append(left, rapid.IntRange(1, 60).Draw(t, "requests"))
			lastSent[i] = epoch
			for range left[i] {
				var ask func()
				ask = func() {
					permit, wait := s.Acquire(create(fmt.Sprint(i)), s.now)
					if wait != nil {
						s.at(wait.At.Add(rand.N(s.late)), ask)
						return
					}
					worst = max(worst, s.tokens(s.now.Sub(lastSent[i])))
					lastSent[i] = s.now
					if rand.N(10) == 0 {
						permit.Cancel(s.now)
						permit.Release(s.now, Outcome{}) // has no effect
						cancelled++
						s.after(s.late, ask)
						return
					}
					sent++
					s.after(s.latency, func() {
						permit.Release(s.now, Outcome{Kind: Served})
						permit.Release(s.now, Outcome{Kind: Failed})
						left[i]--
					})
				}
				ask()
			}
		}
		s.run(never)
		for i, n := range left {
			if n != 0 {
				t.Fatalf("flow %d still waits for %d requests", i, n)
			}
		}
		if allowed := float64(s.options.Burst) + s.tokens(s.now.Sub(epoch)) + 1; float64(sent) > allowed {
			t.Errorf("%d were sent where %.1f were allowed", sent, allowed)
		}
		state := s.State(s.now)
		if state.WritesInFlight != 0 || len(s.writes.total.flows)+len(s.writes.changes.flows) != 0 {
			t.Errorf("%d writes are still in flight", state.WritesInFlight)
		}
		if granted := state.Priorities["change"].Granted; granted != int64(sent) {
			t.Errorf("%d granted, %d sent, %d cancelled", granted, sent, cancelled)
		}
		// A flow without requests for a while (all are held with later retry times, or
		// cancelled) loses at most the time until it stops waiting.
		if bound := 2*float64(flows) + 4 + s.tokens(slotGrace); worst > bound {
			t.Errorf("a flow waited %.1f tokens, its share is one of %d", worst, flows)
		}
	}))
}
