package cache

import (
	"time"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// health follows how the reads of a workspace fare.
type health struct {
	err         error
	failures    int
	since       time.Time
	lastSuccess time.Time
	// told is what the objects have been told of err.
	told error
}

// knownTrouble is how many failures in a row of a kind that passes make news.
const knownTrouble = 3

// note takes the outcome of a read. It tells whether that is news: the reads
// began to fail, in another way than before, or succeed again.
func (h *health) note(err error, now time.Time) (news bool) {
	if err == nil {
		news = h.told != nil
		*h = health{lastSuccess: now}
		return news
	}
	if h.err == nil {
		h.since = now
	}
	h.failures++
	h.err = err
	if passing(err) && h.failures < knownTrouble {
		return false
	}
	news = h.told == nil || databricks.ClassOf(h.told) != databricks.ClassOf(err)
	h.told = err
	return news
}

// shown is what may be told of the health.
func (h *health) shown() Health {
	if h.told == nil {
		return Health{LastSuccess: h.lastSuccess}
	}
	return Health{Err: h.told, Since: h.since, LastSuccess: h.lastSuccess}
}
