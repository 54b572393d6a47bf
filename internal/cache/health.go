package cache

import (
	"time"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// health tracks the health of the reads of one cluster, or of the lists.
type health struct {
	err error
	// transient counts the transient failures in a row.
	transient   int
	since       time.Time
	lastSuccess time.Time
	// reported is the failure that objects were notified of.
	reported error
}

// minTransientFailures is the number of consecutive transient failures after which
// the failure is reported.
const minTransientFailures = 3

// succeeded records a success at now and reports whether it ends a reported failure.
func (h *health) succeeded(now time.Time) (changed bool) {
	changed = h.reported != nil
	*h = health{lastSuccess: now}
	return changed
}

// failed records a failure and reports whether the reported failure changed.
func (h *health) failed(err error, now time.Time) (changed bool) {
	if h.err == nil {
		h.since = now
	}
	h.err = err
	if isTransient(err) {
		h.transient++
	} else {
		h.transient = 0
	}
	if isTransient(err) && h.transient < minTransientFailures {
		return false
	}
	changed = h.reported == nil || databricks.ClassOf(h.reported) != databricks.ClassOf(err)
	h.reported = err
	return changed
}

// block reports an open breaker at once. It reports whether no failure was reported
// before.
func (h *health) block(err error, now time.Time) (changed bool) {
	if h.reported != nil {
		return false
	}
	if h.err == nil {
		h.since = now
	}
	h.err, h.reported = err, err
	return true
}

// state returns the health with the reported failure only.
func (h *health) state() Health {
	if h.reported == nil {
		return Health{LastSuccess: h.lastSuccess}
	}
	return Health{Err: h.reported, Since: h.since, LastSuccess: h.lastSuccess}
}
