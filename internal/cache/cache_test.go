package cache

import (
	"context"
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

var errUnavailable = &databricks.Error{Class: databricks.ClassTransient, StatusCode: 503, Message: "unavailable"}

// errRefused is the answer to a credential that the workspace does not accept.
var errRefused = &databricks.Error{Class: databricks.ClassUnauthenticated, StatusCode: 401, Message: "Invalid access token", Answered: true}

func TestAWatchedClusterIsReadAndItsChangesNotify(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		f.remote.put("c1", compute.StatePending)
		f.watch("c1")
		if got := f.presence("c1"); got != Unknown {
			t.Fatalf("observed %v before anything was read", got)
		}
		f.pass(2 * time.Second)
		if f.state("c1") != compute.StatePending || f.notified(object("c1")) == 0 {
			t.Fatalf("state %q after the first read", f.state("c1"))
		}
		f.remote.put("c1", compute.StateRunning)
		f.pass(9 * time.Second)
		if f.state("c1") != compute.StateRunning || f.notified(object("c1")) == 0 {
			t.Fatalf("state %q a fast interval later", f.state("c1"))
		}
		calls := f.remote.count("", time.Time{})
		f.pass(4 * time.Minute)
		if f.notified(object("c1")) != 0 || f.remote.count("", time.Time{}) != calls {
			t.Fatal("a quiet cluster was read or notified its object")
		}
	})
}

func TestOnlyTheObjectsOfChangedClustersAreNotified(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 250)
		nodes := func(name string, memory int64) func(c *compute.ClusterDetails) {
			return func(c *compute.ClusterDetails) {
				c.Executors, c.ClusterMemoryMb = []compute.SparkNode{{NodeId: name}}, memory
			}
		}
		f.remote.change(ids[9], nodes("n1", 512))
		f.watch(ids...)
		f.pass(time.Minute)
		f.notifiedObjects()
		f.pass(6 * time.Minute)
		if n := f.notifiedObjects(); n != 0 {
			t.Fatalf("%d objects were notified of nothing", n)
		}
		f.remote.put(ids[7], compute.StateTerminated)
		f.remote.change(ids[9], nodes("n2", 1024)) // fields that often change do not notify
		f.remote.change(ids[11], nodes("n3", 0))   // the number of nodes does
		f.pass(5 * time.Minute)
		if f.notified(object(ids[7])) != 1 {
			t.Error("the changed cluster's object was not notified, or more than once")
		}
		if f.notified(object(ids[11])) != 1 {
			t.Error("the grown cluster's object was not notified, or more than once")
		}
		if n := f.notifiedObjects(); n != 0 {
			t.Errorf("%d objects of unchanged clusters were notified", n)
		}
	})
}

func TestAnIncompleteListIsNotUsed(t *testing.T) {
	withRegistry(t, "[R6]", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 250)
		f.watch(ids...)
		f.pass(time.Minute)
		f.notifiedObjects()
		f.remote.failWith(func(made call) error {
			if made.kind == "list" && made.id == ids[100] {
				return errUnavailable
			}
			return nil
		})
		for _, id := range ids {
			f.remote.put(id, compute.StateTerminated)
		}
		f.pass(5 * time.Minute)
		if got := f.state(ids[0]); got != compute.StateRunning {
			t.Errorf("the first page of a list without its second was used: %q", got)
		}
		f.remote.failWith(nil)
		f.pass(10 * time.Minute)
		for _, id := range ids {
			if got := f.state(id); got != compute.StateTerminated {
				t.Fatalf("%s is %q after the lists recovered", id, got)
			}
		}
	})
}

func TestAPageThatFailsOnceIsFetchedAgain(t *testing.T) {
	withRegistry(t, "[R6]", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 250)
		failed := false
		f.remote.failWith(func(made call) error {
			if made.kind == "list" && made.id == ids[100] && !failed {
				failed = true
				return errUnavailable
			}
			return nil
		})
		f.watch(ids...)
		f.pass(10 * time.Second)
		if n := f.remote.count("list", time.Time{}); n != 4 {
			t.Errorf("%d pages were fetched for a list of three and one failure", n)
		}
		if f.state(ids[249]) != compute.StateRunning {
			t.Error("the list did not arrive")
		}
	})
}

