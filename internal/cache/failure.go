package cache

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// passing tells whether an error often passes by itself, so that one of it is
// no news.
func passing(err error) bool {
	return sick(err) || databricks.ClassOf(err) == databricks.ClassThrottled
}

// retryAfter is what the server asked for with an error; 0 where it did not.
func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*databricks.Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

// purged tells whether an error says that Databricks removed the cluster.
func purged(err error) bool {
	e, ok := errors.AsType[*databricks.Error](err)
	return ok && e.Purged
}

// retries spaces the attempts at something that fails.
type retries struct {
	failures int
	// at is when to try again; zero: at once.
	at time.Time
}

const (
	firstRetry = time.Second
	lastRetry  = 5 * time.Minute
	// refusedRetry is the pace of what a person has to mend.
	refusedRetry = 16 * time.Minute
)

// failed notes a failure at now.
func (r *retries) failed(err error, now time.Time) {
	wait := lastRetry
	if r.failures < 9 {
		wait = min(firstRetry<<r.failures, lastRetry)
	}
	r.failures++
	r.at = now.Add(wait/2 + rand.N(wait/2))
	switch {
	case !passing(err):
		r.at = now.Add(refusedRetry + rand.N(time.Minute))
	case r.at.Before(now.Add(retryAfter(err))):
		r.at = now.Add(min(retryAfter(err), lastRetry))
	}
}

// succeeded forgets all failures.
func (r *retries) succeeded() { *r = retries{} }
