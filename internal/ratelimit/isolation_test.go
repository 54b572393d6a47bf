package ratelimit

import (
	"testing"
	"time"
)

func TestTheFailingCreatesOfOneFlowHoldUpNoOther(t *testing.T) {
	l, now := New("w", Options{}), time.Unix(1000, 0)
	create := func(flow string) (*Permit, *Wait) {
		return l.Acquire(Request{Priority: PriorityChange, Flow: flow, Endpoint: "clusters/create"}, now)
	}
	for range 20 {
		permit, wait := create("failing")
		if wait != nil {
			now = wait.At
			continue
		}
		now = now.Add(time.Second)
		permit.Release(now, Outcome{Kind: Failed})
	}
	if permit, wait := create("healthy"); permit == nil && wait.Reason != ReasonRateLimited {
		t.Errorf("another flow waits: %v", wait)
	}
	for range 3 { // a second flow is evidence
		now = now.Add(time.Minute)
		for _, flow := range []string{"failing", "healthy"} {
			if permit, _ := create(flow); permit != nil {
				permit.Release(now, Outcome{Kind: Failed})
			}
		}
	}
	if l.Health("clusters/create").Reason != ReasonEndpointUnavailable {
		t.Error("two flows that fail open no breaker")
	}
}
