package schedule

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

var workdays = []v1alpha1.Weekday{"Mon", "Tue", "Wed", "Thu", "Fri"}

func hours(from, to string, days ...v1alpha1.Weekday) v1alpha1.WeeklySpan {
	return v1alpha1.WeeklySpan{Days: days, From: from, To: to}
}

func calendar(t *testing.T, declared v1alpha1.Schedule) Calendar {
	t.Helper()
	parsed, err := OfSchedule(&declared)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return parsed
}

// at parses a time with its offset, such as 2026-11-27T07:30+01:00; empty is the zero time.
func at(t *testing.T, text string) time.Time {
	t.Helper()
	if text == "" {
		return time.Time{}
	}
	parsed, err := time.Parse("2006-01-02T15:04Z07:00", text)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return parsed
}

func TestTheStateOfACalendar(t *testing.T) {
	t.Parallel()
	office := v1alpha1.Schedule{TimeZone: "Europe/Berlin", Up: []v1alpha1.WeeklySpan{hours("07:30", "19:00", workdays...)}}
	closed := office
	closed.ExceptDates = []string{"2026-12-24", "2026-12-25"}
	night := v1alpha1.Schedule{Up: []v1alpha1.WeeklySpan{hours("22:00", "06:00", "Fri")}}
	nightClosed := night
	nightClosed.ExceptDates = []string{"2026-11-28"}
	always := v1alpha1.Schedule{Up: []v1alpha1.WeeklySpan{hours("00:00", "24:00")}}
	alwaysClosed := always
	alwaysClosed.ExceptDates = []string{"2026-12-25", "2020-01-01"}
	holidays := always
	for day := 10; day <= 21; day++ {
		holidays.ExceptDates = append(holidays.ExceptDates, fmt.Sprintf("2026-12-%02d", day))
	}
	wholeDay := v1alpha1.Schedule{Up: []v1alpha1.WeeklySpan{hours("08:00", "08:00", "Mon")}}
	skipped := v1alpha1.Schedule{TimeZone: "Europe/Berlin", Up: []v1alpha1.WeeklySpan{hours("02:00", "02:30", "Sun")}}
	saturdays := v1alpha1.Schedule{Up: []v1alpha1.WeeklySpan{hours("08:00", "10:00", "Sat")}}
	for week := range 62 {
		saturdays.ExceptDates = append(saturdays.ExceptDates, time.Date(2026, 11, 28+7*week, 0, 0, 0, 0, time.UTC).Format(time.DateOnly))
	}
	evening := v1alpha1.Schedule{Up: []v1alpha1.WeeklySpan{hours("20:00", "24:00")}}
	oneDate, farDate := always, always
	oneDate.ExceptDates, farDate.ExceptDates = []string{"2027-12-25"}, []string{"2028-03-01"}
	joined := v1alpha1.Schedule{Up: []v1alpha1.WeeklySpan{hours("08:00", "12:00", "Mon"), hours("12:00", "16:00", "Mon"), hours("10:00", "11:00", "Mon")}}
	sydney := v1alpha1.Schedule{TimeZone: "Australia/Lord_Howe", Up: []v1alpha1.WeeklySpan{hours("01:40", "02:20", "Sun")}}
	for name, tc := range map[string]struct {
		declared          v1alpha1.Schedule
		now, since, until string
		open              bool
	}{
		"before":                    {office, "2026-11-27T07:29+01:00", "2026-11-26T19:00+01:00", "2026-11-27T07:30+01:00", false},
		"at the beginning":          {office, "2026-11-27T07:30+01:00", "2026-11-27T07:30+01:00", "2026-11-27T19:00+01:00", true},
		"within":                    {office, "2026-11-27T12:00+01:00", "2026-11-27T07:30+01:00", "2026-11-27T19:00+01:00", true},
		"at the end":                {office, "2026-11-27T19:00+01:00", "2026-11-27T19:00+01:00", "2026-11-30T07:30+01:00", false},
		"weekend, from elsewhere":   {office, "2026-11-28T23:00-08:00", "2026-11-27T19:00+01:00", "2026-11-30T07:30+01:00", false},
		"closed dates":              {closed, "2026-12-23T19:30+01:00", "2026-12-23T19:00+01:00", "2026-12-28T07:30+01:00", false},
		"after closed dates":        {closed, "2026-12-28T08:00+01:00", "2026-12-28T07:30+01:00", "2026-12-28T19:00+01:00", true},
		"over midnight, before":     {night, "2026-11-27T21:59Z", "2026-11-21T06:00Z", "2026-11-27T22:00Z", false},
		"over midnight, after":      {night, "2026-11-28T05:59Z", "2026-11-27T22:00Z", "2026-11-28T06:00Z", true},
		"over midnight into a date": {nightClosed, "2026-11-27T23:00Z", "2026-11-27T22:00Z", "2026-11-28T00:00Z", true},
		"within that date":          {nightClosed, "2026-11-28T01:00Z", "2026-11-28T00:00Z", "2026-12-04T22:00Z", false},
		"always":                    {always, "2026-11-28T01:00Z", "", "", true},
		"always, but":               {alwaysClosed, "2026-11-28T01:00Z", "", "2026-12-25T00:00Z", true},
		"always, at the date":       {alwaysClosed, "2026-12-25T12:00Z", "2026-12-25T00:00Z", "2026-12-26T00:00Z", false},
		"always, but in 392 days":   {oneDate, "2026-11-28T01:00Z", "", "2027-12-25T00:00Z", true},
		"always, but in 459 days":   {farDate, "2026-11-28T01:00Z", "", "", true},
		"first of twelve dates":     {holidays, "2026-12-10T01:00Z", "2026-12-10T00:00Z", "2026-12-22T00:00Z", false},
		"last of twelve dates":      {holidays, "2026-12-21T23:00Z", "2026-12-10T00:00Z", "2026-12-22T00:00Z", false},
		"closed for over a year":    {saturdays, "2026-11-27T12:00Z", "2026-11-21T10:00Z", "", false},
		"until midnight":            {evening, "2026-11-28T00:00Z", "2026-11-28T00:00Z", "2026-11-28T20:00Z", false},
		"before midnight":           {evening, "2026-11-28T23:59Z", "2026-11-28T20:00Z", "2026-11-29T00:00Z", true},
		"from eight to eight":       {wholeDay, "2026-12-01T07:59Z", "2026-11-30T08:00Z", "2026-12-01T08:00Z", true},
		"hours that are skipped":    {skipped, "2026-03-29T10:00+02:00", "2026-03-22T02:30+01:00", "2026-04-05T02:00+02:00", false},
		"touching and overlapping":  {joined, "2026-11-30T10:30Z", "2026-11-30T08:00Z", "2026-11-30T16:00Z", true},
		"clocks forward, before":    {office, "2026-03-27T20:00+01:00", "2026-03-27T19:00+01:00", "2026-03-30T07:30+02:00", false},
		"clocks back, before":       {office, "2026-10-23T20:00+02:00", "2026-10-23T19:00+02:00", "2026-10-26T07:30+01:00", false},
		"half an hour, back":        {sydney, "2026-04-04T14:35Z", "2026-03-28T15:20Z", "2026-04-04T14:40Z", false},
		"half an hour, within":      {sydney, "2026-04-04T14:45Z", "2026-04-04T14:40Z", "2026-04-04T15:50Z", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			state := calendar(t, tc.declared).At(at(t, tc.now))
			g.Expect(state.Open).To(Equal(tc.open))
			g.Expect(state.Since).To(BeTemporally("==", at(t, tc.since)), "since")
			g.Expect(state.Until).To(BeTemporally("==", at(t, tc.until)), "until")
		})
	}
}

