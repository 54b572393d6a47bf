package ratelimit

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestWhenA429IsTheLimitOfAnEndpointAlone(t *testing.T) {
	type answer struct {
		at           time.Duration
		othersServed bool // since the last 429
		isAlone      bool
	}
	const second = time.Second
	for name, answers := range map[string][]answer{
		"three while others are served":   {{second, true, false}, {3 * second, true, false}, {5 * second, true, true}},
		"others are not served":           {{second, true, false}, {3 * second, false, false}, {5 * second, false, false}, {7 * second, false, false}},
		"others are served again":         {{second, true, false}, {3 * second, true, false}, {5 * second, false, false}, {7 * second, true, false}, {9 * second, true, true}},
		"a burst counts one time":         {{second, true, false}, {second + second/2, true, false}, {2 * second, true, false}, {3 * second, true, false}, {4 * second, true, true}},
		"it remains known without others": {{second, true, false}, {3 * second, true, false}, {5 * second, true, true}, {7 * second, false, true}, {9 * second, false, true}},
	} {
		t.Run("[R7] "+name, func(t *testing.T) {
			limit := throttling{}
			for _, a := range answers {
				limit.othersServed = limit.othersServed || a.othersServed
				NewWithT(t).Expect(limit.throttled(epoch.Add(a.at))).To(Equal(a.isAlone), "after %v", a.at)
			}
		})
	}
}

func TestAnEndpointIsPausedForLongerWithEach429(t *testing.T) {
	g := NewWithT(t)
	limit := throttling{}
	now := epoch
	for i, want := range []float64{0, 0, 1, 2, 4, 8, 16, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30} {
		limit.othersServed = true
		now = now.Add(time.Minute)
		if limit.throttled(now) {
			g.Expect(limit.pause().Seconds()).To(BeNumerically("==", want), "429 number %d", i+1)
		} else {
			g.Expect(want).To(BeZero())
		}
	}
	limit.consecutive = 100_000
	g.Expect(limit.pause()).To(Equal(30 * time.Second))
}
