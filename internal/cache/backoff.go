package cache

import (
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// transientClasses often pass by themselves, so that one occurrence changes nothing.
var transientClasses = []databricks.Class{
	databricks.ClassTransient, databricks.ClassAmbiguous, databricks.ClassHost, databricks.ClassThrottled,
}

// isTransient reports whether an error often passes by itself.
func isTransient(err error) bool { return slices.Contains(transientClasses, databricks.ClassOf(err)) }

// retryAfter returns what the server asked for with an error; 0 where it did not.
func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*databricks.Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

// isPurged reports whether an error says that Databricks removed the cluster.
func isPurged(err error) bool {
	e, ok := errors.AsType[*databricks.Error](err)
	return ok && e.Purged
}

// backoff spaces the attempts at something that fails.
type backoff struct {
	// failures counts all in a row, transient those since the last that was not.
	failures, transient int
	// at is when to try again; zero: at once.
	at time.Time
}

const (
	firstRetry = time.Second
	lastRetry  = 5 * time.Minute
	// refusedRetry is the pause after a failure that a person has to correct.
	refusedRetry = 16 * time.Minute
	// firstRefusedRetry is the first pause after the GET of one cluster was refused;
	// it doubles up to refusedRetry.
	firstRefusedRetry = 5 * time.Second
)

// failed records a failure at now.
func (b *backoff) failed(err error, now time.Time) {
	pause := lastRetry
	if b.transient < 9 {
		pause = min(firstRetry<<b.transient, lastRetry)
	}
	b.failures++
	b.transient++
	b.at = now.Add(pause/2 + rand.N(pause/2))
	switch {
	case !isTransient(err):
		b.at, b.transient = now.Add(refusedRetry+rand.N(time.Minute)), 0
	case b.at.Before(now.Add(retryAfter(err))):
		b.at = now.Add(min(retryAfter(err), lastRetry))
	}
}

// refused records a refusal that concerns one cluster alone, at now.
func (b *backoff) refused(now time.Time) {
	pause := refusedRetry
	if b.failures < 8 {
		pause = min(firstRefusedRetry<<b.failures, refusedRetry)
	}
	b.failures++
	b.transient = 0
	b.at = now.Add(pause + rand.N(pause/16))
}

// heldUntil puts the next attempt off without a failure.
func (b *backoff) heldUntil(at time.Time) { b.at = later(b.at, at) }

// succeeded forgets all failures.
func (b *backoff) succeeded() { *b = backoff{} }
