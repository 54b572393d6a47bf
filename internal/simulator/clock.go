package simulator

import (
	"sync"
	"time"
)

// Clock is the simulator's time. It is the same as time.Now of the caller, so
// that a client may compare the simulator's timestamps with its own clock,
// until Advance moves it. Options.TimeScale shortens durations, not the clock.
//
// Under testing/synctest a running clock follows the bubble's virtual time.
type Clock struct {
	mutex sync.Mutex
	now   func() time.Time
	moved time.Duration
}

// NewClock returns a clock that runs with time.Now.
func NewClock() *Clock {
	return &Clock{now: time.Now}
}

// NewManualClock returns a clock that stands at start until Advance moves it,
// so that a test decides when anything happens.
func NewManualClock(start time.Time) *Clock {
	return &Clock{now: func() time.Time { return start }}
}

// Now returns the simulator's time.
func (c *Clock) Now() time.Time {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.now().Add(c.moved)
}

// Advance moves the clock forward. Transitions that become due take effect in
// order, each at its own time. A negative duration is ignored.
func (c *Clock) Advance(by time.Duration) {
	if by < 0 {
		return
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.moved += by
}
