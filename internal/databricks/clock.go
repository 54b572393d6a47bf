package databricks

import (
	"net/http"
	"sync"
	"time"
)

// clockWindow is how long a measurement of the workspace's clock is preferred to a
// later one with a longer round trip.
const clockWindow = 10 * time.Minute

// dateResolution is that of the Date header, which names the second that has begun.
const dateResolution = time.Second

// clock is what is known of the workspace's clock.
type clock struct {
	mu sync.Mutex // guards best and known
	// best is the measurement with the shortest round trip of the recent ones.
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

// measure takes a Date header and when its request began and was answered. It
// returns the date; zero where the header holds none.
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
