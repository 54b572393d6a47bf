package cache

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

// clusterFailures are failures of the GETs of one cluster.
var clusterFailures = map[string]struct {
	err   error
	class databricks.Class
}{
	"500 answered": {
		&databricks.Error{Class: databricks.ClassTransient, StatusCode: 500, Code: "INTERNAL_ERROR", Message: "internal error", Answered: true},
		databricks.ClassTransient,
	},
	"malformed answer": {&databricks.Error{Class: databricks.ClassHost, StatusCode: 200, Message: "the answer is not understood"}, databricks.ClassHost},
	"no answer":        {errHang, databricks.ClassTransient},
}

func TestAFailingGetShowsForItsClusterOnly(t *testing.T) {
	for name, fails := range clusterFailures {
		withRegistry(t, "[case-67] "+name, func(t *testing.T, f *fixture) {
			ids := f.remote.fill("c", 10)
			bad, subscriber := ids[0], object(ids[0])
			ws := f.watch(ids...)
			f.pass(time.Minute)
			f.notifiedObjects()
			f.remote.failWith(func(made call) error {
				if made.kind == "get" && made.id == bad {
					return fails.err
				}
				return nil
			})
			began := time.Now()
			f.subscribe(subscriber, Interest{ClusterID: bad, SpecAfter: began})
			for f.view(subscriber).Health.Err == nil {
				f.pass(time.Second)
				if time.Since(began) > 3*time.Minute {
					t.Fatal("the failure is not reported in the health of the cluster")
				}
			}
			if n := f.remote.countOf(bad, began); n < 3 {
				t.Errorf("reported after %d GETs", n)
			}
			shown := f.view(subscriber).Health
			if databricks.ClassOf(shown.Err) != fails.class || shown.Since.Before(began) || f.notified(subscriber) != 1 {
				t.Errorf("health %+v", shown)
			}
			for range 5 {
				for _, id := range ids[1:] { // other clusters' GETs continue
					f.subscribe(object(id), Interest{ClusterID: id, SpecAfter: time.Now()})
				}
				f.pass(10 * time.Second)
				for _, id := range ids[1:] {
					if got := f.view(object(id)); got.Health.Err != nil || time.Since(got.Spec.StartedAt) > 10*time.Second {
						t.Fatalf("%s has health %v and a spec of %v", id, got.Health.Err, got.Spec.StartedAt)
					}
				}
			}
			f.remote.put(bad, compute.StateTerminated)
			changed := time.Now()
			for f.state(bad) != compute.StateTerminated {
				f.pass(time.Second)
				if time.Since(changed) > 5*time.Minute {
					t.Fatal("the lists do not serve the cluster")
				}
			}
			f.pass(time.Hour)
			if got := f.view(subscriber); got.Cluster.FromGet || !got.Health.Since.Equal(shown.Since) || got.Health.Err == nil || ws.Health().Err != nil {
				t.Errorf("after an hour %+v, lists %+v", got.Health, ws.Health())
			}
			f.notifiedObjects()
			f.remote.failWith(nil)
			f.pass(6 * time.Minute)
			if got := f.view(subscriber); got.Health.Err != nil || !got.Health.Since.IsZero() || got.Spec.JSON == nil {
				t.Errorf("after the recovery %+v", got.Health)
			}
			if n := f.notified(subscriber); n == 0 {
				t.Error("its object was not notified of the recovery")
			}
			if n := f.notifiedObjects(); n != 0 {
				t.Errorf("%d other objects were notified", n)
			}
		})
	}
}

