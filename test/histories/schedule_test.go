package histories

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// Virtual time begins at midnight, in UTC.

// onSchedule is a change of the spec that lets a cluster run from 01:00 to 03:00.
const onSchedule = `{"runPolicy":"Scheduled","schedule":{"up":[{"from":"01:00","to":"03:00"}]}}`

// until lets virtual time pass until a time of the first day.
func until(hour, minute int) {
	now := time.Now().UTC()
	pass(time.Date(2000, 1, 1, hour, minute, 0, 0, time.UTC).Sub(now))
}

// states counts the clusters by state.
func (w *world) states() map[simulator.State]int {
	count := map[simulator.State]int{}
	for _, record := range w.workspace.Clusters() {
		if record.Exists() {
			count[record.State]++
		}
	}
	return count
}

// expectAll fails unless this many clusters exist, all in a state.
func (w *world) expectAll(t *testing.T, size int, state simulator.State) {
	t.Helper()
	if got := w.states(); got[state] != size || len(got) != 1 {
		t.Errorf("at %s the clusters are %v, not %d %s", time.Now().UTC().Format(time.TimeOnly), got, size, state)
	}
}

// effects counts the calls to an endpoint that had an effect.
func (w *world) effects(endpoint string) (count int) {
	for _, entry := range w.workspace.RequestsTo(endpoint) {
		if entry.Effect {
			count++
		}
	}
	return count
}

// fleetOn creates objects with a schedule in two namespaces, with a token each.
func (w *world) fleetOn(size int, change string) (objects []key) {
	for i := range size {
		at := keyOf(fmt.Sprintf("%s/scheduled-%d", []string{"a", "b"}[i%2], i))
		w.create(at, change)
		objects = append(objects, at)
	}
	return objects
}

// ready returns the reason of the condition Ready of an object.
func (w *world) ready(t *testing.T, at key) string {
	t.Helper()
	object, err := w.server.get(at)
	if err != nil {
		t.Fatal(err)
	}
	status, _ := object["status"].(map[string]any)
	conditions, _ := status["conditions"].([]any)
	for _, one := range conditions {
		condition, _ := one.(map[string]any)
		if condition["type"] == v1alpha1.ConditionReady {
			return fmt.Sprint(condition["reason"])
		}
	}
	return ""
}

func TestASchedule(t *testing.T) {
	runIn(t, quickTimings, func(w *world) {
		objects := w.fleetOn(12, onSchedule)
		until(0, 10)
		w.expectAll(t, 12, simulator.Terminated)
		for _, at := range objects {
			if reason := w.ready(t, at); reason != v1alpha1.ReasonTerminatedBySchedule {
				t.Errorf("Ready of %v has the reason %s", at, reason)
			}
		}
		until(1, 2)
		w.expectAll(t, 12, simulator.Running)
		until(1, 30)
		w.elsewhere(objects[0], w.workspace.TerminateElsewhere)
		until(2, 55)
		if got := w.states(); got[simulator.Terminated] != 1 {
			t.Errorf("a cluster that was terminated within the hours was started again: %v", got)
		}
		until(3, 2)
		w.expectAll(t, 12, simulator.Terminated)
		until(3, 30)
		w.elsewhere(objects[1], w.workspace.StartElsewhere)
		until(5, 0)
		if got := w.states(); got[simulator.Running] != 1 {
			t.Errorf("a cluster that was started after the hours was terminated: %v", got)
		}
		if starts, ends := w.effects("clusters/start"), w.effects("clusters/delete"); starts != 12 || ends != 12+11 {
			t.Errorf("%d starts and %d terminations, not 12 and 23", starts, ends)
		}
		until(25, 2)
		w.expectAll(t, 12, simulator.Running)
	})
}

func TestAScheduleThatKeeps(t *testing.T) {
	runIn(t, quickTimings, func(w *world) {
		objects := w.fleetOn(12, `{"runPolicy":"Scheduled","schedule":{"up":[{"from":"01:00","to":"03:00"}],"atStart":"KeepRunning","atEnd":"KeepTerminated"}}`)
		until(1, 30)
		w.expectAll(t, 12, simulator.Running)
		w.elsewhere(objects[0], w.workspace.TerminateElsewhere)
		until(1, 40)
		w.expectAll(t, 12, simulator.Running)
		until(3, 30)
		w.expectAll(t, 12, simulator.Terminated)
		w.elsewhere(objects[1], w.workspace.StartElsewhere)
		until(3, 40)
		w.expectAll(t, 12, simulator.Terminated)
	})
}

