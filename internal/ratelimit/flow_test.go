package ratelimit

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// second returns the time some seconds after the epoch; of zero it is the zero time.
func second(seconds float64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return epoch.Add(time.Duration(seconds * float64(time.Second)))
}

// flowOf returns a flow whose times are in seconds after the epoch.
func flowOf(first, last, requestedAt, turnAt float64, spacing time.Duration) *flow {
	return &flow{first: second(first), last: second(last), requestedAt: second(requestedAt), turnAt: second(turnAt), spacing: spacing}
}

func TestAFlowIsWaitingUntilASecondAfterItsRetry(t *testing.T) {
	for name, row := range map[string]struct {
		flow  *flow
		until float64 // zero: never
	}{
		"since its last request":       {flowOf(1, 10, 2, 0, 3*time.Second), 6},
		"since its first slot":         {flowOf(4, 10, 2, 0, 3*time.Second), 8},
		"until its turn":               {flowOf(1, 10, 2, 9, 3*time.Second), 10},
		"until its last slot":          {flowOf(1, 3, 2, 0, 3*time.Second), 4},
		"a flow that was never held":   {flowOf(1, 0, 2, 9, 3*time.Second), 0},
		"a flow whose turn has passed": {flowOf(1, 10, 5, 3, time.Second), 7},
	} {
		t.Run("[S17] "+name, func(t *testing.T) {
			g := NewWithT(t)
			if row.until == 0 {
				g.Expect(row.flow.isWaiting(second(2))).To(BeFalse())
				return
			}
			g.Expect(row.flow.isWaiting(second(row.until))).To(BeTrue())
			g.Expect(row.flow.isWaiting(second(row.until + 0.001))).To(BeFalse())
		})
	}
}

func TestWhenTheRetryOfAFlowIsDue(t *testing.T) {
	for name, row := range map[string]struct {
		flow     *flow
		token    time.Duration
		from, to float64
	}{
		"at its first slot":                   {flowOf(4, 10, 2, 0, time.Second), time.Second, 3.75, 5},
		"a spacing after its last request":    {flowOf(1, 10, 2, 0, 3*time.Second), time.Second, 4.75, 6},
		"at its turn":                         {flowOf(4, 10, 2, 7, time.Second), time.Second, 6.75, 8},
		"not at a turn before its request":    {flowOf(4, 10, 2, 1, time.Second), time.Second, 3.75, 5},
		"for a quarter second at least":       {flowOf(4, 10, 2, 0, time.Second), 100 * time.Millisecond, 3.975, 4.25},
		"not longer than the flow is waiting": {flowOf(4, 4, 2, 0, time.Second), 4 * time.Second, 3, 5},
	} {
		t.Run("[S17] "+name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(row.flow.isDue(second(row.from-0.001), row.token)).To(BeFalse(), "before")
			g.Expect(row.flow.isDue(second(row.from), row.token)).To(BeTrue(), "from")
			g.Expect(row.flow.isDue(second(row.to), row.token)).To(BeTrue(), "to")
			g.Expect(row.flow.isDue(second(row.to+0.001), row.token)).To(BeFalse(), "after")
		})
	}
}

func TestRetrySlotsAreHalfASpanApartForTenSeconds(t *testing.T) {
	g := NewWithT(t)
	f := &flow{}
	for i := range 11 {
		g.Expect(f.retrySlot(second(100), 2*time.Second)).To(Equal(second(100 + float64(i))))
	}
	least, most := second(1000), second(1)
	for range 1000 {
		slot := f.retrySlot(second(100), 2*time.Second)
		if slot.Before(least) {
			least = slot
		}
		most = later(most, slot)
	}
	g.Expect(least).To(BeTemporally("~", second(105), 200*time.Millisecond))
	g.Expect(least).To(BeTemporally(">=", second(105)))
	g.Expect(most).To(BeTemporally("~", second(110), 200*time.Millisecond))
	g.Expect(most).To(BeTemporally("<", second(110)))
	g.Expect([]time.Time{f.first, f.last, f.next}).To(Equal([]time.Time{second(100), second(110), second(111)}), "they are no slots")
	g.Expect(f.retrySlot(second(120), 2*time.Second)).To(Equal(second(120)))
	g.Expect([]time.Time{f.first, f.last, f.next}).To(Equal([]time.Time{second(120), second(120), second(121)}))
}

