package ratelimit

import (
	"math"
	"time"
)

// budgets are the retry budgets of the flows at each endpoint. A failure uses one
// unit; successes and time restore them.
type budgets map[budgetKey]*budget

// budgetKey identifies a budget. Each flow has one at each endpoint, and another one
// for each isolated member of the endpoint.
type budgetKey struct{ flow, endpoint, member string }

type budget struct {
	left     float64
	earnedAt time.Time
}

const (
	fullBudget      = 10.0
	budgetPerCall   = 0.1
	budgetPerSecond = 0.5
	// budgetSpacing is the time that restores one unit.
	budgetSpacing = 2 * time.Second
)

// wait returns how long the budget permits no request; 0 if it permits one.
func (b budgets) wait(key budgetKey, now time.Time) time.Duration {
	found := b[key]
	if found == nil {
		return 0
	}
	found.earn(now)
	if found.left >= 1 {
		return 0
	}
	return time.Duration((1-found.left)/budgetPerSecond*float64(time.Second)) + time.Millisecond
}

func (b budgets) succeeded(key budgetKey, now time.Time) {
	if found := b[key]; found != nil {
		found.earn(now)
		found.left += budgetPerCall // earn limits it
	}
}

func (b budgets) failed(key budgetKey, now time.Time) {
	found := b[key]
	if found == nil {
		found = &budget{left: fullBudget, earnedAt: now}
		b[key] = found
	}
	found.earn(now)
	found.left = math.Max(found.left-1, 0)
}

func (b budgets) prune(now time.Time) {
	for key, found := range b {
		if found.earn(now); found.left >= fullBudget {
			delete(b, key)
		}
	}
}

// earn restores what the time since the last call restores, up to the full budget.
func (b *budget) earn(now time.Time) {
	b.left = math.Min(b.left+budgetPerSecond*now.Sub(b.earnedAt).Seconds(), fullBudget)
	b.earnedAt = now
}
