package cache

import (
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

func TestLibrariesAreAskedForWhileSomebodyWantsToKnow(t *testing.T) {
	inWorld(t, "", Options{}, func(t *testing.T, w *world) {
		w.remote.put("c1", compute.StateRunning)
		w.remote.libraryStatus = compute.LibraryInstallStatusInstalling
		workspace := w.watchAll([]string{"c1"})
		w.pass(time.Hour)
		if asked := w.remote.count("libraries", time.Time{}); asked != 0 {
			t.Fatalf("asked %d times for what nobody wants", asked)
		}

		after := time.Now()
		w.news("c1")
		if look := workspace.Libraries("c1", "c1", after); !look.StartedAt.IsZero() {
			t.Fatal("an answer before anybody asked")
		}
		w.pass(time.Second)
		look := workspace.Libraries("c1", "c1", after)
		if len(look.Value) != 1 || w.news("c1") != 1 {
			t.Fatalf("got %v", look)
		}
		w.pass(80 * time.Second)
		if asked := w.remote.count("libraries", time.Time{}); asked < 9 || asked > 12 {
			t.Errorf("asked %d times in 80 s, at a cadence of 8 s", asked)
		}
		if told := w.news("c1"); told != 0 {
			t.Errorf("told %d times of nothing new", told)
		}
		w.remote.mu.Lock()
		w.remote.libraryStatus = compute.LibraryInstallStatusInstalled
		w.remote.mu.Unlock()
		w.pass(10 * time.Second)
		if told := w.news("c1"); told != 1 {
			t.Errorf("told %d times of one change", told)
		}

		workspace.EndLibraries("c1")
		ended := time.Now()
		w.pass(time.Hour)
		if asked := w.remote.count("libraries", ended); asked != 0 {
			t.Errorf("asked %d times after the end", asked)
		}
		if look := workspace.Libraries("c1", "c1", time.Time{}); !look.StartedAt.IsZero() {
			t.Error("what nobody wanted was kept")
		}
	})
}

func TestWhatIsRefusedIsToldAndAskedSlowly(t *testing.T) {
	inWorld(t, "", Options{}, func(t *testing.T, w *world) {
		w.remote.put("c1", compute.StateRunning)
		w.remote.breakWith(func(made call) error {
			if made.kind == "libraries" {
				return &databricks.Error{Class: databricks.ClassForbidden, Message: "no"}
			}
			return nil
		})
		workspace := w.watchAll([]string{"c1"})
		w.pass(time.Minute)
		w.news("c1")
		after := time.Now()
		workspace.Libraries("c1", "c1", after)
		w.pass(time.Second)
		if look := workspace.Libraries("c1", "c1", after); databricks.ClassOf(look.Err) != databricks.ClassForbidden || w.news("c1") != 1 {
			t.Fatalf("got %v", look)
		}
		w.pass(time.Hour)
		if asked := w.remote.count("libraries", after); asked > 5 {
			t.Errorf("asked %d times in an hour", asked)
		}
		if health := workspace.Health(); health.Err != nil {
			t.Errorf("the workspace is told to be ill: %v", health.Err)
		}
		if told := w.news("c1"); told != 0 {
			t.Errorf("told %d times of one refusal", told)
		}
		w.remote.breakWith(nil)
		workspace.Libraries("c1", "c1", time.Now().Add(-time.Millisecond))
		w.pass(time.Second)
		if told := w.news("c1"); told != 1 {
			t.Errorf("told %d times that it is there", told)
		}
	})
}

func TestANewCredentialIsTriedForEverythingAtOnce(t *testing.T) {
	inWorld(t, "[R9]", Options{}, func(t *testing.T, w *world) {
		w.remote.put("c1", compute.StateRunning)
		workspace := w.watchAll([]string{"c1"})
		w.pass(time.Minute)
		w.remote.breakWith(func(made call) error {
			if made.token == "alice-1" {
				return &databricks.Error{Class: databricks.ClassUnauthenticated, StatusCode: 401, Message: "Invalid access token"}
			}
			return nil
		})
		workspace.Libraries("c1", "c1", time.Now())
		w.pass(2 * time.Minute)
		after := time.Now()
		workspace = w.connectAs("c1", "alice-2")
		w.pass(30 * time.Second)
		if look := workspace.Libraries("c1", "c1", after); look.Err != nil || look.StartedAt.Before(after) {
			t.Errorf("got %+v of %v, half a minute after the new credential", look, after)
		}
	})
}

func TestWhatSomebodyWaitsForIsAskedFirst(t *testing.T) {
	now := time.Now()
	asides := newAsides(&mirror{options: Options{}.withDefaults()})
	pins, libraries := topic{question: &askPins}, topic{&askLibraries, "c1"}
	asides.topics[pins] = &aside{firstAt: now.Add(-time.Hour)}
	asides.topics[libraries] = &aside{wants: map[Object]want{"c1": {"c1", now.Add(-time.Second)}}}
	if first, class, at := asides.next(now); first != libraries || class != classConfirm || at.After(now) {
		t.Errorf("of what is due %v is asked first, as %v at %v", first, class, at)
	}
	asides.heldUntil, asides.heldClass = now.Add(time.Minute), classSlowList
	if first, _, at := asides.next(now); first != libraries || at.After(now) {
		t.Errorf("it is held until %v with what nobody waits for", at)
	}
	asides.heldClass = classTerminate
	if _, _, at := asides.next(now); at.Before(asides.heldUntil) {
		t.Error("the gate is not listened to")
	}
}
