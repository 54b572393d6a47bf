package cache

import (
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

func TestLibrariesAreReadWhileAnObjectNeedsThem(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		f.remote.put("c1", compute.StateRunning)
		f.remote.libraryStatus = compute.LibraryInstallStatusInstalling
		f.watch("c1")
		f.pass(time.Hour)
		if asked := f.remote.count("libraries", time.Time{}); asked != 0 {
			t.Fatalf("read %d times without a need", asked)
		}

		after := time.Now()
		f.notified(object("c1"))
		needed := Interest{ClusterID: "c1", Libraries: Lookup{Cadence: WhileChanging, After: after}}
		if look := f.subscribe(object("c1"), needed).Libraries; !look.StartedAt.IsZero() {
			t.Fatal("an answer before the first read")
		}
		f.pass(time.Second)
		look := f.view(object("c1")).Libraries
		if len(look.Value) != 1 || f.notified(object("c1")) != 1 {
			t.Fatalf("got %v", look)
		}
		f.pass(80 * time.Second)
		if asked := f.remote.count("libraries", time.Time{}); asked < 9 || asked > 12 {
			t.Errorf("read %d times in 80 s, at a cadence of 8 s", asked)
		}
		if n := f.notified(object("c1")); n != 0 {
			t.Errorf("%d notifications of nothing new", n)
		}
		f.remote.mu.Lock()
		f.remote.libraryStatus = compute.LibraryInstallStatusInstalled
		f.remote.mu.Unlock()
		f.pass(10 * time.Second)
		if n := f.notified(object("c1")); n != 1 {
			t.Errorf("%d notifications of one change", n)
		}

		f.subscribe(object("c1"), Interest{ClusterID: "c1"})
		ended := time.Now()
		f.pass(time.Hour)
		if asked := f.remote.count("libraries", ended); asked != 0 {
			t.Errorf("read %d times after the end", asked)
		}
		needed.Libraries.After = time.Time{}
		if look := f.subscribe(object("c1"), needed).Libraries; !look.StartedAt.IsZero() {
			t.Error("an answer that no object needed was kept")
		}
	})
}

func TestARefusedLookupShowsAndIsRetriedSlowly(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		f.remote.put("c1", compute.StateRunning)
		f.remote.failWith(func(made call) error {
			if made.kind == "libraries" {
				return &databricks.Error{Class: databricks.ClassForbidden, Message: "no"}
			}
			return nil
		})
		workspace := f.watch("c1")
		f.pass(time.Minute)
		f.notified(object("c1"))
		after := time.Now()
		needed := Interest{ClusterID: "c1", Libraries: Lookup{Cadence: WhileChanging, After: after}}
		f.subscribe(object("c1"), needed)
		f.pass(time.Second)
		if look := f.view(object("c1")).Libraries; databricks.ClassOf(look.Err) != databricks.ClassForbidden || f.notified(object("c1")) != 1 {
			t.Fatalf("got %v", look)
		}
		f.pass(time.Hour)
		if asked := f.remote.count("libraries", after); asked > 5 {
			t.Errorf("read %d times in an hour", asked)
		}
		if health := workspace.Health(); health.Err != nil {
			t.Errorf("the failure of a lookup shows for the lists: %v", health.Err)
		}
		if n := f.notified(object("c1")); n != 0 {
			t.Errorf("%d notifications of one refusal", n)
		}
		f.remote.failWith(nil)
		needed.Libraries.After = time.Now().Add(-time.Millisecond)
		f.subscribe(object("c1"), needed)
		f.pass(time.Second)
		if n := f.notified(object("c1")); n != 1 {
			t.Errorf("%d notifications of its success", n)
		}
	})
}

func TestANewCredentialRetriesLookupsAtOnce(t *testing.T) {
	withRegistry(t, "[R9]", func(t *testing.T, f *fixture) {
		f.remote.put("c1", compute.StateRunning)
		f.watch("c1")
		f.pass(time.Minute)
		f.remote.failWith(func(made call) error {
			if made.token == "alice-1" {
				return errRefused
			}
			return nil
		})
		needed := Interest{ClusterID: "c1", Libraries: Lookup{Cadence: WhileChanging, After: time.Now()}}
		f.subscribe(object("c1"), needed)
		f.pass(2 * time.Minute)
		after := time.Now()
		f.connectAs(object("c1"), "alice-2")
		needed.Libraries.After = after
		f.subscribe(object("c1"), needed)
		f.pass(30 * time.Second)
		if look := f.view(object("c1")).Libraries; look.Err != nil || look.StartedAt.Before(after) {
			t.Errorf("got %+v of %v, half a minute after the new credential", look, after)
		}
	})
}

// Such an answer means that another actor has undone the write.
func TestAnAnswerThatEqualsTheOneBeforeAWriteNotifies(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		f.remote.put("c1", compute.StateRunning)
		f.watch("c1")
		needed := Interest{ClusterID: "c1", Permissions: Lookup{Cadence: WhileQuiet, After: time.Now()}}
		f.subscribe(object("c1"), needed)
		f.pass(time.Minute)
		wroteAt := time.Now()
		f.notified(object("c1"))
		needed.Permissions = Lookup{Cadence: WhileQuiet, OutdatedBefore: wroteAt}
		if look := f.subscribe(object("c1"), needed).Permissions; !look.StartedAt.IsZero() {
			t.Errorf("the view has an answer of %v, before the write at %v", look.StartedAt, wroteAt)
		}
		f.pass(5 * time.Hour)
		if read := f.remote.count("permissions", wroteAt); read != 0 {
			t.Errorf("read %d times before the interval ended, although no object waits", read)
		}
		f.pass(2 * time.Hour)
		if n := f.notified(object("c1")); n != 1 {
			t.Errorf("%d notifications of the first answer since the write", n)
		}
		if look := f.view(object("c1")).Permissions; !look.StartedAt.After(wroteAt) {
			t.Errorf("the view has an answer of %v", look.StartedAt)
		}
	})
}

func TestAnAwaitedLookupIsReadFirst(t *testing.T) {
	now := time.Now()
	c := &cache{options: Options{}.withDefaults(), lookups: newLookups()}
	pins, libraries := lookupKey{endpoint: &pinsEndpoint}, lookupKey{&librariesEndpoint, "c1"}
	c.lookups.known[pins] = &lookup{firstAt: now.Add(-time.Hour)}
	c.lookups.known[libraries] = &lookup{needs: map[needKey]need{{object("c1"), &librariesEndpoint}: {subject{id: "c1"}, Lookup{Cadence: WhileChanging, After: now.Add(-time.Second)}}}}
	next := func() (*read, time.Time) { return c.nextLookup(now) }
	if first, _ := next(); first == nil || first.endpoint != librariesEndpoint.name || first.priority != ratelimit.PriorityConfirm {
		t.Errorf("the first lookup is %+v", first)
	}
	c.hold(ratelimit.PrioritySlowList, now.Add(time.Minute))
	if first, _ := next(); first == nil || first.endpoint != librariesEndpoint.name {
		t.Error("an awaited lookup is held with the others")
	}
	c.hold(ratelimit.PriorityTerminate, now.Add(time.Minute))
	if first, at := next(); first != nil || at.Before(now.Add(time.Minute)) {
		t.Error("the rate limiter's wait is ignored")
	}
}