func TestAClusterSkippedBetweenPagesIsReadByGetAndNotMissing(t *testing.T) {
	withRegistry(t, "[R6] [case-39]", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 250)
		f.remote.unlisted[ids[120]] = true
		f.watch(ids...)
		f.pass(2 * time.Minute)
		if got := f.view(object(ids[120])).Cluster; got.Presence != Present || !got.FromGet {
			t.Fatalf("the skipped cluster is %v, from a GET: %v", got.Presence, got.FromGet)
		}
		began := time.Now()
		f.pass(time.Hour)
		if got := f.remote.countOf(ids[120], began); got < 10 || got > 16 {
			t.Errorf("%d GETs in an hour for a cluster that lists do not show", got)
		}
		if got := f.presence(ids[120]); got != Present {
			t.Errorf("the skipped cluster became %v", got)
		}
	})
}

func TestAClusterReturnedOnTwoPagesIsOneMatch(t *testing.T) {
	withRegistry(t, "[R6]", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 250)
		f.remote.editPages(func(query databricks.ListQuery, page *databricks.ListPage) {
			if query.PageToken == ids[100] {
				page.Clusters = append(page.Clusters, compute.ClusterDetails{ClusterId: ids[99], State: compute.StateRunning, CustomTags: map[string]string{"t": "op-v"}})
			}
		})
		f.watch(ids...)
		f.pass(10 * time.Second)
		f.connect(object("o"))
		if got := f.subscribe(object("o"), Interest{Search: Query{Tag: "t", Owner: "op-v"}}).Search; len(got.Matches) != 1 {
			t.Errorf("%d matches", len(got.Matches))
		}
	})
}

func TestAnEmptyListMakesNothingMissing(t *testing.T) {
	withRegistry(t, "[R6] [case-39]", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 500)
		f.watch(ids...)
		f.pass(time.Minute)
		f.remote.editPages(func(_ databricks.ListQuery, page *databricks.ListPage) { *page = databricks.ListPage{} })
		before := time.Now()
		for f.remote.count("list", before) == 0 {
			f.pass(time.Second)
		}
		f.remote.editPages(nil) // recovered before the second list
		f.pass(10 * time.Minute)
		for _, id := range ids {
			if got := f.presence(id); got != Present {
				t.Fatalf("%s is %v", id, got)
			}
		}
		if n := f.remote.count("get", before); n > 10 {
			t.Errorf("one empty list made %d GETs", n)
		}
	})
}

func TestOnlyAGetMakesAClusterMissing(t *testing.T) {
	withRegistry(t, "[case-37]", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 250)
		f.watch(ids...)
		f.pass(2 * time.Minute)
		f.remote.remove(ids[3])
		began := time.Now()
		f.pass(5 * time.Minute)
		if got := f.view(object(ids[3])).Cluster; got.Presence != Missing || !got.FromGet {
			t.Fatalf("the removed cluster is %v, from a GET: %v", got.Presence, got.FromGet)
		}
		if n := f.remote.countOf(ids[3], began); n != 1 {
			t.Errorf("%d GETs to confirm one absence", n)
		}
		if f.notified(object(ids[3])) == 0 {
			t.Error("its object was not notified")
		}
		began = time.Now()
		f.pass(time.Hour)
		if n := f.remote.countOf(ids[3], began); n != 0 {
			t.Errorf("%d GETs of a missing cluster in an hour", n)
		}
	})
}