func TestAGetWithoutASpecLeavesTheSpecUnknown(t *testing.T) {
	withRegistry(t, "[case-65]", func(t *testing.T, f *fixture) {
		f.remote.put("c1", compute.StateRunning)
		f.watch("c1")
		f.pass(2 * time.Second)
		f.subscribe(object("c1"), Interest{ClusterID: "c1", SpecAfter: time.Now()})
		f.pass(2 * time.Second)
		if got := f.view(object("c1")).Spec; got.JSON == nil || got.Omitted != 0 {
			t.Fatalf("spec %+v", got)
		}
		f.remote.omitSpec("c1", true)
		began := time.Now()
		f.subscribe(object("c1"), Interest{ClusterID: "c1", SpecAfter: began})
		f.pass(500 * time.Millisecond)
		if got := f.view(object("c1")); got.Spec.JSON != nil || !got.Spec.StartedAt.IsZero() || got.Spec.Omitted != 1 || got.Cluster.Presence != Present || got.Health.Err != nil {
			t.Errorf("after one GET without it %+v, health %v", got.Spec, got.Health.Err)
		}
		f.pass(30 * time.Second)
		if got := f.view(object("c1")); got.Spec.Omitted < 3 || got.Health.Err == nil || !got.Health.Since.After(began) {
			t.Errorf("after several GETs without it %+v, health %+v", got.Spec, got.Health)
		}
		f.pass(time.Hour)
		if n := f.remote.countOf("c1", began); n < 15 || n > 40 {
			t.Errorf("%d GETs in an hour", n)
		}
		again := time.Now()
		for range 60 { // each reconcile requests a newer one
			f.subscribe(object("c1"), Interest{ClusterID: "c1", SpecAfter: time.Now()})
			f.pass(time.Second)
		}
		if n := f.remote.countOf("c1", again); n > 2 {
			t.Errorf("%d GETs in a minute of new requests", n)
		}
		f.notified(object("c1"))
		f.remote.omitSpec("c1", false)
		f.pass(6 * time.Minute)
		if got := f.view(object("c1")); got.Spec.JSON == nil || got.Spec.Omitted != 0 || got.Health.Err != nil || f.notified(object("c1")) == 0 {
			t.Errorf("after the recovery %+v, health %v", got.Spec, got.Health.Err)
		}
	})
}

func TestASpecReadBeforeAWriteIsNotReturned(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 20)
		f.watch(ids...)
		own := ids[19]
		subscriber := object(own)
		f.pass(2 * time.Second)
		f.subscribe(subscriber, Interest{ClusterID: own, SpecAfter: time.Now()})
		f.pass(2 * time.Second)
		if f.view(subscriber).Spec.JSON == nil {
			t.Fatal("no spec")
		}
		f.subscribe(subscriber, Interest{ClusterID: own})
		f.mustWrite(f.workspaces[subscriber], ratelimit.PriorityChange, own, func(context.Context, databricks.Writer) error {
			if got := f.view(subscriber); got.Spec.JSON != nil || got.Cluster.Presence != Unknown {
				t.Error("a spec is returned while a write is in flight")
			}
			return nil
		})
		wrote := time.Now()
		f.remote.failWith(func(made call) error { // so that only a list returns the cluster
			if made.kind == "get" {
				return errHang
			}
			return nil
		})
		for range 60 {
			if got := f.view(subscriber).Spec; got.JSON != nil {
				t.Fatalf("a spec of %v is returned after a write at %v", got.StartedAt, wrote)
			}
			f.pass(time.Second)
		}
		if got := f.view(subscriber).Cluster; got.Presence != Present || got.FromGet || f.remote.count("list", wrote) == 0 {
			t.Fatalf("no list returned the cluster after the write: %+v", got)
		}
		f.remote.failWith(nil)
		f.subscribe(subscriber, Interest{ClusterID: own, SpecAfter: wrote})
		f.pass(time.Minute)
		if got := f.view(subscriber).Spec; got.JSON == nil || !got.StartedAt.After(wrote) {
			t.Errorf("spec of %v after a GET", got.StartedAt)
		}
	})
}

