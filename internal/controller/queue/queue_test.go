package queue

import (
	"testing"
	"time"
)

func TestTheRetryIntervalOfAStaleObjectDoubles(t *testing.T) {
	const first = 100 * time.Millisecond
	for times, want := range map[int]time.Duration{
		0: first, 1: 2 * first, 3: 8 * first, 6: 64 * first, 7: maxStalePause, 1000: maxStalePause,
	} {
		if got := StalePause(first, times); got != want {
			t.Errorf("%s after %d times, not %s", got, times, want)
		}
	}
}
