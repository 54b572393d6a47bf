package ratelimit

import (
	"testing"
	"time"
)

func TestAWaitForUnansweredWritesBacksOff(t *testing.T) {
	l, now := New("w", Options{Start: 500, Max: 500, Burst: 100}), time.Unix(1000, 0)
	for {
		if _, wait := l.Acquire(Request{Priority: PriorityChange, Flow: "a", Endpoint: "clusters/create"}, now); wait != nil {
			break
		}
	}
	began, attempts := now, 0
	for now.Sub(began) < 30*time.Second {
		_, wait := l.Acquire(Request{Priority: PriorityChange, Flow: "a", Endpoint: "clusters/create"}, now)
		if wait == nil || wait.Reason != ReasonUnanswered {
			t.Fatalf("a request was sent despite unanswered ones, or has another reason: %v", wait)
		}
		now = wait.At
		attempts++
	}
	if attempts > 40 {
		t.Errorf("%d attempts within 30 s", attempts)
	}
}
