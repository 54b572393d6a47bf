package histories

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// apiServerFaults are faults of the API server that last.
var apiServerFaults = map[string]func(*link){
	"answers every write with 403": refuses(apierrors.NewForbidden(clusterResource, "object", errors.New("injected"))),
	"answers every write with 409": refuses(apierrors.NewConflict(clusterResource, "object", errors.New("injected"))),
	"answers every write with 429": refuses(apierrors.NewTooManyRequestsError("injected")),
	"answers every write with 500": refuses(apierrors.NewInternalError(errors.New("injected"))),
	"answers every write with 503": refuses(apierrors.NewServiceUnavailable("injected")),
	"is away":                      func(l *link) { l.downUntil = time.Now().Add(apiServerFaultLasts) },
}

func refuses(answer error) func(*link) { return func(l *link) { l.refusal = answer } }

// apiServerFaultLasts is how long the API server fails.
const apiServerFaultLasts = 5 * time.Minute

// maxRetries is the number of repeated attempts to write that the objects of a kind may make
// in a minute while the API server fails.
const maxRetries = 10

// TestAnAPIServerThatFails: while the API server fails for minutes, a fleet that is edited,
// deleted and changed elsewhere attempts few writes. Afterwards every object is settled, with
// at most one call of each kind to the workspace for each change.
func TestAnAPIServerThatFails(t *testing.T) {
	for name, fault := range apiServerFaults {
		t.Run("[R12] [R18] a hundred objects, and an API server that "+name+" for five minutes", func(t *testing.T) {
			t.Parallel()
			runIn(t, quickTimings, func(w *world) {
				const size = failingFleet
				objects := w.fleetOn(size, `{"customTags":{"team":"data"}}`)
				items := w.itemsOf(size / 10)
				pass(20 * time.Minute)
				w.expectAll(t, size, simulator.Running)
				w.each(func(l *link) { l.change(fault) })
				w.changeAll(objects)
				w.changeItems(items)
				began := time.Now()
				pass(apiServerFaultLasts)
				attempts, retries := w.attemptsSince(began)
				for _, resource := range []string{clusters, policies, pools} {
					if attempts[resource] == 0 {
						t.Errorf("no write of %s failed", resource)
					}
					for minute, count := range retries[resource] {
						if count > maxRetries {
							t.Errorf("%d writes of %s were tried again in minute %d", count, resource, minute+1)
						}
					}
				}
				w.heal()
				pass(20 * time.Minute)
				calls := w.callsWithEffect()
				if len(calls) < size/2 {
					t.Errorf("%d calls after the changes of %d objects", len(calls), size)
				}
				for call, count := range calls {
					if count > 1 {
						t.Errorf("%d calls of %s", count, call)
					}
				}
				w.settle(quiet)
				if broken := w.checks.broken(); broken != "" {
					t.Error(broken)
				}
			})
		})
	}
}

// changeAll edits, deletes and creates objects, and changes clusters elsewhere.
func (w *world) changeAll(objects []key) {
	w.workspace.ClearRequests()
	for i, at := range objects {
		switch i % 5 {
		case 0:
			w.edit(at, `{"numWorkers":3}`)
		case 1:
			w.edit(at, `{"customTags":{"team":"web"}}`)
		case 2:
			_, _ = w.server.remove(at)
			w.checks.edited(at)
		case 3:
			w.elsewhere(at, func(id string) error { return w.workspace.TagElsewhere(id, "team", "elsewhere") })
		default:
			w.create(keyOf(fmt.Sprintf("c/new-%d", i)), `{}`)
		}
	}
}

// itemsOf creates policies and instance pools in three namespaces.
func (w *world) itemsOf(count int) (items []key) {
	for k := range listedKinds {
		for i := range count {
			at := key{resource: listedKinds[k].resource, namespace: []string{"a", "b", "c"}[i%3], name: fmt.Sprintf("item-%d", i)}
			w.createListed(&listedKinds[k], at, fmt.Sprintf(`{%q:"item-%d"}`, listedKinds[k].nameField, i))
			items = append(items, at)
		}
	}
	return items
}

// changeItems edits and deletes policies and instance pools.
func (w *world) changeItems(items []key) {
	for i, at := range items {
		if i%2 == 0 {
			w.edit(at, `{"driftPolicy":"Warn"}`)
			continue
		}
		_, _ = w.server.remove(at)
		w.checks.edited(at)
	}
}

// attemptsSince returns how many writes failed since a time, by resource, and how many of them
// were tried again in each minute.
func (w *world) attemptsSince(began time.Time) (attempts map[string]int, retries map[string][]int) {
	attempts, retries = map[string]int{}, map[string][]int{}
	tried := map[string]bool{}
	for _, resource := range []string{clusters, policies, pools} {
		retries[resource] = make([]int, int(apiServerFaultLasts/time.Minute)+1)
	}
	w.each(func(l *link) {
		l.change(func(l *link) {
			for _, failed := range l.attempts {
				attempts[failed.resource]++
				if tried[failed.path] {
					retries[failed.resource][int(failed.at.Sub(began)/time.Minute)]++
				}
				tried[failed.path] = true
			}
		})
	})
	return attempts, retries
}

// callsWithEffect counts the calls that changed a cluster, by endpoint and cluster.
func (w *world) callsWithEffect() map[string]int {
	counts := map[string]int{}
	for _, entry := range w.workspace.Requests() {
		if entry.Effect && entry.Method != http.MethodGet && entry.ClusterID != "" {
			counts[entry.Endpoint+" "+entry.ClusterID]++
		}
	}
	return counts
}
