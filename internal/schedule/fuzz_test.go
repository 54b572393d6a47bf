package schedule

import (
	"testing"
	"time"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

func FuzzSchedule(f *testing.F) {
	f.Add("Europe/Berlin", "Mon", "07:30", "19:00", "2026-12-25", int64(1_790_000_000))
	f.Add("", "Sun", "22:00", "06:00", "2024-02-29", int64(0))
	f.Add("Pacific/Apia", "Fri", "00:00", "24:00", "2011-12-30", int64(1_325_200_000))
	f.Fuzz(func(t *testing.T, zone, day, from, to, except string, seconds int64) {
		calendar, err := OfSchedule(&v1alpha1.Schedule{
			TimeZone: zone, Up: []v1alpha1.WeeklySpan{{Days: []v1alpha1.Weekday{v1alpha1.Weekday(day)}, From: from, To: to}}, ExceptDates: []string{except},
		})
		if err != nil {
			return
		}
		// A century on each side of now has every kind of change of the clocks.
		now := time.Unix(seconds%4_000_000_000, 0)
		state := calendar.At(now)
		if state.Since.After(now) || !state.Until.IsZero() && !state.Until.After(now) {
			t.Fatalf("[S14] at %s the state is %+v", now, state)
		}
	})
}