func TestAPurgedClusterIsPurged(t *testing.T) {
	withRegistry(t, "[case-37]", func(t *testing.T, f *fixture) {
		f.remote.failWith(func(made call) error {
			if made.kind == "get" {
				return &databricks.Error{Class: databricks.ClassMissing, Purged: true, Message: "terminated more than 30 days ago"}
			}
			return nil
		})
		f.watch("c1")
		f.pass(3 * time.Second)
		if got := f.presence("c1"); got != Purged {
			t.Errorf("got %v", got)
		}
	})
}

func TestANewClusterIsNotMissingWithinTheGrace(t *testing.T) {
	withRegistry(t, "[case-38]", func(t *testing.T, f *fixture) {
		f.watch("c1")
		f.pass(50 * time.Second)
		if got := f.presence("c1"); got != Unknown {
			t.Fatalf("within the grace it is %v", got)
		}
		f.remote.put("c1", compute.StatePending)
		f.pass(9 * time.Second)
		if got := f.state("c1"); got != compute.StatePending {
			t.Fatalf("once visible it is %q", got)
		}
		f.watch("c2")
		f.pass(75 * time.Second)
		if got := f.presence("c2"); got != Missing {
			t.Fatalf("after the grace it is %v", got)
		}
	})
}

func TestADeletedClusterIsConfirmedMissingWithoutGrace(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		f.remote.put("c1", compute.StateRunning)
		ws := f.watch("c1")
		f.pass(2 * time.Second)
		f.notified(object("c1"))
		f.mustWrite(ws, ratelimit.PriorityTerminate, "c1", permanentDelete("c1"))
		f.pass(2 * time.Second)
		if got := f.presence("c1"); got != Missing || f.notified(object("c1")) == 0 {
			t.Errorf("it is %v", got)
		}
	})
}

func TestTheObservationWithTheNewestStartWins(t *testing.T) {
	at := func(second int) time.Time { return time.Unix(int64(second), 0) }
	observation := func(second int, state compute.State) Observation {
		return Observation{Presence: Present, Cluster: &compute.ClusterDetails{State: state}, StartedAt: at(second)}
	}
	e := &entry{}
	e.accept(observation(10, compute.StateRunning))
	if e.accept(observation(9, compute.StatePending)); e.newest.Cluster.State != compute.StateRunning {
		t.Error("an older observation replaced a newer one")
	}
	if !e.accept(observation(11, compute.StateTerminating)) {
		t.Error("a change was not reported")
	}
	if e.accept(observation(12, compute.StateTerminating)) {
		t.Error("the same content was reported as a change")
	}
	if got := e.newest; !got.StartedAt.Equal(at(12)) || !got.ChangedAt.Equal(at(11)) {
		t.Errorf("started at %v, changed at %v", got.StartedAt, got.ChangedAt)
	}
}

func TestAListThatBeganBeforeAWriteIsNotValid(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 250)
		ws := f.watch(ids...)
		f.pass(time.Minute)
		f.remote.latency = 2 * time.Second // a list takes at least 6 s
		began := time.Now()
		f.connect(object("o"))
		f.subscribe(object("o"), Interest{Search: Query{Tag: "none", After: began}})
		f.pass(9 * time.Second) // its first page is in flight
		if f.remote.count("list", began) == 0 {
			t.Fatal("the list has not begun")
		}
		f.mustWrite(ws, ratelimit.PriorityTerminate, ids[0], terminate(ids[0]))
		if got := f.presence(ids[0]); got != Unknown {
			t.Fatalf("just after a write it is %v", got)
		}
		for range 40 {
			f.pass(time.Second)
			if got := f.state(ids[0]); got == compute.StateRunning {
				t.Fatal("a state from before the write was shown")
			}
		}
		if got := f.state(ids[0]); got != compute.StateTerminating {
			t.Errorf("it is %q", got)
		}
	})
}