// TestAMissedEdge lets the edge pass while something does not work.
func TestAMissedEdge(t *testing.T) {
	for name, c := range map[string]struct{ breaks, heals func(*world) }{
		"the operator restarts at the edge": {func(w *world) { time.AfterFunc(time.Until(edge()), func() { w.each((*link).kill) }) }, func(*world) {}},
		"the operator is down":              {(*world).killAll, (*world).resume},
		"the workspace is down":             {func(w *world) { w.workspace.AddFault(simulator.Fault{Name: "down", Endpoint: "*", Drop: true}) }, func(w *world) { w.workspace.RemoveFault("down") }},
		"the API server is down": {func(w *world) {
			w.each(func(l *link) { l.change(func(l *link) { l.downUntil = edge().Add(5 * time.Minute) }) })
		}, func(*world) {}},
		"starts and terminations are refused": {refuseStarts, func(w *world) { w.workspace.ClearFaults() }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runIn(t, quickTimings, func(w *world) {
				w.fleetOn(12, onSchedule)
				until(0, 50)
				w.expectAll(t, 12, simulator.Terminated)
				c.breaks(w)
				until(1, 5)
				c.heals(w)
				until(2, 50)
				w.expectAll(t, 12, simulator.Running)
				if starts := w.effects("clusters/start"); starts != 12 {
					t.Errorf("%d starts of 12 clusters", starts)
				}
			})
		})
	}
}

// edge is the beginning of the hours of onSchedule.
func edge() time.Time { return time.Date(2000, 1, 1, 1, 0, 0, 0, time.UTC) }

func refuseStarts(w *world) {
	w.workspace.AddFault(simulator.Fault{Endpoint: "clusters/start", Status: 503, ErrorCode: "TEMPORARILY_UNAVAILABLE", Message: "injected"})
}

// TestACrashAtEveryCallOfAnEdge kills the operator before and after the effect of every call
// around the beginning and the end of the hours.
func TestACrashAtEveryCallOfAnEdge(t *testing.T) {
	for _, verb := range []string{"kill-before", "kill-after"} {
		for call := 1; call <= 8; call += stride {
			t.Run(verb+" "+strconv.Itoa(call), func(t *testing.T) {
				t.Parallel()
				runIn(t, quickTimings, func(w *world) {
					at := w.fleetOn(1, onSchedule)[0]
					for _, e := range []struct {
						hour  int
						state simulator.State
					}{{1, simulator.Running}, {3, simulator.Terminated}} {
						until(e.hour-1, 59)
						pass(59 * time.Second)
						w.do(Step{Verb: verb, Argument: strconv.Itoa(call)})
						until(e.hour, 20)
						w.expectAll(t, 1, e.state)
					}
					if starts, ends := w.effects("clusters/start"), w.effects("clusters/delete"); starts != 1 || ends != 2 {
						t.Errorf("%d starts and %d terminations of %v, not 1 and 2", starts, ends, at)
					}
					if broken := w.checks.broken(); broken != "" {
						t.Error(broken)
					}
				})
			})
		}
	}
}

// TestHundredsOfObjectsOnOneEdge spreads the starts of one edge by the rate limiter: the
// workspace refuses few of them, and all clusters run within minutes.
func TestHundredsOfObjectsOnOneEdge(t *testing.T) {
	const size = fleetOnOneEdge
	runIn(t, quickTimings, func(w *world) {
		w.workspace.SetLimits(simulator.Limit{Rate: 10})
		w.fleetOn(size, onSchedule)
		until(0, 55)
		w.expectAll(t, size, simulator.Terminated)
		w.workspace.ClearRequests()
		until(1, 5)
		w.expectAll(t, size, simulator.Running)
		refused := 0
		for _, entry := range w.workspace.Requests() {
			if entry.Status == 429 {
				refused++
			}
		}
		if refused > size/20 {
			t.Errorf("%d requests of %d starts were refused by the limit of the workspace", refused, size)
		}
	})
}