func TestEachRequestOfASpecMakesOneGet(t *testing.T) {
	for name, busy := range map[string]bool{"at rest": false, "in transition": true} {
		withRegistry(t, name, func(t *testing.T, f *fixture) {
			ids := f.remote.fill("c", 20)
			if busy {
				for _, id := range ids[1:] {
					f.remote.put(id, compute.StatePending)
				}
			}
			f.watch(ids...)
			own, subscriber := ids[0], object(ids[0])
			f.pass(time.Minute)
			began := time.Now()
			for i := range 12 {
				f.subscribe(subscriber, Interest{ClusterID: own, SpecAfter: time.Now()})
				for range 5 { // stated again by each reconcile
					f.view(subscriber)
					f.pass(5 * time.Second)
				}
				if n := f.remote.countOf(own, began); n != i+1 {
					t.Fatalf("%d GETs for %d requests", n, i+1)
				}
			}
			later := time.Now().Add(time.Minute)
			f.subscribe(subscriber, Interest{ClusterID: own, SpecAfter: later})
			f.pass(2 * time.Minute)
			if n := f.remote.countOf(own, began); n != 13 || !f.view(subscriber).Spec.StartedAt.After(later) {
				t.Errorf("%d GETs for a spec that must be newer than a future time", n-12)
			}
			f.pass(time.Hour)
			if n := f.remote.countOf(own, began); n != 13 {
				t.Errorf("%d more GETs in an hour", n-13)
			}
		})
	}
}

func TestTwelveObjectsThatRequestASpecMakeTwelveGets(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 12)
		f.watch(ids...)
		f.pass(time.Minute)
		began := time.Now()
		for _, id := range ids {
			f.subscribe(object(id), Interest{ClusterID: id, SpecAfter: began})
		}
		f.pass(time.Minute)
		for _, id := range ids {
			if n := f.remote.countOf(id, began); n != 1 || f.view(object(id)).Spec.JSON == nil {
				t.Errorf("%d GETs of %s", n, id)
			}
		}
	})
}

func TestAFailingLookupAffectsNothingElse(t *testing.T) {
	for _, kind := range []string{"permissions", "libraries", "pins"} {
		for name, failure := range map[string]error{"503": errUnavailable, "no answer": errHang} {
			withRegistry(t, fmt.Sprintf("[case-68] %s %s", kind, name), func(t *testing.T, f *fixture) {
				ids := f.remote.fill("c", 20)
				f.remote.put(ids[0], compute.StatePending)
				f.remote.failWith(func(made call) error {
					if made.kind == kind {
						return failure
					}
					return nil
				})
				ws := f.watch(ids...)
				f.pass(2 * time.Second)
				began := time.Now()
				for _, id := range ids {
					needed := Lookup{Cadence: WhileChanging, After: began}
					f.subscribe(object(id), Interest{ClusterID: id, SpecAfter: began, Libraries: needed, Permissions: needed, Pins: needed})
				}
				f.pass(90 * time.Second)
				for _, id := range ids {
					got := f.view(object(id))
					answered := map[string]bool{
						"permissions": !got.Permissions.StartedAt.IsZero(), "libraries": !got.Libraries.StartedAt.IsZero(),
						"pins": !got.Pins.StartedAt.IsZero(), "spec": got.Spec.JSON != nil,
					}
					for what, is := range answered {
						if is != (what != kind) {
							t.Fatalf("%s: %s answered: %v", id, what, is)
						}
					}
					if got.Health.Err != nil {
						t.Fatalf("%s has health %v", id, got.Health.Err)
					}
				}
				if n := f.remote.count("list", began); n < 9 || ws.Health().Err != nil {
					t.Errorf("%d lists in 90 s, health %v", n, ws.Health().Err)
				}
				f.pass(10 * time.Minute)
				shown := map[string]error{
					"permissions": f.view(object(ids[1])).Permissions.Err, "libraries": f.view(object(ids[1])).Libraries.Err,
					"pins": f.view(object(ids[1])).Pins.Err,
				}
				for what, err := range shown {
					if err != nil && what != kind || err == nil && what == kind && kind == "pins" {
						t.Errorf("%s has the failure %v", what, err)
					}
				}
				f.remote.failWith(nil)
				f.pass(12 * time.Minute)
				if got := f.view(object(ids[1])); got.Permissions.StartedAt.IsZero() || got.Libraries.StartedAt.IsZero() || got.Pins.StartedAt.IsZero() {
					t.Error("not read after the recovery")
				}
			})
		}
	}
}