func TestAWriteWithoutAnswerIsInFlightUntilItsDeadlineAndALag(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		f.remote.put("c1", compute.StateTerminated)
		ws := f.watch("c1")
		f.pass(2 * time.Second)
		f.remote.failWith(func(made call) error {
			if made.kind == "start" {
				return &databricks.Error{Class: databricks.ClassAmbiguous, Message: "connection reset"}
			}
			return nil
		})
		began := time.Now()
		if err := f.write(ws, ratelimit.PriorityChange, "c1", start("c1")); databricks.ClassOf(err) != databricks.ClassAmbiguous {
			t.Fatal(err)
		}
		f.pass(time.Until(began.Add(40 * time.Second)))
		if got := f.presence("c1"); got != Unknown {
			t.Fatalf("before deadline and lag have passed it is %v", got)
		}
		f.pass(3 * time.Second)
		if got := f.presence("c1"); got != Present || f.notified(object("c1")) == 0 {
			t.Fatalf("after deadline and lag it is %v", got)
		}
	})
}

func TestARefusedWriteIsOverAtOnce(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		f.remote.put("c1", compute.StateTerminated)
		ws := f.watch("c1")
		f.pass(2 * time.Second)
		f.remote.failWith(func(made call) error {
			if made.kind == "start" {
				return &databricks.Error{Class: databricks.ClassBusy, Message: "unexpected state"}
			}
			return nil
		})
		_ = f.write(ws, ratelimit.PriorityChange, "c1", start("c1"))
		f.pass(2 * time.Second)
		if got := f.presence("c1"); got != Present {
			t.Errorf("it is %v", got)
		}
	})
}

func TestARequestIsSatisfiedOnceAndNotifies(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		f.remote.put("c1", compute.StateRunning)
		f.watch("c1")
		f.pass(2 * time.Second)
		f.notified(object("c1"))
		asked := time.Now()
		f.subscribe(object("c1"), Interest{ClusterID: "c1", After: asked})
		f.pass(2 * time.Second)
		if f.notified(object("c1")) != 1 || !f.view(object("c1")).Cluster.StartedAt.After(asked) {
			t.Fatal("the request was not satisfied, or did not notify once")
		}
		f.view(object("c1")) // the reconcile after the notification states it again
		f.pass(time.Minute)
		if n := f.notified(object("c1")); n != 0 {
			t.Errorf("%d more notifications of a satisfied request", n)
		}
		calls := f.remote.count("", time.Time{})
		satisfied := f.subscribe(object("c1"), Interest{ClusterID: "c1", After: asked.Add(-time.Second)})
		f.pass(time.Second)
		if !satisfied.Cluster.StartedAt.After(asked) || f.notified(object("c1")) != 0 || f.remote.count("", time.Time{}) != calls {
			t.Error("a request that the view satisfied at once was read or notified again")
		}
		asked = time.Now()
		f.subscribe(object("c1"), Interest{ClusterID: "c1", SpecAfter: asked})
		f.pass(2 * time.Second)
		if spec := f.view(object("c1")).Spec; spec.JSON == nil || !spec.StartedAt.After(asked) || f.notified(object("c1")) != 1 {
			t.Errorf("spec %s of %v", spec.JSON, spec.StartedAt)
		}
	})
}

func TestARequestedGetIsNotDebounced(t *testing.T) {
	withRegistry(t, "[P12]", func(t *testing.T, f *fixture) {
		f.remote.put("c1", compute.StateRunning)
		f.watch("c1")
		for _, workspace := range []string{"a new workspace", "one at rest"} {
			asked := time.Now()
			f.subscribe(object("c1"), Interest{ClusterID: "c1", SpecAfter: asked})
			f.pass(200 * time.Millisecond)
			if at := f.view(object("c1")).Spec.StartedAt; !at.After(asked) {
				t.Errorf("%s was not read at once", workspace)
			}
			f.pass(time.Minute)
		}
	})
}

