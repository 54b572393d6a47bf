package schedule

import (
	"slices"
	"time"
)

// interval is a half-open interval of time.
type interval struct{ begin, end time.Time }

const (
	day = 24 * time.Hour
	// near is how far most edges are.
	near = 2 * day
	// week is the time within which a calendar without closed dates repeats, with a day on
	// each side for time zones and spans that pass midnight.
	week = 9 * day
	// horizon is how far At looks for an edge.
	horizon = 400 * day
)

// At returns the state of the calendar at an instant.
func (c Calendar) At(now time.Time) State {
	reaches := []time.Duration{near, week}
	if len(c.closed) > 0 {
		reaches = append(reaches, horizon)
	}
	var state State
	for _, reach := range reaches {
		state = c.within(now, reach)
		if !state.Since.IsZero() && !state.Until.IsZero() {
			break
		}
	}
	return state
}

// within returns the state at an instant, with the edges that are at most reach away.
func (c Calendar) within(now time.Time, reach time.Duration) State {
	first, last := now.Add(-reach), now.Add(reach)
	var state State
	for _, hours := range c.hours(first, last) {
		switch {
		case !hours.end.After(now):
			state.Since = hours.end
		case hours.begin.After(now):
			state.Until = hours.begin
			return state
		default:
			state = State{Open: true, Since: hours.begin, Until: hours.end}
			if !hours.begin.After(first) {
				state.Since = time.Time{}
			}
			if !hours.end.Before(last) {
				state.Until = time.Time{}
			}
			return state
		}
	}
	return state
}

// hours returns the open intervals between two instants, in order, without overlaps and
// without intervals that touch.
func (c Calendar) hours(first, last time.Time) []interval {
	var found []interval
	for _, s := range c.spans {
		// A span of the day before may pass midnight.
		for d := dateOf(first.In(s.location).Add(-day)); !s.at(d, 0).After(last); d = d.next() {
			if !s.days[d.Weekday()] {
				continue
			}
			hours := interval{s.at(d, s.from), s.at(d, s.to)}
			if s.to <= s.from {
				hours.end = s.at(d.next(), s.to)
			}
			found = append(found, hours)
		}
	}
	return union(subtract(union(found), c.closedDates()))
}

// closedDates returns the closed dates as intervals.
func (c Calendar) closedDates() []interval {
	var found []interval
	for _, d := range c.closed {
		found = append(found, interval{instant(d, 0, c.closedIn), instant(d.next(), 0, c.closedIn)})
	}
	return union(found)
}

func (s span) at(d date, of clock) time.Time { return instant(d, of, s.location) }

func (d date) next() date { return date{d.AddDate(0, 0, 1)} }

// instant returns the instant at which clocks of a location show a time. If a change of
// the clocks skips the time, it is the instant of the change, and if the change repeats
// the time, it is the first of the two.
func instant(d date, of clock, location *time.Location) time.Time {
	// The instant is less than a day from the same time of UTC, so a change between the two
	// is the next one on either side of it. The offsets of both sides are tried.
	wall := d.Add(time.Duration(of) * time.Minute)
	begin, end := wall.In(location).ZoneBounds()
	var offsets []int
	for _, side := range []time.Time{begin.Add(-time.Second), wall, end} {
		if !side.IsZero() {
			_, offset := side.In(location).Zone()
			offsets = append(offsets, offset)
		}
	}
	slices.SortFunc(offsets, func(a, b int) int { return b - a })
	for _, offset := range offsets {
		// The largest offset is the earliest instant.
		candidate := wall.Add(-time.Duration(offset) * time.Second)
		if _, actual := candidate.In(location).Zone(); actual == offset {
			return candidate.In(location)
		}
	}
	// No instant shows the time: the change that is nearer skipped it. A zone without a bound
	// has the zero time, which is as far away as a duration can say.
	if begin.Sub(wall).Abs() < end.Sub(wall).Abs() {
		return begin
	}
	return end
}

// union returns the intervals in order, with those that overlap or touch joined.
func union(of []interval) []interval {
	slices.SortFunc(of, func(a, b interval) int { return a.begin.Compare(b.begin) })
	var joined []interval
	for _, next := range of {
		last := len(joined) - 1
		switch {
		case !next.begin.Before(next.end):
		case last >= 0 && !next.begin.After(joined[last].end):
			if next.end.After(joined[last].end) {
				joined[last].end = next.end
			}
		default:
			joined = append(joined, next)
		}
	}
	return joined
}

// subtract returns the parts of intervals that are outside of others, which are in order.
func subtract(from, others []interval) []interval {
	var rest []interval
	for _, part := range from {
		for _, other := range others {
			if !other.end.After(part.begin) || !other.begin.Before(part.end) {
				continue
			}
			if other.begin.After(part.begin) {
				rest = append(rest, interval{part.begin, other.begin})
			}
			part.begin = other.end
		}
		if part.begin.Before(part.end) {
			rest = append(rest, part)
		}
	}
	return rest
}
