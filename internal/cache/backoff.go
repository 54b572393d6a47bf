package cache

import (
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// transientClasses are the classes of errors that a retry often resolves.
var transientClasses = []databricks.Class{
	databricks.ClassTransient, databricks.ClassAmbiguous, databricks.ClassHost, databricks.ClassThrottled,
}

// isTransient reports whether a retry often resolves an error.
func isTransient(err error) bool { return slices.Contains(transientClasses, databricks.ClassOf(err)) }

// retryAfter returns the Retry-After of an error; 0 if it has none.
func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*databricks.Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

// isPurged reports whether an error means that Databricks purged the cluster.
func isPurged(err error) bool {
	e, ok := errors.AsType[*databricks.Error](err)
	return ok && e.Purged
}

// backoff is the exponential backoff of one operation.
type backoff struct {
	// failures counts the failures in a row, transient those since the last failure
	// that was not transient.
	failures, transient int
	// at is when to retry; zero means at once.
	at time.Time
}

const (
	minRetryInterval = time.Second
	maxRetryInterval = 5 * time.Minute
	// refusalRetryInterval is the backoff after a failure that a user must correct.
	refusalRetryInterval = 16 * time.Minute
	// minRefusalRetryInterval is the first backoff after a GET of one cluster was
	// refused; it doubles up to refusalRetryInterval.
	minRefusalRetryInterval = 5 * time.Second
)

// failed records a failure at now.
func (b *backoff) failed(err error, now time.Time) {
	pause := maxRetryInterval
	if b.transient < 9 {
		pause = min(minRetryInterval<<b.transient, maxRetryInterval)
	}
	b.failures++
	b.transient++
	b.at = now.Add(pause/2 + rand.N(pause/2))
	switch {
	case !isTransient(err):
		b.at, b.transient = now.Add(refusalRetryInterval+rand.N(time.Minute)), 0
	case b.at.Before(now.Add(retryAfter(err))):
		b.at = now.Add(min(retryAfter(err), maxRetryInterval))
	}
}

// refused records a refusal of one cluster's reads at now.
func (b *backoff) refused(now time.Time) {
	pause := refusalRetryInterval
	if b.failures < 8 {
		pause = min(minRefusalRetryInterval<<b.failures, refusalRetryInterval)
	}
	b.failures++
	b.transient = 0
	b.at = now.Add(pause + rand.N(pause/16))
}

// delayUntil delays the next attempt without counting a failure.
func (b *backoff) delayUntil(at time.Time) { b.at = later(b.at, at) }

// succeeded resets the backoff.
func (b *backoff) succeeded() { *b = backoff{} }