func TestAClusterThatMayNotBeReadShowsInItsHealth(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		f.remote.put("good", compute.StateRunning)
		f.remote.failWith(func(made call) error {
			if made.kind == "get" && made.id == "bad" {
				return &databricks.Error{Class: databricks.ClassForbidden, Message: "no"}
			}
			return nil
		})
		ws := f.watch("good", "bad")
		f.subscribe(object("bad"), Interest{ClusterID: "bad", SpecAfter: time.Now()})
		f.pass(20 * time.Second)
		if got := f.view(object("bad")).Health; databricks.ClassOf(got.Err) != databricks.ClassForbidden || f.notified(object("bad")) == 0 {
			t.Errorf("health %+v", got)
		}
		if ws.Health().Err != nil {
			t.Error("the failure of one cluster's reads shows for the lists")
		}
		began := time.Now()
		f.pass(time.Hour)
		if n := f.remote.count("get", began); n > 20 {
			t.Errorf("%d GETs in an hour", n)
		}
	})
}

func TestASearchCountsTwoCompleteLists(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		f.remote.fill("c", 150)
		f.connect(object("o"))
		search := func(after time.Time) SearchResult {
			return f.subscribe(object("o"), Interest{Search: Query{Tag: "owner", Owner: "op-me", After: after}}).Search
		}
		f.notified(object("o")) // of its connection
		began := time.Now()
		after := began.Add(5 * time.Second)
		if got := search(after); got.CompleteLists != 0 {
			t.Fatalf("%d lists before any", got.CompleteLists)
		}
		f.pass(4 * time.Second)
		if n := f.remote.count("list", began); n != 0 {
			t.Fatalf("%d pages before they could count", n)
		}
		f.pass(4 * time.Second)
		if got := search(after); got.CompleteLists != 1 || f.notified(object("o")) != 1 {
			t.Fatalf("%d lists", got.CompleteLists)
		}
		f.pass(9 * time.Second)
		if got := search(after); got.CompleteLists != 2 || f.notified(object("o")) != 1 || len(got.Matches) != 0 {
			t.Fatalf("%d lists", got.CompleteLists)
		}
		calls := f.remote.count("list", began)
		f.pass(time.Minute)
		if f.remote.count("list", began) != calls {
			t.Error("a completed search made more calls")
		}
		f.remote.change("mine", func(c *compute.ClusterDetails) { c.CustomTags = map[string]string{"owner": "op-me"} })
		after = time.Now()
		search(after)
		f.pass(2 * time.Second)
		got := search(after)
		if got.CompleteLists != 1 || len(got.Matches) != 1 || got.Matches[0].Cluster.ClusterId != "mine" {
			t.Errorf("found %+v", got)
		}
		f.pass(10 * time.Second)
		if got := search(after); got.CompleteLists != 2 || len(got.Matches) != 1 {
			t.Errorf("after a second list %+v", got)
		}
	})
}

func TestAListThatLacksAMatchOfTheListBeforeIsNotTheSecondWithoutOne(t *testing.T) {
	withRegistry(t, "[R6]", func(t *testing.T, f *fixture) {
		f.remote.fill("c", 3)
		f.remote.change("c-0", func(c *compute.ClusterDetails) { c.CustomTags = map[string]string{"owner": "op-me-0123456789abcdef"} })
		f.connect(object("o"))
		after := time.Now()
		search := func() SearchResult {
			return f.subscribe(object("o"), Interest{Search: Query{Tag: "owner", Owner: "op-me", After: after}}).Search
		}
		search()
		f.pass(4 * time.Second)
		if got := search(); got.CompleteLists != 1 || len(got.Matches) != 1 {
			t.Fatalf("the first list has %+v", got)
		}
		f.remote.change("c-0", func(c *compute.ClusterDetails) { c.CustomTags = nil })
		f.pass(8 * time.Second)
		if got := search(); got.CompleteLists != 1 || len(got.Matches) != 0 {
			t.Errorf("the second list has %+v", got)
		}
		f.pass(8 * time.Second)
		if got := search(); got.CompleteLists != 2 || len(got.Matches) != 0 {
			t.Errorf("the third list has %+v", got)
		}
	})
}

