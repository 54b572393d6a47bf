package cache

import (
	"time"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// health follows how the reads of one domain fare: a cluster's, or the lists.
type health struct {
	err error
	// transient counts the transient failures in a row.
	transient   int
	since       time.Time
	lastSuccess time.Time
	// shown is the failure that objects were notified of.
	shown error
}

// shownAfter is how many failures in a row of a transient kind show.
const shownAfter = 3

// succeeded takes a success that began at startedAt and ended at now. It reports
// whether a failure was shown before.
func (h *health) succeeded(now time.Time) (changed bool) {
	changed = h.shown != nil
	*h = health{lastSuccess: now}
	return changed
}

// failed takes a failure. It reports whether that changes what is shown.
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
	if isTransient(err) && h.transient < shownAfter {
		return false
	}
	changed = h.shown == nil || databricks.ClassOf(h.shown) != databricks.ClassOf(err)
	h.shown = err
	return changed
}

// block shows at once that reads are kept from being made. It reports whether a
// failure was not shown before.
func (h *health) block(err error, now time.Time) (changed bool) {
	if h.shown != nil {
		return false
	}
	if h.err == nil {
		h.since = now
	}
	h.err, h.shown = err, err
	return true
}

// state returns what may be shown.
func (h *health) state() Health {
	if h.shown == nil {
		return Health{LastSuccess: h.lastSuccess}
	}
	return Health{Err: h.shown, Since: h.since, LastSuccess: h.lastSuccess}
}