func TestTimesThatAClockChangeSkipsOrRepeats(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ zone, wall, want string }{
		"skipped, Berlin":             {"Europe/Berlin", "2026-03-29T02:30", "2026-03-29T01:00Z"},
		"first that is skipped":       {"Europe/Berlin", "2026-03-29T02:00", "2026-03-29T01:00Z"},
		"last before":                 {"Europe/Berlin", "2026-03-29T01:59", "2026-03-29T00:59Z"},
		"first after":                 {"Europe/Berlin", "2026-03-29T03:00", "2026-03-29T01:00Z"},
		"repeated, Berlin":            {"Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30Z"},
		"first that is repeated":      {"Europe/Berlin", "2026-10-25T02:00", "2026-10-25T00:00Z"},
		"after the repetition":        {"Europe/Berlin", "2026-10-25T03:00", "2026-10-25T02:00Z"},
		"skipped, New York":           {"America/New_York", "2026-03-08T02:30", "2026-03-08T07:00Z"},
		"repeated, New York":          {"America/New_York", "2026-11-01T01:30", "2026-11-01T05:30Z"},
		"midnight is skipped, Havana": {"America/Havana", "2026-03-08T00:00", "2026-03-08T05:00Z"},
		"half an hour is skipped":     {"Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:30Z"},
		"half an hour is repeated":    {"Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45Z"},
		"a day is skipped, Samoa":     {"Pacific/Apia", "2011-12-30T12:00", "2011-12-30T10:00Z"},
		"skipped by the last change":  {"Asia/Pyongyang", "2018-05-04T23:45", "2018-05-04T15:00Z"},
		"before the last change":      {"Asia/Pyongyang", "2018-05-04T23:20", "2018-05-04T14:50Z"},
		"after the last change":       {"America/Guyana", "1992-03-29T01:30", "1992-03-29T05:30Z"},
		"no changes":                  {"Asia/Kolkata", "2026-03-29T02:30", "2026-03-28T21:00Z"},
		"UTC":                         {"", "2026-03-29T02:30", "2026-03-29T02:30Z"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			location, err := locationOf(tc.zone)
			g.Expect(err).NotTo(HaveOccurred())
			wall, err := time.Parse("2006-01-02T15:04", tc.wall)
			g.Expect(err).NotTo(HaveOccurred())
			got := instant(dateOf(wall), clock(wall.Hour()*60+wall.Minute()), location)
			g.Expect(got).To(BeTemporally("==", at(t, tc.want)))
		})
	}
}