func TestAListThatDoesNotEndIsNotFollowed(t *testing.T) {
	withRegistry(t, "[R6]", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 250)
		f.remote.editPages(func(_ databricks.ListQuery, page *databricks.ListPage) { page.NextPageToken = ids[100] })
		ws := f.watch(ids...)
		f.pass(10 * time.Second)
		if n := f.remote.count("list", time.Time{}); n > 12 {
			t.Errorf("%d pages of a list whose pages do not end", n)
		}
		if seen := f.view(object(ids[0])).Cluster; seen.Presence != Unknown && !seen.FromGet {
			t.Error("an incomplete list was used")
		}
		f.pass(time.Minute)
		if databricks.ClassOf(ws.Health().Err) != databricks.ClassHost {
			t.Errorf("health is %v", ws.Health().Err)
		}
	})
}

func TestAPageOverTheBoundIsHalved(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 250)
		size := 0
		f.remote.editPages(func(query databricks.ListQuery, _ *databricks.ListPage) { size = query.PageSize })
		f.remote.failWith(func(made call) error {
			if made.kind == "list" && size > 30 {
				return &databricks.Error{Class: databricks.ClassTooLarge}
			}
			return nil
		})
		f.watch(ids...)
		f.pass(30 * time.Second)
		if size != 25 || f.state(ids[249]) != compute.StateRunning {
			t.Errorf("page size %d", size)
		}
	})
}

func TestARunOfFailuresNotifiesOnce(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 20)
		ws := f.watch(ids...)
		f.pass(time.Minute)
		f.notifiedObjects()
		f.remote.failWith(func(call) error { return errUnavailable })
		f.pass(20 * time.Minute)
		health := ws.Health()
		if databricks.ClassOf(health.Err) != databricks.ClassTransient || health.Since.IsZero() || health.LastSuccess.IsZero() {
			t.Fatalf("health %+v", health)
		}
		if f.notified(object(ids[0])) != 1 {
			t.Error("objects were not notified once")
		}
		f.notifiedObjects()
		f.remote.failWith(nil)
		f.pass(6 * time.Minute)
		if ws.Health().Err != nil || f.notified(object(ids[0])) != 1 {
			t.Errorf("health %+v after the recovery", ws.Health())
		}
	})
}

func TestAListThatTakesLongerThanItsIntervalDelaysTheNext(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		f.remote.latency = 3 * time.Second
		ids := f.remote.fill("c", 1000)
		for _, id := range ids {
			f.remote.put(id, compute.StatePending)
		}
		f.watch(ids...)
		f.pass(30 * time.Minute)
		var lists []time.Time
		for _, made := range f.remote.log() {
			if made.kind == "list" && made.id == "" {
				lists = append(lists, made.at)
			}
		}
		for i := 2; i < len(lists); i++ {
			if gap := lists[i].Sub(lists[i-1]); gap < 50*time.Second {
				t.Fatalf("lists of 30 s began %v apart", gap)
			}
		}
	})
}

func TestNothingIsValidWhileAWriteIsInFlight(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 3)
		ws := f.watch(ids...)
		f.pass(2 * time.Second)
		f.mustWrite(ws, ratelimit.PriorityChange, ids[0], func(context.Context, databricks.Writer) error {
			f.connect(object("o"))
			f.subscribe(object("o"), Interest{Search: Query{Tag: "none", After: time.Now()}}) // causes a list
			f.pass(20 * time.Second)
			if got := f.presence(ids[0]); got != Unknown {
				t.Errorf("during a write it is %v", got)
			}
			if got := f.presence(ids[1]); got != Present {
				t.Errorf("another cluster is %v", got)
			}
			return nil
		})
	})
}

