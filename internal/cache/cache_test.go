package cache

import (
	"context"
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

var errBroken = &databricks.Error{Class: databricks.ClassTransient, StatusCode: 503, Message: "broken"}

func TestAWatchedClusterIsSeenAndItsChangesAreTold(t *testing.T) {
	inWorld(t, "", Options{}, func(t *testing.T, w *world) {
		w.remote.put("c1", compute.StatePending)
		ws := w.watchAll([]string{"c1"})
		if got := ws.Observe("c1").Presence; got != Unknown {
			t.Fatalf("observed %v before anybody looked", got)
		}
		w.pass(2 * time.Second)
		if state(ws, "c1") != compute.StatePending || w.news("c1") == 0 {
			t.Fatalf("state %q after the first look", state(ws, "c1"))
		}
		w.remote.put("c1", compute.StateRunning)
		w.pass(9 * time.Second)
		if state(ws, "c1") != compute.StateRunning || w.news("c1") == 0 {
			t.Fatalf("state %q a fast interval later", state(ws, "c1"))
		}
		calls := w.remote.count("", time.Time{})
		w.pass(4 * time.Minute)
		if w.news("c1") != 0 || w.remote.count("", time.Time{}) != calls {
			t.Fatal("a quiet cluster was looked at or told of")
		}
	})
}

func TestOnlyTheObjectsOfChangedClustersAreTold(t *testing.T) {
	inWorld(t, "", Options{}, func(t *testing.T, w *world) {
		ids := w.remote.fill("c", 250)
		nodes := func(name string, memory int64) func(c *compute.ClusterDetails) {
			return func(c *compute.ClusterDetails) {
				c.Executors, c.ClusterMemoryMb = []compute.SparkNode{{NodeId: name}}, memory
			}
		}
		w.remote.change(ids[9], nodes("n1", 512))
		w.watchAll(ids)
		w.pass(time.Minute)
		w.newsOfAll()
		w.pass(6 * time.Minute)
		if n := w.newsOfAll(); n != 0 {
			t.Fatalf("%d objects were told of nothing", n)
		}
		w.remote.put(ids[7], compute.StateTerminated)
		w.remote.change(ids[9], nodes("n2", 1024)) // what changes by itself is no news
		w.remote.change(ids[11], nodes("n3", 0))   // how many nodes there are is
		w.pass(5 * time.Minute)
		if w.news(Object(ids[7])) != 1 {
			t.Error("the changed cluster's object was not told, or more than once")
		}
		if w.news(Object(ids[11])) != 1 {
			t.Error("the grown cluster's object was not told, or more than once")
		}
		if n := w.newsOfAll(); n != 0 {
			t.Errorf("%d objects of unchanged clusters were told", n)
		}
	})
}

func TestHalfAListSaysNothing(t *testing.T) {
	inWorld(t, "[R6]", Options{}, func(t *testing.T, w *world) {
		ids := w.remote.fill("c", 250)
		ws := w.watchAll(ids)
		w.pass(time.Minute)
		w.newsOfAll()
		w.remote.breakWith(func(made call) error {
			if made.kind == "list" && made.id == ids[100] {
				return errBroken
			}
			return nil
		})
		for _, id := range ids {
			w.remote.put(id, compute.StateTerminated)
		}
		w.pass(5 * time.Minute)
		if got := state(ws, ids[0]); got != compute.StateRunning {
			t.Errorf("the first page of a list without its second was believed: %q", got)
		}
		w.remote.breakWith(nil)
		w.pass(10 * time.Minute)
		for _, id := range ids {
			if got := state(ws, id); got != compute.StateTerminated {
				t.Fatalf("%s is %q after the list healed", id, got)
			}
		}
	})
}

func TestAPageThatFailsOnceIsFetchedAgain(t *testing.T) {
	inWorld(t, "[R6]", Options{}, func(t *testing.T, w *world) {
		ids := w.remote.fill("c", 250)
		failed := false
		w.remote.breakWith(func(made call) error {
			if made.kind == "list" && made.id == ids[100] && !failed {
				failed = true
				return errBroken
			}
			return nil
		})
		ws := w.watchAll(ids)
		w.pass(10 * time.Second)
		if n := w.remote.count("list", time.Time{}); n != 4 {
			t.Errorf("%d pages were fetched for a list of three and one failure", n)
		}
		if state(ws, ids[249]) != compute.StateRunning {
			t.Error("the list did not arrive")
		}
	})
}

func TestAnItemSkippedBetweenPagesIsAskedForAndNotMissing(t *testing.T) {
	inWorld(t, "[R6] [case-39]", Options{}, func(t *testing.T, w *world) {
		ids := w.remote.fill("c", 250)
		w.remote.unlisted[ids[120]] = true
		ws := w.watchAll(ids)
		w.pass(2 * time.Minute)
		if got := ws.Observe(ids[120]); got.Presence != Present || !got.Deep {
			t.Fatalf("the skipped cluster is %v, deep %v", got.Presence, got.Deep)
		}
		began := time.Now()
		w.pass(time.Hour)
		if got := w.remote.countOf(ids[120], began); got < 10 || got > 16 {
			t.Errorf("%d GETs in an hour for a cluster that lists do not show", got)
		}
		if got := ws.Observe(ids[120]).Presence; got != Present {
			t.Errorf("the skipped cluster became %v", got)
		}
	})
}

func TestAnItemDoubledBetweenPagesIsOne(t *testing.T) {
	inWorld(t, "[R6]", Options{}, func(t *testing.T, w *world) {
		ids := w.remote.fill("c", 250)
		w.remote.doctor(func(query databricks.ListQuery, page *databricks.ListPage) {
			if query.PageToken == ids[100] {
				page.Clusters = append(page.Clusters, compute.ClusterDetails{ClusterId: ids[99], State: compute.StateRunning, CustomTags: map[string]string{"t": "v"}})
			}
		})
		ws := w.watchAll(ids)
		w.pass(10 * time.Second)
		if got := ws.Search("o", "t", "v", time.Time{}); len(got.Matches) != 1 {
			t.Errorf("%d matches", len(got.Matches))
		}
	})
}

func TestAnEmptyListMakesNothingMissing(t *testing.T) {
	inWorld(t, "[R6] [case-39]", Options{}, func(t *testing.T, w *world) {
		ids := w.remote.fill("c", 500)
		ws := w.watchAll(ids)
		w.pass(time.Minute)
		w.remote.doctor(func(_ databricks.ListQuery, page *databricks.ListPage) { *page = databricks.ListPage{} })
		before := time.Now()
		for w.remote.count("list", before) == 0 {
			w.pass(time.Second)
		}
		w.remote.doctor(nil) // healed before the second look
		w.pass(10 * time.Minute)
		for _, id := range ids {
			if got := ws.Observe(id).Presence; got != Present {
				t.Fatalf("%s is %v", id, got)
			}
		}
		if n := w.remote.count("get", before); n > 10 {
			t.Errorf("one empty list made %d GETs", n)
		}
	})
}

func TestOnlyAGetMakesAClusterMissing(t *testing.T) {
	inWorld(t, "[case-37]", Options{}, func(t *testing.T, w *world) {
		ids := w.remote.fill("c", 250)
		ws := w.watchAll(ids)
		w.pass(2 * time.Minute)
		w.remote.remove(ids[3])
		began := time.Now()
		w.pass(5 * time.Minute)
		if got := ws.Observe(ids[3]); got.Presence != Missing || !got.Deep {
			t.Fatalf("the removed cluster is %v, deep %v", got.Presence, got.Deep)
		}
		if n := w.remote.countOf(ids[3], began); n != 1 {
			t.Errorf("%d GETs to confirm one absence", n)
		}
		if w.news(Object(ids[3])) == 0 {
			t.Error("its object was not told")
		}
		began = time.Now()
		w.pass(time.Hour)
		if n := w.remote.countOf(ids[3], began); n != 0 {
			t.Errorf("%d GETs in an hour: what is missing was asked for again", n)
		}
	})
}

func TestPurgedIsTold(t *testing.T) {
	inWorld(t, "[case-37]", Options{}, func(t *testing.T, w *world) {
		w.remote.breakWith(func(made call) error {
			if made.kind == "get" {
				return &databricks.Error{Class: databricks.ClassMissing, Purged: true, Message: "terminated more than 30 days ago"}
			}
			return nil
		})
		ws := w.watchAll([]string{"c1"})
		w.pass(3 * time.Second)
		if got := ws.Observe("c1").Presence; got != Purged {
			t.Errorf("got %v", got)
		}
	})
}

func TestMissingIsNotBelievedWhileAClusterIsNew(t *testing.T) {
	inWorld(t, "[case-38]", Options{}, func(t *testing.T, w *world) {
		ws := w.watchAll([]string{"c1"})
		w.pass(50 * time.Second)
		if got := ws.Observe("c1").Presence; got != Unknown {
			t.Fatalf("within the grace it is %v", got)
		}
		w.remote.put("c1", compute.StatePending)
		w.pass(9 * time.Second)
		if got := state(ws, "c1"); got != compute.StatePending {
			t.Fatalf("once visible it is %q", got)
		}
		w.connect("o2").Watch("o2", "c2")
		w.pass(75 * time.Second)
		if got := ws.Observe("c2").Presence; got != Missing {
			t.Fatalf("after the grace it is %v", got)
		}
	})
}

func TestADeletedClusterIsConfirmedMissingWithoutGrace(t *testing.T) {
	inWorld(t, "", Options{}, func(t *testing.T, w *world) {
		w.remote.put("c1", compute.StateRunning)
		ws := w.watchAll([]string{"c1"})
		w.pass(2 * time.Second)
		w.news("c1")
		w.do(ws, ClassTerminate, "c1", permanentDelete("c1"))
		w.pass(2 * time.Second)
		if got := ws.Observe("c1").Presence; got != Missing || w.news("c1") == 0 {
			t.Errorf("it is %v", got)
		}
	})
}

func TestTheLookWithTheNewestStartWins(t *testing.T) {
	at := func(second int) time.Time { return time.Unix(int64(second), 0) }
	look := func(second int, state compute.State) Observation {
		return Observation{Presence: Present, Cluster: &compute.ClusterDetails{State: state}, StartedAt: at(second)}
	}
	r := &record{}
	r.accept(look(10, compute.StateRunning))
	if r.accept(look(9, compute.StatePending)); r.newest.Cluster.State != compute.StateRunning {
		t.Error("an older look replaced a newer one")
	}
	if !r.accept(look(11, compute.StateTerminating)) {
		t.Error("a change was no news")
	}
	if r.accept(look(12, compute.StateTerminating)) {
		t.Error("the same again was news")
	}
	if got := r.newest; !got.StartedAt.Equal(at(12)) || !got.ChangedAt.Equal(at(11)) {
		t.Errorf("started at %v, changed at %v", got.StartedAt, got.ChangedAt)
	}
}

func TestAListThatBeganBeforeAWriteIsNotBelieved(t *testing.T) {
	inWorld(t, "", Options{}, func(t *testing.T, w *world) {
		ids := w.remote.fill("c", 250)
		ws := w.watchAll(ids)
		w.pass(time.Minute)
		w.remote.latency = 2 * time.Second // a list takes at least six
		began := time.Now()
		ws.Search("o", "none", "", began)
		w.pass(9 * time.Second) // its first page is on the way
		if w.remote.count("list", began) == 0 {
			t.Fatal("the list has not begun")
		}
		w.do(ws, ClassTerminate, ids[0], terminate(ids[0]))
		if got := ws.Observe(ids[0]).Presence; got != Unknown {
			t.Fatalf("just after a write it is %v", got)
		}
		for range 40 {
			w.pass(time.Second)
			if got := state(ws, ids[0]); got == compute.StateRunning {
				t.Fatal("a state from before the write was shown")
			}
		}
		if got := state(ws, ids[0]); got != compute.StateTerminating {
			t.Errorf("it is %q", got)
		}
	})
}

func TestAWriteWithoutAnswerIsInFlightUntilItsDeadlineAndALag(t *testing.T) {
	inWorld(t, "", Options{}, func(t *testing.T, w *world) {
		w.remote.put("c1", compute.StateTerminated)
		ws := w.watchAll([]string{"c1"})
		w.pass(2 * time.Second)
		w.remote.breakWith(func(made call) error {
			if made.kind == "start" {
				return &databricks.Error{Class: databricks.ClassAmbiguous, Message: "connection reset"}
			}
			return nil
		})
		began := time.Now()
		if err := w.Writers().Do(t.Context(), ws, ClassChange, "c1", start("c1")); databricks.ClassOf(err) != databricks.ClassAmbiguous {
			t.Fatal(err)
		}
		w.pass(time.Until(began.Add(40 * time.Second)))
		if got := ws.Observe("c1").Presence; got != Unknown {
			t.Fatalf("before deadline and lag have passed it is %v", got)
		}
		w.pass(3 * time.Second)
		if got := ws.Observe("c1").Presence; got != Present || w.news("c1") == 0 {
			t.Fatalf("after deadline and lag it is %v", got)
		}
	})
}

func TestARefusedWriteIsOverAtOnce(t *testing.T) {
	inWorld(t, "", Options{}, func(t *testing.T, w *world) {
		w.remote.put("c1", compute.StateTerminated)
		ws := w.watchAll([]string{"c1"})
		w.pass(2 * time.Second)
		w.remote.breakWith(func(made call) error {
			if made.kind == "start" {
				return &databricks.Error{Class: databricks.ClassBusy, Message: "unexpected state"}
			}
			return nil
		})
		_ = w.Writers().Do(t.Context(), ws, ClassChange, "c1", start("c1"))
		w.pass(2 * time.Second)
		if got := ws.Observe("c1").Presence; got != Present {
			t.Errorf("it is %v", got)
		}
	})
}

func TestARefreshIsMetOnceAndTold(t *testing.T) {
	inWorld(t, "", Options{}, func(t *testing.T, w *world) {
		w.remote.put("c1", compute.StateRunning)
		ws := w.watchAll([]string{"c1"})
		w.pass(2 * time.Second)
		w.news("c1")
		asked := time.Now()
		ws.Refresh("c1", "c1", asked, false)
		w.pass(2 * time.Second)
		if w.news("c1") != 1 || !ws.Observe("c1").StartedAt.After(asked) {
			t.Fatal("the demand was not met, or not told once")
		}
		ws.Refresh("c1", "c1", asked, false) // the pass that hears it asks again
		w.pass(time.Minute)
		if n := w.news("c1"); n != 0 {
			t.Errorf("told %d times of a demand that was told before", n)
		}
		ws.Refresh("c1", "c1", asked.Add(-time.Second), false) // another, which is met already
		w.pass(time.Second)
		if w.news("c1") != 1 {
			t.Error("a demand that was met at once was not told")
		}
		asked = time.Now()
		ws.Refresh("c1", "c1", asked, true)
		w.pass(2 * time.Second)
		if spec, at := ws.Spec("c1"); spec == nil || !at.After(asked) || w.news("c1") != 1 {
			t.Errorf("spec %v of %v", spec, at)
		}
	})
}

func TestAGETWaitsForNoCompany(t *testing.T) {
	inWorld(t, "[P12]", Options{}, func(t *testing.T, w *world) {
		w.remote.put("c1", compute.StateRunning)
		ws := w.watchAll([]string{"c1"})
		for _, workspace := range []string{"a new workspace", "one at rest"} {
			asked := time.Now()
			ws.Refresh("c1", "c1", asked, true)
			w.pass(200 * time.Millisecond)
			if _, at := ws.Spec("c1"); at.Before(asked) {
				t.Errorf("%s was not asked at once for what somebody waits for", workspace)
			}
			w.pass(time.Minute)
		}
	})
}

func TestAClusterThatMayNotBeReadIsTold(t *testing.T) {
	inWorld(t, "", Options{}, func(t *testing.T, w *world) {
		w.remote.put("good", compute.StateRunning)
		w.remote.breakWith(func(made call) error {
			if made.kind == "get" && made.id == "bad" {
				return &databricks.Error{Class: databricks.ClassForbidden, Message: "no"}
			}
			return nil
		})
		ws := w.watchAll([]string{"good", "bad"})
		ws.Refresh("bad", "bad", time.Now(), true)
		w.pass(20 * time.Second)
		if got := ws.Observe("bad"); databricks.ClassOf(got.Err) != databricks.ClassForbidden || w.news("bad") == 0 {
			t.Errorf("observed %+v", got)
		}
		if ws.Health().Err != nil {
			t.Error("one cluster's failure became the workspace's")
		}
		began := time.Now()
		w.pass(time.Hour)
		if n := w.remote.count("get", began); n > 20 {
			t.Errorf("%d GETs in an hour", n)
		}
	})
}

func TestASearchNeedsTwoCompleteListsOrOneMatch(t *testing.T) {
	inWorld(t, "", Options{}, func(t *testing.T, w *world) {
		w.remote.fill("c", 150)
		ws := w.connect("o")
		w.news("o") // that it is connected
		began := time.Now()
		after := began.Add(5 * time.Second)
		if got := ws.Search("o", "owner", "me", after); got.CompleteLists != 0 {
			t.Fatalf("%d lists before any", got.CompleteLists)
		}
		w.pass(4 * time.Second)
		if n := w.remote.count("list", began); n != 0 {
			t.Fatalf("%d pages before they could count", n)
		}
		w.pass(4 * time.Second)
		if got := ws.Search("o", "owner", "me", after); got.CompleteLists != 1 || w.news("o") != 1 {
			t.Fatalf("%d lists", got.CompleteLists)
		}
		w.pass(9 * time.Second)
		if got := ws.Search("o", "owner", "me", after); got.CompleteLists != 2 || w.news("o") != 1 || len(got.Matches) != 0 {
			t.Fatalf("%d lists", got.CompleteLists)
		}
		calls := w.remote.count("list", began)
		w.pass(time.Minute)
		if w.remote.count("list", began) != calls {
			t.Error("a search that was done went on")
		}
		w.remote.change("mine", func(c *compute.ClusterDetails) { c.CustomTags = map[string]string{"owner": "me"} })
		after = time.Now()
		ws.Search("o", "owner", "me", after)
		w.pass(2 * time.Second)
		got := ws.Search("o", "owner", "me", after)
		if got.CompleteLists != 1 || len(got.Matches) != 1 || got.Matches[0].Cluster.ClusterId != "mine" {
			t.Errorf("found %+v", got)
		}
		w.pass(10 * time.Second)
		if got := ws.Search("o", "owner", "me", after); got.CompleteLists != 2 || len(got.Matches) != 1 {
			t.Errorf("after a second list %+v", got)
		}
	})
}

func TestAListThatDoesNotEndIsNotFollowed(t *testing.T) {
	inWorld(t, "[R6]", Options{}, func(t *testing.T, w *world) {
		ids := w.remote.fill("c", 250)
		w.remote.doctor(func(_ databricks.ListQuery, page *databricks.ListPage) { page.NextPageToken = ids[100] })
		ws := w.watchAll(ids)
		w.pass(10 * time.Second)
		if n := w.remote.count("list", time.Time{}); n > 12 {
			t.Errorf("%d pages of a list that goes round", n)
		}
		if seen := ws.Observe(ids[0]); seen.Presence != Unknown && !seen.Deep {
			t.Error("half a list was believed")
		}
		w.pass(time.Minute)
		if databricks.ClassOf(ws.Health().Err) != databricks.ClassHost {
			t.Errorf("health is %v", ws.Health().Err)
		}
	})
}

func TestAPageOverTheBoundIsAskedForInHalves(t *testing.T) {
	inWorld(t, "", Options{}, func(t *testing.T, w *world) {
		ids := w.remote.fill("c", 250)
		size := 0
		w.remote.doctor(func(query databricks.ListQuery, _ *databricks.ListPage) { size = query.PageSize })
		w.remote.breakWith(func(made call) error {
			if made.kind == "list" && size > 30 {
				return &databricks.Error{Class: databricks.ClassTooLarge}
			}
			return nil
		})
		ws := w.watchAll(ids)
		w.pass(30 * time.Second)
		if size != 25 || state(ws, ids[249]) != compute.StateRunning {
			t.Errorf("page size %d", size)
		}
	})
}

func TestHealthTellsOfARunOfFailuresOnce(t *testing.T) {
	inWorld(t, "", Options{}, func(t *testing.T, w *world) {
		ids := w.remote.fill("c", 20)
		ws := w.watchAll(ids)
		w.pass(time.Minute)
		w.newsOfAll()
		w.remote.breakWith(func(call) error { return errBroken })
		w.pass(20 * time.Minute)
		health := ws.Health()
		if databricks.ClassOf(health.Err) != databricks.ClassTransient || health.Since.IsZero() || health.LastSuccess.IsZero() {
			t.Fatalf("health %+v", health)
		}
		if w.news(Object(ids[0])) != 1 {
			t.Error("objects were not told once")
		}
		w.newsOfAll()
		w.remote.breakWith(nil)
		w.pass(6 * time.Minute)
		if ws.Health().Err != nil || w.news(Object(ids[0])) != 1 {
			t.Errorf("health %+v after it healed", ws.Health())
		}
	})
}

func TestAListThatTakesLongerThanItsIntervalLeavesRoom(t *testing.T) {
	inWorld(t, "", Options{}, func(t *testing.T, w *world) {
		w.remote.latency = 3 * time.Second
		ids := w.remote.fill("c", 1000)
		for _, id := range ids {
			w.remote.put(id, compute.StatePending)
		}
		w.watchAll(ids)
		w.pass(30 * time.Minute)
		var lists []time.Time
		for _, made := range w.remote.log() {
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

func TestNothingIsBelievedWhileAWriteIsUnderWay(t *testing.T) {
	inWorld(t, "", Options{}, func(t *testing.T, w *world) {
		ids := w.remote.fill("c", 3)
		ws := w.watchAll(ids)
		w.pass(2 * time.Second)
		w.do(ws, ClassChange, ids[0], func(context.Context, databricks.Writer) error {
			ws.Search("o", "none", "", time.Now()) // a list, meanwhile
			w.pass(20 * time.Second)
			if got := ws.Observe(ids[0]).Presence; got != Unknown {
				t.Errorf("during a write it is %v", got)
			}
			if got := ws.Observe(ids[1]).Presence; got != Present {
				t.Errorf("another cluster is %v", got)
			}
			return nil
		})
	})
}

func TestAClusterDeletedBeforeItWasSeenIsMissingAtOnce(t *testing.T) {
	inWorld(t, "[case-43]", Options{}, func(t *testing.T, w *world) {
		ws := w.watchAll([]string{"c1"})
		w.pass(2 * time.Second)
		w.do(ws, ClassTerminate, "c1", permanentDelete("c1"))
		w.pass(10 * time.Second)
		if got := ws.Observe("c1").Presence; got != Missing {
			t.Errorf("it is %v", got)
		}
	})
}

func TestWhatListsDoNotShowIsNotAskedForAfterEachOfThem(t *testing.T) {
	inWorld(t, "[R6]", Options{}, func(t *testing.T, w *world) {
		ids := w.remote.fill("c", 50)
		for _, id := range ids[1:] {
			w.remote.put(id, compute.StatePending)
		}
		w.remote.unlisted[ids[0]] = true
		w.watchAll(ids)
		w.pass(2 * time.Minute)
		began := time.Now()
		w.pass(8 * time.Minute)
		if lists := w.remote.count("list", began); lists < 50 {
			t.Fatalf("only %d lists", lists)
		}
		if n := w.remote.countOf(ids[0], began); n > 3 {
			t.Errorf("%d GETs", n)
		}
	})
}

func TestAListedClusterIsGivenTimeAfterAWrite(t *testing.T) {
	at := time.Unix(1000, 0)
	if got := (&record{seen: true, wroteAt: at}).visibleBy(time.Minute); !got.Equal(at.Add(time.Minute)) {
		t.Errorf("until %v", got)
	}
	if got := (&record{since: at}).visibleBy(time.Minute); !got.Equal(at.Add(time.Minute)) {
		t.Errorf("until %v", got)
	}
}

func TestWhatIsMissingCostsNothing(t *testing.T) {
	inWorld(t, "[case-37]", Options{}, func(t *testing.T, w *world) {
		ws := w.watchAll([]string{"c1"})
		w.pass(2 * time.Minute)
		if got := ws.Observe("c1").Presence; got != Missing {
			t.Fatalf("it is %v", got)
		}
		began := time.Now()
		w.pass(8 * 24 * time.Hour)
		if n := w.remote.count("", began); n != 0 {
			t.Errorf("%d calls", n)
		}
		ws.Refresh("c1", "c1", began, true)
		w.news("c1")
		w.pass(2 * time.Second)
		if w.news("c1") != 1 || !ws.Observe("c1").StartedAt.After(began) {
			t.Error("a demand was not met")
		}
	})
}

func TestALongTransitionIsLookedAtLessOften(t *testing.T) {
	inWorld(t, "", Options{}, func(t *testing.T, w *world) {
		w.remote.put("c1", compute.StatePending)
		w.watchAll([]string{"c1"})
		w.pass(10 * time.Hour)
		began := time.Now()
		w.pass(time.Hour)
		if n := w.remote.count("", began); n > 16 {
			t.Errorf("%d calls an hour for what has not moved for ten", n)
		}
	})
}

func TestADemandEndsThePauseAfterARefusal(t *testing.T) {
	inWorld(t, "", Options{}, func(t *testing.T, w *world) {
		w.remote.put("c1", compute.StateRunning)
		w.remote.breakWith(func(made call) error {
			if made.kind == "get" {
				return &databricks.Error{Class: databricks.ClassForbidden}
			}
			return nil
		})
		ws := w.watchAll([]string{"c1"})
		w.pass(5 * time.Second)
		w.remote.breakWith(nil)
		ws.Refresh("c1", "c1", time.Now(), true)
		w.pass(10 * time.Second)
		if got := ws.Observe("c1"); got.Presence != Present || got.Err != nil {
			t.Errorf("observed %+v", got)
		}
	})
}

func TestASpecFromBeforeAWriteMeetsNoDemand(t *testing.T) {
	at := func(second int64) time.Time { return time.Unix(second, 0) }
	r := &record{specAt: at(10), believeAfter: at(20), newest: Observation{Presence: Present, StartedAt: at(30)}}
	if r.meets(true, at(5)) {
		t.Error("it did")
	}
	if !r.meets(false, at(5)) || r.meets(false, at(40)) {
		t.Error("a light demand is met by what began after it")
	}
	r.specAt = at(30)
	if !r.meets(true, at(5)) {
		t.Error("a spec from after it did not")
	}
}

func TestOneFailureIsNoNews(t *testing.T) {
	inWorld(t, "", Options{}, func(t *testing.T, w *world) {
		ids := w.remote.fill("c", 20)
		ws := w.watchAll(ids)
		w.pass(time.Minute)
		w.newsOfAll()
		failed := false
		w.remote.breakWith(func(call) error {
			if failed {
				return nil
			}
			failed = true
			return errBroken
		})
		w.pass(10 * time.Minute)
		if n := w.newsOfAll(); !failed || n != 0 || ws.Health().Err != nil {
			t.Errorf("%d objects were told of one failure", n)
		}
	})
}

func TestASlowListIsSpread(t *testing.T) {
	inWorld(t, "", Options{}, func(t *testing.T, w *world) {
		w.watchAll(w.remote.fill("c", 2000))
		w.pass(20 * time.Minute)
		log := w.remote.log()
		for i, made := range log[len(log)-20:] {
			if i == 0 || made.kind != "list" || made.id == "" {
				continue
			}
			if gap := made.at.Sub(log[len(log)-20+i-1].at); gap < calmPages {
				t.Fatalf("pages of a list in no hurry came %v apart", gap)
			}
		}
	})
}

func TestARecordThatNobodyNeedsIsForgotten(t *testing.T) {
	inWorld(t, "[R16]", Options{}, func(t *testing.T, w *world) {
		ids := w.remote.fill("c", 10)
		ws := w.watchAll(ids)
		w.pass(5 * time.Second)
		for _, id := range ids[1:] {
			_ = w.Writers().Do(t.Context(), ws, ClassChange, id, func(context.Context, databricks.Writer) error {
				return &databricks.Error{Class: databricks.ClassAmbiguous}
			})
			w.Release(Object(id))
			w.pass(time.Second)
		}
		w.pass(10 * time.Minute)
		ws.mirror.mu.Lock()
		defer ws.mirror.mu.Unlock()
		if m := ws.mirror; len(m.records) != 1 || len(m.watched) != 1 || len(m.demanded) != 0 || len(m.objects) != 1 {
			t.Errorf("%d records, %d watched, %d demanded, %d objects", len(m.records), len(m.watched), len(m.demanded), len(m.objects))
		}
	})
}
