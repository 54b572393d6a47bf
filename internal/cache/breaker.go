package cache

import (
	"math"
	"slices"
	"time"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// breaker stops the calls to a host that does not answer as a workspace would,
// and lets one through from time to time to see whether it does again.
type breaker struct {
	// failures counts those in a row.
	failures int
	// openUntil is when one call may try; zero while closed.
	openUntil time.Time
	// trying: one call was let through while it is open.
	trying bool
	// pause is how long it opens next.
	pause time.Duration
	// budget is how many failed calls are left to spend, the budget of retries. It
	// is earned by successes and by time.
	budget   float64
	earnedAt time.Time
}

const (
	breakerFailures = 5
	firstPause      = 2 * time.Second
	lastPause       = 2 * time.Minute
	fullBudget      = 10.0
	budgetPerCall   = 0.1
	budgetPerSecond = 0.5
)

func newBreaker() breaker { return breaker{budget: fullBudget, pause: firstPause} }

var sickClasses = []databricks.Class{databricks.ClassTransient, databricks.ClassAmbiguous, databricks.ClassHost}

// sick tells whether an error speaks of the host rather than of the call.
func sick(err error) bool {
	return slices.Contains(sickClasses, databricks.ClassOf(err))
}

// refusal is why no call is made now, and until when; the zero value is none.
func (b *breaker) refusal(class Class, now time.Time) (until time.Time, reason string) {
	if now.Before(b.openUntil) {
		return b.openUntil, "the workspace does not answer"
	}
	b.earn(now)
	if b.budget < 1 && class != classTerminate {
		wait := time.Duration((1 - b.budget) / budgetPerSecond * float64(time.Second))
		return now.Add(wait + time.Millisecond), "too many calls to the workspace fail"
	}
	return time.Time{}, ""
}

// admitted notes that a call was let through. While the breaker was open this
// is the one that tries: the next waits for its outcome, at most until trial has
// passed.
func (b *breaker) admitted(now time.Time, trial time.Duration) {
	if !b.openUntil.IsZero() {
		b.trying, b.openUntil = true, now.Add(trial)
	}
}

// ended takes the outcome of a call. It tells whether the breaker opened or
// closed by it.
func (b *breaker) ended(err error, now time.Time) (changed bool) {
	b.earn(now)
	if !sick(err) {
		changed = !b.openUntil.IsZero()
		b.failures, b.openUntil, b.trying, b.pause = 0, time.Time{}, false, firstPause
		b.budget = math.Min(b.budget+budgetPerCall, fullBudget)
		return changed
	}
	b.failures++
	b.budget = math.Max(b.budget-1, 0)
	if b.failures < breakerFailures {
		return false
	}
	changed = b.openUntil.IsZero()
	if changed || b.trying {
		b.trying, b.openUntil = false, now.Add(b.pause)
		b.pause = min(2*b.pause, lastPause)
	}
	return changed
}

func (b *breaker) earn(now time.Time) {
	if !b.earnedAt.IsZero() {
		b.budget = math.Min(b.budget+budgetPerSecond*now.Sub(b.earnedAt).Seconds(), fullBudget)
	}
	b.earnedAt = now
}