func TestReadsContinueWhileTheHostAnswersHalfOfEachMinute(t *testing.T) {
	for name, failure := range map[string]error{"503": errUnavailable, "no answer": errHang} {
		withRegistry(t, "[case-98] "+name, func(t *testing.T, f *fixture) {
			ids := f.remote.fill("c", 20)
			for _, id := range ids {
				f.remote.put(id, compute.StatePending)
			}
			f.watch(ids...)
			f.pass(time.Minute - time.Duration(time.Now().Second())*time.Second)
			f.remote.failWith(func(call) error {
				if time.Now().Second() >= 30 {
					return failure
				}
				return nil
			})
			for minute := range 30 {
				began := time.Now() // of a half in which the host answers
				f.remote.change(ids[0], func(c *compute.ClusterDetails) { c.NumWorkers = minute + 1 })
				f.subscribe(object(ids[1]), Interest{ClusterID: ids[1], SpecAfter: began})
				f.pass(29 * time.Second)
				if got := f.view(object(ids[0])).Cluster; got.Cluster == nil || got.Cluster.NumWorkers != minute+1 {
					t.Errorf("minute %d: a change was not observed in the good half", minute)
				}
				if got := f.view(object(ids[1])).Spec; !got.StartedAt.After(began) {
					t.Errorf("minute %d: a spec was not read in the good half", minute)
				}
				f.pass(time.Until(began.Add(time.Minute)))
				if n := f.remote.count("", began.Add(30*time.Second)); n > 40 {
					t.Errorf("minute %d: %d calls in the bad half", minute, n)
				}
			}
		})
	}
}

func TestAWriteThatWasNotSentChangesNothing(t *testing.T) {
	reasons := map[string]error{
		"an error of the caller": fmt.Errorf("read the object: %w", ErrNotSent),
		"an error of the client": fmt.Errorf("%w: %w", ErrNotSent, &databricks.Error{Class: databricks.ClassAmbiguous, Message: "not sent"}),
	}
	for name, reason := range reasons {
		withRegistry(t, name, func(t *testing.T, f *fixture) {
			f.remote.put("c1", compute.StateRunning)
			ws := f.watch("c1")
			f.pass(time.Minute)
			f.subscribe(object("c1"), Interest{ClusterID: "c1", SpecAfter: time.Now()})
			f.pass(time.Minute)
			before, calls := f.view(object("c1")), f.remote.count("", time.Time{})
			f.notified(object("c1"))
			for range 50 { // more than the burst
				if err := f.write(ws, ratelimit.PriorityTerminate, "c1", func(context.Context, databricks.Writer) error { return reason }); err == nil || err.Error() != reason.Error() {
					t.Fatalf("the write fails with %v", err)
				}
			}
			after := f.view(object("c1"))
			if !after.Cluster.StartedAt.Equal(before.Cluster.StartedAt) || !after.Spec.StartedAt.Equal(before.Spec.StartedAt) {
				t.Errorf("the earlier reads are not valid any more: %+v", after.Cluster)
			}
			state := f.Limiters()[0]
			if n := state.Priorities["terminate"].Granted; n != 0 || state.WritesInFlight != 0 {
				t.Errorf("%d permits were kept, %d writes are in flight", n, state.WritesInFlight)
			}
			f.pass(time.Minute)
			if n := f.remote.count("", time.Time{}); n != calls || f.notified(object("c1")) != 0 {
				t.Errorf("%d calls for a write that was not sent", n-calls)
			}
		})
	}
}

func TestADeleteThatWasNotSentDoesNotEndTheGrace(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		ws := f.watch("c1")
		_ = f.write(ws, ratelimit.PriorityTerminate, "c1", func(context.Context, databricks.Writer) error { return ErrNotSent })
		f.pass(30 * time.Second)
		if got := f.presence("c1"); got != Unknown {
			t.Errorf("within the grace it is %v", got)
		}
	})
}

