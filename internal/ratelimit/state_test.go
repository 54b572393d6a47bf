package ratelimit

import (
	"maps"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestTheStateOfANewLimiter(t *testing.T) {
	g := NewWithT(t)
	state := New("host", Options{}).State(epoch)
	g.Expect(slices.Sorted(maps.Keys(state.Priorities))).To(Equal([]string{"change", "confirm", "deep", "fast-list", "slow-list", "terminate"}))
	for _, priority := range state.Priorities {
		g.Expect(priority).To(BeZero())
	}
	state.Priorities = nil
	g.Expect(state).To(Equal(State{Name: "host", Rate: 4, Tokens: 5, Waits: map[Reason]int64{}}))
}

func TestTheStateListsTheEndpointsWithAnOpenBreakerInOrder(t *testing.T) {
	g := NewWithT(t)
	h := newHost(t)
	h.send(list, Served)
	for _, endpoint := range []string{"b", "d", "a", "c"} {
		for _, id := range []string{"x", "y", "x"} {
			h.send(Request{Priority: PriorityConfirm, Endpoint: endpoint, Resource: id}, Failed)
			h.send(list, Served)
		}
	}
	g.Expect(h.State(h.now).UnavailableEndpoints).To(Equal([]string{"a", "b", "c", "d"}))
	opened := epoch.Add(17 * time.Second)
	g.Expect(h.Health("a").Since).To(Equal(opened))
	g.Expect(h.Health("a").ProbeAt).To(BeTemporally("~", opened.Add(2*time.Second), 500*time.Millisecond))
}

func TestTheStateOfAThrottledPriority(t *testing.T) {
	g := NewWithT(t)
	h := newHost(t)
	permit, _ := h.Acquire(create("a"), h.now)
	g.Expect(h.State(h.now).WritesInFlight).To(Equal(1))
	permit.Release(h.now, Outcome{Kind: Throttled, RetryAfter: time.Minute})
	_, wait := h.Acquire(create("a"), h.now)
	g.Expect(wait).To(HaveField("Reason", ReasonRetryAfter))
	state := h.State(h.now)
	g.Expect(state.Priorities["change"]).To(Equal(PriorityState{Granted: 1, Refused: 1, Throttled: 1, Waiting: 1, PausedUntil: epoch.Add(time.Minute)}))
	g.Expect(state.Waits).To(Equal(map[Reason]int64{ReasonRetryAfter: 1}))
	g.Expect(state.Rate).To(BeNumerically("==", 500))
}
