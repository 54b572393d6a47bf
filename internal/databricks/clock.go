package databricks

import (
	"net/http"
	"sync"
	"time"
)

// clockWindow is the time for which a measurement of the workspace's clock is preferred
// to a later one with a longer round trip.
const clockWindow = 10 * time.Minute

// dateResolution is the resolution of the Date header, which is rounded down.
const dateResolution = time.Second

// clock measures the workspace's clock.
type clock struct {
	mu sync.Mutex // guards best and known
	// best is the recent measurement with the shortest round trip.
	best  measurement
	known bool
}

// measurement is one comparison of the workspace's clock with the operator's.
type measurement struct {
	// skew is the workspace's clock minus the operator's.
	skew      time.Duration
	roundTrip time.Duration
	at        time.Time
}

// measure adds the measurement of a Date header, for a request that was sent at begin
// and whose response arrived at end. It returns the date; zero if the header is invalid.
func (c *clock) measure(header string, begin, end time.Time) time.Time {
	date, err := http.ParseTime(header)
	if err != nil {
		return time.Time{}
	}
	roundTrip := end.Sub(begin)
	halfway := begin.Add(roundTrip / 2)
	now := measurement{skew: date.Add(dateResolution / 2).Sub(halfway), roundTrip: roundTrip, at: end}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.known || now.roundTrip <= c.best.roundTrip || end.Sub(c.best.at) > clockWindow {
		c.best, c.known = now, true
	}
	return date
}

func (c *clock) skew() (skew time.Duration, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.best.skew, c.known
}
