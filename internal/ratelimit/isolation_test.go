package ratelimit

import (
	"cmp"
	"maps"
	"slices"
	"testing"
	"time"
)

func TestTheFailingCreatesOfOneFlowHoldNoOther(t *testing.T) {
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
	for range 3 { // failures of a second flow count
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

func TestAClusterThatDidNotFailIsTheNextProbe(t *testing.T) {
	l, now := New("w", Options{}), time.Unix(1000, 0)
	get := func(id string) (*Permit, *Wait) {
		return l.Acquire(Request{Priority: PriorityConfirm, Endpoint: "clusters/get", Resource: id}, now)
	}
	for i := range 100 { // the probes of failing clusters lengthen the interval
		permit, wait := get([]string{"a", "b", "c"}[i%3])
		if wait != nil {
			now = wait.At
			continue
		}
		permit.Release(now, Outcome{Kind: Failed})
	}
	if l.Health("clusters/get").Reason != ReasonEndpointUnavailable {
		t.Fatal("the breaker of the endpoint is not open")
	}
	permit, wait := get("healthy")
	if permit == nil && wait.At.Sub(now) > minProbeInterval {
		t.Fatalf("a cluster that did not fail waits %s", wait.At.Sub(now))
	}
	if permit == nil {
		now = wait.At
		permit, _ = get("healthy")
	}
	permit.Release(now, Outcome{Kind: Served})
	if l.Health("clusters/get").Reason != "" {
		t.Error("an answer left the breaker open")
	}
}

// A neighbour's first request after the breaker opened is sent at once, whatever the failing
// clusters send.
func TestFailingClustersDoNotDelayANeighbour(t *testing.T) {
	t.Run("[R17]", func(t *testing.T) {
		for _, neighbour := range []string{"new", "known to work"} {
			for edited := time.Duration(0); edited < 10*time.Second; edited += 100 * time.Millisecond {
				if took := delayOfANeighbour(neighbour, edited); took > 0 {
					t.Errorf("a neighbour that is %s and comes %s after the first failure waits %s", neighbour, edited, took)
				}
			}
		}
	})
}

// delayOfANeighbour returns how long the GET of a cluster waits that comes some time after
// those of three others began to fail, each of which is retried as soon as it may.
func delayOfANeighbour(neighbour string, edited time.Duration) time.Duration {
	const healthy, lateness = "healthy", 300 * time.Millisecond
	l, began := New("w", Options{}), time.Unix(1000, 0)
	get := func(id string, at time.Time) (*Permit, *Wait) {
		return l.Acquire(Request{Priority: PriorityConfirm, Flow: id, Endpoint: "clusters/get", Resource: id}, at)
	}
	if neighbour == "known to work" {
		permit, _ := get(healthy, began.Add(-time.Minute))
		permit.Release(began.Add(-time.Minute), Outcome{Kind: Served})
	}
	next := map[string]time.Time{"a": began, "b": began, "c": began, healthy: began.Add(edited)}
	for {
		id := slices.MinFunc(slices.Collect(maps.Keys(next)), func(a, b string) int {
			return cmp.Or(next[a].Compare(next[b]), cmp.Compare(a, b))
		})
		now := next[id]
		permit, wait := get(id, now)
		switch {
		case id == healthy && wait == nil:
			return now.Sub(began.Add(edited))
		case id == healthy:
			next[id] = wait.At.Add(lateness)
		case wait != nil:
			next[id] = wait.At
		default:
			permit.Release(now, Outcome{Kind: Failed})
			next[id] = now.Add(time.Millisecond)
		}
	}
}
