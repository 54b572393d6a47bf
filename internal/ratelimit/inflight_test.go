package ratelimit

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestThePlacesOfWritesInFlight(t *testing.T) {
	g := NewWithT(t)
	writes := newInFlight()
	free := func(p Priority, flow string) [2]int {
		own, all := writes.free(p, flow)
		return [2]int{own, all}
	}
	g.Expect(free(PriorityTerminate, "a")).To(Equal([2]int{5, 6}))
	g.Expect(free(PriorityChange, "a")).To(Equal([2]int{3, 4}))
	sent := []Request{create("a"), create("a"), request(PriorityTerminate, "a"), request(PriorityConfirm, "a")}
	for _, r := range sent {
		writes.add(r, epoch)
	}
	g.Expect(free(PriorityTerminate, "a")).To(Equal([2]int{2, 3}))
	g.Expect(free(PriorityTerminate, "b")).To(Equal([2]int{5, 3}))
	g.Expect(free(PriorityChange, "a")).To(Equal([2]int{1, 2}))
	g.Expect(free(PriorityChange, "b")).To(Equal([2]int{3, 2}))
	for range 3 {
		writes.add(request(PriorityTerminate, "c"), epoch)
	}
	g.Expect(free(PriorityChange, "b")).To(Equal([2]int{3, 0}), "terminates take the places of changes")
	g.Expect(free(PriorityChange, "c")).To(Equal([2]int{2, 0}))
	for range 3 {
		writes.remove(request(PriorityTerminate, "c"), epoch)
	}
	for _, r := range sent {
		writes.remove(r, epoch)
	}
	g.Expect(writes).To(Equal(inFlight{total: flight{flows: map[string]int{}}, changes: flight{flows: map[string]int{}}, since: []time.Time{}}))
}

func TestARequestWaitsForHalfTheAgeOfTheOldestWrite(t *testing.T) {
	for name, row := range map[string]struct {
		ages     []time.Duration
		priority Priority
		own      int
		want     time.Duration
	}{
		"no write":                        {nil, PriorityChange, 0, 0},
		"its own places, a young write":   {[]time.Duration{4 * time.Second, time.Second}, PriorityChange, 0, 2 * time.Second},
		"its own places, an old write":    {[]time.Duration{time.Minute, time.Second}, PriorityChange, 0, 5 * time.Second},
		"the places of others, young":     {[]time.Duration{time.Second, 0}, PriorityChange, 1, 500 * time.Millisecond},
		"the places of others, old":       {[]time.Duration{time.Minute, time.Second}, PriorityChange, 1, time.Second},
		"a terminate, and its own places": {[]time.Duration{time.Minute, time.Second}, PriorityTerminate, 0, time.Second},
	} {
		t.Run("[R7] "+name, func(t *testing.T) {
			writes := newInFlight()
			for _, age := range row.ages {
				writes.add(create("a"), epoch.Add(-age))
			}
			NewWithT(t).Expect(writes.pause(row.priority, row.own, epoch)).To(Equal(row.want))
		})
	}
}