func TestOneRequestHasTheTurnOfItsFlow(t *testing.T) {
	g := NewWithT(t)
	f := &flow{}
	g.Expect(f.takeTurn(second(5), second(1))).To(BeTrue())
	g.Expect(f.takeTurn(second(6), second(2))).To(BeFalse())
	g.Expect(f.turnAt).To(Equal(second(5)))
	g.Expect(f.last).To(Equal(second(5)))
	f.last = second(20)
	g.Expect(f.takeTurn(second(7), second(5))).To(BeTrue(), "the turn is over")
	g.Expect(f.turnAt).To(Equal(second(7)))
	g.Expect(f.last).To(Equal(second(20)))
}

func TestAServedFlowGoesToTheEndAndForgetsItsLastSlot(t *testing.T) {
	g := NewWithT(t)
	f := &flow{order: second(1), last: second(5)}
	f.served(second(4))
	g.Expect(f.last).To(Equal(second(5)), "a retry is still expected")
	f.served(second(5))
	g.Expect(f.last).To(BeZero())
	g.Expect(f.order).To(Equal(second(5)))
}

func TestAFlowThatBeginsToWaitIsThreeTokensAhead(t *testing.T) {
	for name, row := range map[string]struct {
		flow  *flow
		order float64
	}{
		"a new flow":                      {&flow{}, 97},
		"a flow that was served just now": {&flow{order: second(99)}, 99},
		"a flow that was served long ago": {&flow{order: second(50)}, 97},
		"a flow that waits":               {&flow{order: second(50), first: second(100), last: second(100)}, 50},
	} {
		t.Run("[S17] "+name, func(t *testing.T) {
			g := NewWithT(t)
			isWaiting := row.flow.isWaiting(second(100))
			row.flow.next, row.flow.reason = second(100), ReasonUnanswered
			row.flow.recordRequest(second(100), time.Second)
			g.Expect(row.flow.order).To(Equal(second(row.order)))
			g.Expect(row.flow.requestedAt).To(Equal(second(100)))
			if isWaiting {
				g.Expect(row.flow.reason).To(Equal(ReasonUnanswered))
				g.Expect(row.flow.next).To(Equal(second(100)))
			} else {
				g.Expect(row.flow.reason).To(BeEmpty())
				g.Expect(row.flow.next).To(BeZero())
			}
		})
	}
}

func TestTheTurnOfAFlow(t *testing.T) {
	g := NewWithT(t)
	waiting := func(order, due float64) *flow {
		return &flow{order: second(order), first: second(due), last: second(due), requestedAt: second(90), spacing: time.Second}
	}
	q := queue{flows: map[string]*flow{
		"due": waiting(1, 100), "not due": waiting(2, 105), "own": waiting(3, 100), "as old": waiting(3, 100), "younger": waiting(4, 100),
		"served": {order: second(1)},
	}}
	all := func(string, *flow) bool { return true }
	for range 20 { // maps have no order
		g.Expect(q.turn(q.flows["own"], second(100), time.Second, all)).To(Equal(turn{ahead: 2, yields: true}))
	}
	g.Expect(q.turn(q.flows["own"], second(100), time.Second, func(name string, f *flow) bool { return name != "due" && f.order.Equal(second(2)) })).
		To(Equal(turn{ahead: 1}))
	g.Expect(q.turn(q.flows["due"], second(100), time.Second, all)).To(Equal(turn{}))
	g.Expect(q.waitingFlows(second(100))).To(Equal(5))
	g.Expect(q.waitingFlows(second(105))).To(Equal(1))
}

func TestAFlowWithoutRequestsIsKeptForAMinute(t *testing.T) {
	g := NewWithT(t)
	q := queue{flows: map[string]*flow{"idle": {requestedAt: second(1)}, "waits": flowOf(100, 100, 1, 0, time.Second)}}
	q.pruneFlows(second(61))
	g.Expect(q.flows).To(HaveLen(2))
	q.pruneFlows(second(61.001))
	g.Expect(q.flows).To(And(HaveLen(1), HaveKey("waits")))
}