func TestAClusterDeletedBeforeItWasObservedIsMissingAtOnce(t *testing.T) {
	withRegistry(t, "[case-43]", func(t *testing.T, f *fixture) {
		ws := f.watch("c1")
		f.pass(2 * time.Second)
		f.mustWrite(ws, ratelimit.PriorityTerminate, "c1", permanentDelete("c1"))
		f.pass(10 * time.Second)
		if got := f.presence("c1"); got != Missing {
			t.Errorf("it is %v", got)
		}
	})
}

func TestAnUnlistedClusterIsNotReadAfterEachList(t *testing.T) {
	withRegistry(t, "[R6]", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 50)
		for _, id := range ids[1:] {
			f.remote.put(id, compute.StatePending)
		}
		f.remote.unlisted[ids[0]] = true
		f.watch(ids...)
		f.pass(2 * time.Minute)
		began := time.Now()
		f.pass(8 * time.Minute)
		if lists := f.remote.count("list", began); lists < 50 {
			t.Fatalf("only %d lists", lists)
		}
		if n := f.remote.countOf(ids[0], began); n > 3 {
			t.Errorf("%d GETs", n)
		}
	})
}

func TestAnAbsenceSoonAfterAWriteIsNotConfirmed(t *testing.T) {
	at := time.Unix(1000, 0)
	if got := (&entry{seen: true, wroteAt: at}).visibleBy(time.Minute); !got.Equal(at.Add(time.Minute)) {
		t.Errorf("until %v", got)
	}
	if got := (&entry{createdAt: at}).visibleBy(time.Minute); !got.Equal(at.Add(time.Minute)) {
		t.Errorf("until %v", got)
	}
}

func TestAMissingClusterCostsNoCalls(t *testing.T) {
	withRegistry(t, "[case-37]", func(t *testing.T, f *fixture) {
		f.watch("c1")
		f.pass(2 * time.Minute)
		if got := f.presence("c1"); got != Missing {
			t.Fatalf("it is %v", got)
		}
		began := time.Now()
		f.pass(8 * 24 * time.Hour)
		if n := f.remote.count("", began); n != 0 {
			t.Errorf("%d calls", n)
		}
		f.notified(object("c1"))
		f.subscribe(object("c1"), Interest{ClusterID: "c1", SpecAfter: time.Now()})
		f.pass(2 * time.Second)
		if f.notified(object("c1")) != 1 || !f.view(object("c1")).Cluster.StartedAt.After(began) {
			t.Error("a request was not satisfied")
		}
	})
}

func TestALongTransitionIsReadLessOften(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		f.remote.put("c1", compute.StatePending)
		f.watch("c1")
		f.pass(10 * time.Hour)
		began := time.Now()
		f.pass(time.Hour)
		if n := f.remote.count("", began); n > 16 {
			t.Errorf("%d calls an hour for a transition of ten hours", n)
		}
	})
}

func TestARequestEndsTheBackoffAfterARefusal(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		f.remote.put("c1", compute.StateRunning)
		f.remote.failWith(func(made call) error {
			if made.kind == "get" {
				return &databricks.Error{Class: databricks.ClassForbidden}
			}
			return nil
		})
		f.watch("c1")
		f.pass(5 * time.Second)
		f.remote.failWith(nil)
		f.subscribe(object("c1"), Interest{ClusterID: "c1", SpecAfter: time.Now()})
		f.pass(10 * time.Second)
		if got := f.view(object("c1")); got.Cluster.Presence != Present || got.Health.Err != nil || got.Spec.JSON == nil {
			t.Errorf("observed %+v", got)
		}
	})
}

