package simulator

import (
	"sync"
	"time"
)

// Clock is the simulator's time. It is the caller's own time, so that a client
// may compare the simulator's timestamps with its clock; Advance alone makes it
// differ. Options.TimeScale shortens how long things take, not the clock.
//
// Under testing/synctest a running clock follows the bubble's virtual time.
type Clock struct {
	mutex sync.Mutex
	now   func() time.Time
	moved time.Duration
}

// NewClock is a clock that runs with time.Now.
func NewClock() *Clock {
	return &Clock{now: time.Now}
}

// NewManualClock is a clock that stands at start until Advance moves it, so
// that a test decides when anything happens.
func NewManualClock(start time.Time) *Clock {
	return &Clock{now: func() time.Time { return start }}
}

// Now is the simulator's present.
func (c *Clock) Now() time.Time {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.now().Add(c.moved)
}

// Advance moves the clock forward; what falls due on the way happens at its own
// time, in order. A negative duration is ignored: time does not run backwards.
func (c *Clock) Advance(by time.Duration) {
	if by < 0 {
		return
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.moved += by
}
