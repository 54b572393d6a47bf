package ratelimit

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestARetryBudgetIsUsedByFailuresAndRestoredByTime(t *testing.T) {
	const succeeded, failed = "succeeded", "failed"
	type step struct {
		at    time.Duration
		event string
		times int
	}
	for name, row := range map[string]struct {
		steps []step
		at    time.Duration
		wait  time.Duration
	}{
		"without a failure":                   {nil, 0, 0},
		"successes alone":                     {[]step{{0, succeeded, 3}}, 0, 0},
		"nine failures":                       {[]step{{0, failed, 9}}, 0, 0},
		"ten failures":                        {[]step{{0, failed, 10}}, 0, 2001 * time.Millisecond},
		"more failures":                       {[]step{{0, failed, 20}}, 0, 2001 * time.Millisecond},
		"a second later":                      {[]step{{0, failed, 10}}, time.Second, 1001 * time.Millisecond},
		"two seconds later":                   {[]step{{0, failed, 10}}, 2 * time.Second, 0},
		"a success":                           {[]step{{0, failed, 10}, {0, succeeded, 1}}, 0, 1801 * time.Millisecond},
		"a second and a success":              {[]step{{0, failed, 10}, {time.Second, succeeded, 1}}, time.Second, 801 * time.Millisecond},
		"many successes restore ten failures": {[]step{{0, failed, 1}, {0, succeeded, 100}, {0, failed, 10}}, 0, 2001 * time.Millisecond},
		"an hour restores ten failures":       {[]step{{0, failed, 1}, {time.Hour, failed, 10}}, time.Hour, 2001 * time.Millisecond},
	} {
		t.Run("[R17] "+name, func(t *testing.T) {
			all, key := budgets{}, budgetKey{flow: "a", endpoint: "clusters/create"}
			for _, s := range row.steps {
				for range s.times {
					if s.event == failed {
						all.failed(key, epoch.Add(s.at))
					} else {
						all.succeeded(key, epoch.Add(s.at))
					}
				}
			}
			g := NewWithT(t)
			g.Expect(all.wait(key, epoch.Add(row.at))).To(BeNumerically("~", row.wait, time.Nanosecond))
			g.Expect(all.wait(budgetKey{flow: "b", endpoint: "clusters/create"}, epoch.Add(row.at))).To(BeZero(), "another flow")
		})
	}
}

func TestAFullBudgetIsRemoved(t *testing.T) {
	g := NewWithT(t)
	all := budgets{}
	all.failed(budgetKey{flow: "a"}, epoch)
	all.prune(epoch.Add(2*time.Second - time.Millisecond))
	g.Expect(all).To(HaveLen(1))
	all.prune(epoch.Add(2 * time.Second))
	g.Expect(all).To(BeEmpty())
}