// TestARequestThatBecameUnsatisfiedNotifiesAgain: a write or a GET without a spec makes the
// spec unknown. The object that waited for it is notified when it is known again, although
// nothing else changed.
func TestARequestThatBecameUnsatisfiedNotifiesAgain(t *testing.T) {
	at := func(second int64) time.Time { return time.Unix(second, 0) }
	read := func(second int64) *entry {
		return &entry{
			requests: []readRequest{{requestKey: requestKey{object("c1"), getOnly}, after: at(5), notified: true}},
			spec:     []byte("{}"), specAt: at(second), newest: Observation{Presence: Present, StartedAt: at(second)},
		}
	}
	for name, unsatisfy := range map[string]func(*entry){
		"a write, and then a list": func(e *entry) { e.validAfter = at(20) },
		"a GET without a spec":     func(e *entry) { e.acceptSpec(nil, at(30)) },
	} {
		t.Run("[case-61] "+name, func(t *testing.T) {
			c, e := &cache{changed: map[Object]struct{}{}}, read(10)
			unsatisfy(e)
			c.accept(e, Observation{Presence: Present, StartedAt: at(30)})
			if len(c.changed) != 0 {
				t.Error("the object was notified of a read that does not satisfy its request")
			}
			e.acceptSpec([]byte("{}"), at(40))
			for _, want := range []int{1, 0} {
				clear(c.changed)
				c.accept(e, Observation{Presence: Present, StartedAt: at(40)})
				if len(c.changed) != want {
					t.Errorf("%d notifications of the GET, not %d", len(c.changed), want)
				}
			}
		})
	}
}

func TestASpecFromBeforeAWriteSatisfiesNoRequest(t *testing.T) {
	at := func(second int64) time.Time { return time.Unix(second, 0) }
	e := &entry{spec: []byte("{}"), specAt: at(10), validAfter: at(20), newest: Observation{Presence: Present, StartedAt: at(30)}}
	if e.satisfies(getOnly, at(5)) || e.specification().JSON != nil {
		t.Error("a spec from before a write is used")
	}
	if !e.satisfies(anySource, at(5)) || e.satisfies(anySource, at(40)) {
		t.Error("only an observation that began after a time satisfies its request")
	}
	e.specAt = at(30)
	if !e.satisfies(getOnly, at(5)) || e.specification().JSON == nil {
		t.Error("a spec from after the write is not used")
	}
	e.writing = 1
	if e.satisfies(getOnly, at(5)) || e.specification().JSON != nil {
		t.Error("a spec is used while a write is in flight")
	}
}

func TestOneFailureNotifiesNoObject(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 20)
		ws := f.watch(ids...)
		f.pass(time.Minute)
		f.notifiedObjects()
		failed := false
		f.remote.failWith(func(call) error {
			if failed {
				return nil
			}
			failed = true
			return errUnavailable
		})
		f.pass(10 * time.Minute)
		if n := f.notifiedObjects(); !failed || n != 0 || ws.Health().Err != nil {
			t.Errorf("%d objects were notified of one failure", n)
		}
	})
}

func TestASlowListIsSpread(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		f.watch(f.remote.fill("c", 2000)...)
		f.pass(20 * time.Minute)
		log := f.remote.log()
		for i, made := range log[len(log)-20:] {
			if i == 0 || made.kind != "list" || made.id == "" {
				continue
			}
			if gap := made.at.Sub(log[len(log)-20+i-1].at); gap < slowPageInterval {
				t.Fatalf("the pages of a slow list came %v apart", gap)
			}
		}
	})
}

func TestAnEntryThatNoObjectNeedsIsRemoved(t *testing.T) {
	withRegistry(t, "[R16]", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 10)
		ws := f.watch(ids...)
		f.pass(5 * time.Second)
		for _, id := range ids[1:] {
			_ = f.write(ws, ratelimit.PriorityChange, id, func(context.Context, databricks.Writer) error {
				return &databricks.Error{Class: databricks.ClassAmbiguous}
			})
			f.Release(object(id))
			f.pass(time.Second)
		}
		f.pass(10 * time.Minute)
		c := ws.cache
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.entries) != 1 || len(c.watched) != 1 || len(c.subscribers) != 1 || len(c.lookups.known) != 0 || len(c.searches) != 0 {
			t.Errorf("%d entries, %d watched, %d subscribers, %d lookups, %d searches",
				len(c.entries), len(c.watched), len(c.subscribers), len(c.lookups.known), len(c.searches))
		}
	})
}