// TestEveryMinuteAgrees compares At with a calendar that looks at the clock of each minute.
// Minutes near a change of the clocks have the table above.
func TestEveryMinuteAgrees(t *testing.T) {
	t.Parallel()
	zones := []string{"", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland"}
	for seed := range uint64(15) {
		random := rand.New(rand.NewPCG(seed, 1))
		declared := v1alpha1.Schedule{TimeZone: zones[random.IntN(len(zones))]}
		minute := func(limit int) string {
			at := random.IntN(limit)/5*5 + 240
			return fmt.Sprintf("%02d:%02d", at/60, at%60)
		}
		for range 1 + random.IntN(4) {
			var days []v1alpha1.Weekday
			for _, day := range weekdays {
				if random.IntN(3) == 0 {
					days = append(days, day)
				}
			}
			declared.Up = append(declared.Up, hours(minute(1195), minute(1200), days...))
		}
		for range random.IntN(4) {
			declared.ExceptDates = append(declared.ExceptDates, fmt.Sprintf("2026-03-%02d", 20+random.IntN(12)))
		}
		parsed := calendar(t, declared)
		location, _ := locationOf(declared.TimeZone)
		begin := time.Date(2026, 3, 20, 0, 0, 0, 0, time.UTC)
		before := State{}
		for now := begin; now.Before(begin.Add(14 * day)); now = now.Add(5 * time.Minute) {
			state, local := parsed.At(now), now.In(location)
			if local.Hour() < 4 { // the clocks of these zones change before four
				before = State{}
				continue
			}
			g := NewWithT(t)
			g.Expect(state.Open).To(Equal(isOpen(declared, local)), "seed %d: %v in %+v", seed, local, declared)
			g.Expect(state.Since.After(now)).To(BeFalse())
			g.Expect(state.Until.IsZero() || state.Until.After(now)).To(BeTrue())
			if before != (State{}) && before.Open == state.Open && !before.Until.IsZero() && before.Until.After(now) {
				g.Expect(state.Until).To(BeTemporally("==", before.Until), "seed %d: %v in %+v", seed, local, declared)
			}
			before = state
		}
	}
}

// isOpen reports whether a clock shows a time within the hours.
func isOpen(declared v1alpha1.Schedule, local time.Time) bool {
	if slices.Contains(declared.ExceptDates, local.Format(time.DateOnly)) {
		return false
	}
	onDay := func(days []v1alpha1.Weekday, day time.Weekday) bool {
		return len(days) == 0 || slices.Contains(days, weekdays[day])
	}
	now, yesterday := local.Format("15:04"), (local.Weekday()+6)%7
	for _, up := range declared.Up {
		passesMidnight := up.To <= up.From
		switch {
		case onDay(up.Days, local.Weekday()) && now >= up.From && (now < up.To || passesMidnight),
			passesMidnight && onDay(up.Days, yesterday) && now < up.To:
			return true
		}
	}
	return false
}

func TestWindowsHaveTheirOwnTimeZones(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	windows, err := OfWindows([]v1alpha1.UpdateWindow{
		{WeeklySpan: hours("02:00", "05:00", "Sun")},
		{WeeklySpan: hours("02:00", "05:00", "Sun"), TimeZone: "America/New_York"},
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(windows.At(at(t, "2026-11-29T05:30Z"))).To(Equal(State{Since: at(t, "2026-11-29T05:00Z"), Until: at(t, "2026-11-29T07:00Z").In(windows.spans[1].location)}))
	g.Expect(windows.At(at(t, "2026-11-29T08:00Z")).Open).To(BeTrue())
	none, err := OfWindows(nil)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(none.At(at(t, "2026-11-29T05:30Z"))).To(Equal(State{}))
}

func TestInvalidCalendars(t *testing.T) {
	t.Parallel()
	valid := hours("07:30", "19:00", "Mon")
	for want, declared := range map[string]v1alpha1.Schedule{
		`spec.schedule.timeZone "Europe/Atlantis" is no time zone`: {TimeZone: "Europe/Atlantis"},
		`spec.schedule.timeZone "Local" depends on`:                {TimeZone: "Local"},
		`spec.schedule.timeZone "../etc/passwd" is no time zone`:   {TimeZone: "../etc/passwd"},
		`spec.schedule.up[1].from "25:00" is not a time`:           {Up: []v1alpha1.WeeklySpan{valid, hours("25:00", "19:00")}},
		`spec.schedule.up[0].to "7:30" is not a time`:              {Up: []v1alpha1.WeeklySpan{hours("07:00", "7:30")}},
		`spec.schedule.up[0].to "24:01" is not a time`:             {Up: []v1alpha1.WeeklySpan{hours("07:00", "24:01")}},
		`spec.schedule.up[0].days "Monday" is not a day`:           {Up: []v1alpha1.WeeklySpan{hours("07:00", "08:00", "Monday")}},
		`spec.schedule.exceptDates[0] "2026-02-30" is not a date`:  {Up: []v1alpha1.WeeklySpan{valid}, ExceptDates: []string{"2026-02-30"}},
	} {
		_, err := OfSchedule(&declared)
		NewWithT(t).Expect(err).To(MatchError(HavePrefix(want)))
	}
	for _, from := range []string{"", "24:0", "24:01", "+7:30", "-1:30", "ab:30", "07:ab", "07:-1", "07:60", "07-30", "07:30 ", "07:300"} {
		_, err := OfSchedule(&v1alpha1.Schedule{Up: []v1alpha1.WeeklySpan{hours(from, "19:00")}})
		NewWithT(t).Expect(err).To(MatchError(fmt.Sprintf("spec.schedule.up[0].from %q is not a time such as 07:30", from)))
	}
	_, err := OfWindows([]v1alpha1.UpdateWindow{{WeeklySpan: valid}, {WeeklySpan: valid, TimeZone: "Mars"}})
	NewWithT(t).Expect(err).To(MatchError(HavePrefix(`spec.updateStrategy.windows[1].timeZone "Mars" is no time zone`)))
	_, err = OfWindows([]v1alpha1.UpdateWindow{{WeeklySpan: hours("x", "08:00")}})
	NewWithT(t).Expect(err).To(MatchError(HavePrefix(`spec.updateStrategy.windows[0].from "x" is not a time`)))
}
