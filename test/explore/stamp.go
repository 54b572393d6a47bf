package explore

import (
	"time"

	"github.com/databricks-operator/databricks-operator/internal/plan"
)

// stamp is a tick; the zero value is none. Within a tick, the order of events is kept by
// the state itself: a read that a later event makes useless is dropped by that event. The
// current tick always has the number present, so that states which differ only in their
// age are equal.
type stamp int16

const (
	present stamp = 256
	// settled is how many ticks a creation waits for its end. Nothing waits for longer.
	settled = 4

	// tick is longer than plan's margin for clocks (16 minutes), so a cluster that began
	// a tick before an intent is older than it.
	tick = 20 * time.Minute
	// span is each wait of the protocol: what takes it is possible for one tick after its
	// beginning, and not after two. The three waits together end after four ticks, and
	// any two of them after three, so a wait that is left out shows.
	span = 25 * time.Minute
)

// limits are the waits of plan.
var limits = plan.Limits{CreateWindow: span, RequestDeadline: span, VisibilityGrace: span}

var epoch = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// now is the time of a decision: after all other events of the tick so far.
var now = present.time().Add(time.Second)

// time returns the tick as the operator reads it from a clock.
func (s stamp) time() time.Time {
	if s == 0 {
		return time.Time{}
	}
	return epoch.Add(time.Duration(s) * tick)
}

// stampAt is the inverse of stamp.time.
func stampAt(t time.Time) stamp {
	if t.IsZero() {
		return 0
	}
	return stamp(t.Sub(epoch) / tick) //nolint:gosec // no stamp is after present
}

// isWithinSpan reports whether what began at s and takes less than span can still be
// under way.
func (s stamp) isWithinSpan() bool { return now.Before(s.time().Add(span)) }
