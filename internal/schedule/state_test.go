package schedule

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// spans returns intervals of hours: spans(1, 3, 5, 6) are those from 1 to 3 and from 5 to 6.
func spans(hours ...int) []interval {
	at := func(hour int) time.Time { return time.Date(2026, 11, 27, hour, 0, 0, 0, time.UTC) }
	var all []interval
	for i := 0; i < len(hours); i += 2 {
		all = append(all, interval{at(hours[i]), at(hours[i+1])})
	}
	return all
}

func TestIntervalsThatOverlapOrTouchAreJoined(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ of, want []interval }{
		"none":                    {nil, nil},
		"apart":                   {spans(1, 3, 5, 6), spans(1, 3, 5, 6)},
		"out of order":            {spans(5, 6, 1, 3), spans(1, 3, 5, 6)},
		"overlapping":             {spans(1, 3, 2, 4), spans(1, 4)},
		"touching":                {spans(1, 3, 3, 4), spans(1, 4)},
		"one within another":      {spans(1, 6, 2, 3, 5, 7), spans(1, 7)},
		"empty":                   {spans(2, 2, 3, 4), spans(3, 4)},
		"empty, between two":      {spans(1, 2, 3, 3, 4, 5), spans(1, 2, 4, 5)},
		"one that ends too early": {spans(3, 2), nil},
		"overlapping, second":     {spans(1, 2, 4, 6, 5, 7), spans(1, 2, 4, 7)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			NewWithT(t).Expect(union(tc.of)).To(Equal(tc.want))
		})
	}
}

func TestIntervalsAreCutOutOfOthers(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ from, others, want []interval }{
		"none":                    {spans(1, 3), nil, spans(1, 3)},
		"before":                  {spans(3, 5), spans(1, 2), spans(3, 5)},
		"until its beginning":     {spans(3, 5), spans(1, 3), spans(3, 5)},
		"from its end":            {spans(3, 5), spans(5, 6), spans(3, 5)},
		"its beginning":           {spans(3, 5), spans(2, 4), spans(4, 5)},
		"its end":                 {spans(3, 5), spans(4, 6), spans(3, 4)},
		"all of it":               {spans(3, 5), spans(3, 5), nil},
		"all of it, and more":     {spans(3, 5), spans(2, 6, 7, 8), nil},
		"two holes":               {spans(1, 9), spans(2, 3, 5, 6), spans(1, 2, 3, 5, 6, 9)},
		"one out of two":          {spans(1, 4, 5, 9), spans(3, 6), spans(1, 3, 6, 9)},
		"a hole in the last":      {spans(1, 2, 5, 9), spans(6, 7), spans(1, 2, 5, 6, 7, 9)},
		"beginning and then hole": {spans(3, 9), spans(1, 4, 6, 7), spans(4, 6, 7, 9)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			NewWithT(t).Expect(subtract(tc.from, tc.others)).To(Equal(tc.want))
		})
	}
}