func TestARetryAfterHoldsNoReadThatADeletionWaitsFor(t *testing.T) {
	for name, clusters := range map[string]int{"[case-73] few clusters": 1, "[case-73] more clusters than are read one by one": 300} {
		withRegistry(t, name, func(t *testing.T, f *fixture) {
			ids := f.remote.fill("c", clusters)
			ws := f.watch(ids...)
			f.pass(time.Minute)
			throttled := &databricks.Error{Class: databricks.ClassThrottled, Answered: true, RetryAfter: 2 * time.Minute}
			_ = f.write(ws, ratelimit.PriorityChange, "", func(context.Context, databricks.Writer) error { return throttled })
			since := time.Now()
			f.subscribe(object(ids[0]), Interest{ClusterID: ids[0], After: since, Purpose: ToDelete})
			f.pass(10 * time.Second)
			if got := f.view(object(ids[0])).Cluster; !got.StartedAt.After(since) {
				t.Errorf("the cluster was read last at %v, before the deletion at %v", got.StartedAt, since)
			}
			if n := f.remote.count("", since); n != 1 {
				t.Errorf("%d calls during the Retry-After, expected one for the deletion", n)
			}
		})
	}
}

func TestAListFromBeforeAWriteIsNotUsedForAnObjectThatComesBack(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 20)
		f.watch(ids...)
		f.pass(10 * time.Second)
		own := ids[0]
		f.mustWrite(f.workspaces[object(own)], ratelimit.PriorityTerminate, own, terminate(own))
		f.Release(object(own))
		f.watch(own)
		if got := f.state(own); got == compute.StateRunning {
			t.Error("a list that began before the write is used")
		}
		f.pass(3 * time.Second)
		if got := f.state(own); got != compute.StateTerminating {
			t.Errorf("it is %q", got)
		}
	})
}

func TestASpecThatWasChangedElsewhereNotifies(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		f.remote.put("c1", compute.StateRunning)
		f.watch("c1")
		f.pass(time.Minute)
		f.subscribe(object("c1"), Interest{ClusterID: "c1", SpecAfter: time.Now()})
		f.pass(time.Minute)
		f.notified(object("c1"))
		f.remote.editSpec("c1", `{"cluster_name":"c1","num_workers":0,"data_security_mode":"NONE"}`)
		f.pass(15 * 24 * time.Hour)
		if n := f.notified(object("c1")); n != 1 {
			t.Errorf("%d notifications of one change", n)
		}
	})
}

func TestAPageOverTheBoundIsNoFailureWhileItCanBeHalved(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 250)
		ws := f.watch(ids...)
		f.pass(time.Minute)
		f.notifiedObjects()
		size := 0
		f.remote.editPages(func(query databricks.ListQuery, _ *databricks.ListPage) { size = query.PageSize })
		f.remote.failWith(func(made call) error {
			if made.kind == "list" && size > 30 {
				return &databricks.Error{Class: databricks.ClassTooLarge}
			}
			return nil
		})
		f.pass(6 * time.Minute)
		if n := f.notifiedObjects(); n != 0 || size != 25 || ws.Health().Err != nil {
			t.Errorf("%d objects were notified, page size %d, health %v", n, size, ws.Health().Err)
		}
	})
}

func TestClustersWhoseGetsHangDoNotBlockOthers(t *testing.T) {
	withRegistry(t, "[case-67]", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 20)
		f.watch(ids...)
		f.pass(time.Minute)
		f.remote.failWith(func(made call) error {
			if made.kind == "get" && made.id < ids[6] {
				return errHang
			}
			return nil
		})
		for _, id := range ids {
			f.subscribe(object(id), Interest{ClusterID: id, SpecAfter: time.Now()})
		}
		f.pass(15 * time.Minute)
		for _, id := range ids {
			if failing := f.view(object(id)).Health.Err != nil; failing != (id < ids[6]) {
				t.Errorf("%s fails: %v", id, failing)
			}
		}
		// The first GET that works again closes the breaker of the endpoint.
		f.subscribe(object(ids[10]), Interest{ClusterID: ids[10], SpecAfter: time.Now()})
		f.pass(time.Minute)
		for round := range 60 {
			asked := time.Now()
			f.subscribe(object(ids[10]), Interest{ClusterID: ids[10], SpecAfter: asked})
			f.pass(5 * time.Second)
			if got := f.view(object(ids[10])); !got.Spec.StartedAt.After(asked) || got.Health.Err != nil {
				t.Fatalf("round %d: spec of %v, health %v", round, got.Spec.StartedAt, got.Health.Err)
			}
		}
	})
}
