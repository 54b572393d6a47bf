package schedule

import (
	"fmt"
	"slices"
	"sync"
	"time"
	_ "time/tzdata" // the time zones of an image that has none

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// Calendar has the weekly hours of a schedule or of windows. The zero value is never open.
type Calendar struct {
	spans []span
	// closed are the dates without hours, in closedIn.
	closed   []date
	closedIn *time.Location
}

// span is a time of some days of the week. It ends on the next day if to is not after from.
type span struct {
	days     [7]bool
	from, to clock
	location *time.Location
}

// clock is a time of a day in minutes, 0 to 24*60.
type clock int

// date is midnight UTC of a date of the proleptic Gregorian calendar.
type date struct{ time.Time }

// State is the state of a calendar at an instant.
type State struct {
	// Open reports whether the instant is within the hours.
	Open bool
	// Since is when the state began, and Until when it ends; zero if that is more than a
	// year away, or never.
	Since, Until time.Time
}

// OfSchedule returns the calendar of a schedule. It fails if the time zone is unknown or a
// time or date is malformed.
func OfSchedule(declared *v1alpha1.Schedule) (Calendar, error) {
	location, err := locationOf(declared.TimeZone)
	if err != nil {
		return Calendar{}, fmt.Errorf("spec.schedule.timeZone %w", err)
	}
	calendar := Calendar{closedIn: location}
	for i, up := range declared.Up {
		parsed, err := parseSpan(up, location)
		if err != nil {
			return Calendar{}, fmt.Errorf("spec.schedule.up[%d].%w", i, err)
		}
		calendar.spans = append(calendar.spans, parsed)
	}
	for i, text := range declared.ExceptDates {
		day, err := time.Parse(time.DateOnly, text)
		if err != nil {
			return Calendar{}, fmt.Errorf("spec.schedule.exceptDates[%d] %q is not a date such as 2026-12-25", i, text)
		}
		calendar.closed = append(calendar.closed, date{day})
	}
	return calendar, nil
}

// OfWindows returns the calendar of the windows of an update strategy. It fails as
// OfSchedule does.
func OfWindows(windows []v1alpha1.UpdateWindow) (Calendar, error) {
	var calendar Calendar
	for i, window := range windows {
		location, err := locationOf(window.TimeZone)
		if err != nil {
			return Calendar{}, fmt.Errorf("spec.updateStrategy.windows[%d].timeZone %w", i, err)
		}
		parsed, err := parseSpan(window.WeeklySpan, location)
		if err != nil {
			return Calendar{}, fmt.Errorf("spec.updateStrategy.windows[%d].%w", i, err)
		}
		calendar.spans = append(calendar.spans, parsed)
	}
	return calendar, nil
}

func parseSpan(declared v1alpha1.WeeklySpan, location *time.Location) (span, error) {
	parsed := span{location: location}
	for _, day := range declared.Days {
		i := slices.Index(weekdays, day)
		if i < 0 {
			return span{}, fmt.Errorf("days %q is not a day such as Mon", day)
		}
		parsed.days[i] = true
	}
	if len(declared.Days) == 0 {
		parsed.days = [7]bool{true, true, true, true, true, true, true}
	}
	var err error
	if parsed.from, err = parseClock(declared.From); err != nil {
		return span{}, fmt.Errorf("from %w", err)
	}
	if parsed.to, err = parseClock(declared.To); err != nil {
		return span{}, fmt.Errorf("to %w", err)
	}
	return parsed, nil
}

// weekdays are the days in the order of time.Weekday.
var weekdays = []v1alpha1.Weekday{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}

const endOfDay = clock(24 * 60)

func parseClock(text string) (clock, error) {
	if text == "24:00" {
		return endOfDay, nil
	}
	parsed, err := time.Parse("15:04", text)
	if err != nil || len(text) != len("15:04") { // Parse takes 7:30 as well
		return 0, fmt.Errorf("%q is not a time such as 07:30", text)
	}
	return clock(parsed.Hour()*60 + parsed.Minute()), nil
}

// locations has the time zones that were loaded, by name. Only existing names are stored,
// of which there are some hundred.
var locations sync.Map

func locationOf(name string) (*time.Location, error) {
	if known, found := locations.Load(name); found {
		return known.(*time.Location), nil //nolint:forcetypeassert // nothing else is stored
	}
	if name == "Local" {
		return nil, fmt.Errorf("%q depends on the operator's machine: use a name such as Europe/Berlin", name)
	}
	location, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%q is no time zone of the IANA database: use a name such as Europe/Berlin or UTC", name)
	}
	locations.Store(name, location)
	return location, nil
}

// dateOf returns the date that the clocks of a time's location show.
func dateOf(t time.Time) date {
	year, month, day := t.Date()
	return date{time.Date(year, month, day, 0, 0, 0, 0, time.UTC)}
}
