// Package schedule finds the hours of a weekly calendar: whether it is open at an instant,
// since when, and until when. Calendars are those of spec.schedule and of
// spec.updateStrategy.windows.
//
// A day is a day of the calendar's time zone. A time that a clock change skips is the
// instant of the change, and a time that it repeats is the first of the two.
//
// The package is pure: it reads no clock, calls nothing, and does not know what is done at
// the edges. That is decided in package plan.
package schedule
