package cache

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

func TestFiftySecretsOfOnePrincipalShareAMirror(t *testing.T) {
	inWorld(t, "", Options{}, func(t *testing.T, w *world) {
		w.remote.fill("c", 50)
		for i := range 50 {
			object := Object(fmt.Sprintf("o%d", i))
			w.connectAs(object, fmt.Sprintf("alice-%d", i)).Watch(object, fmt.Sprintf("c-%05d", i))
		}
		w.pass(10 * time.Second)
		if mirrors, gates := w.snapshot(); len(mirrors) != 1 || len(gates) != 1 {
			t.Errorf("%d mirrors, %d gates", len(mirrors), len(gates))
		}
		if me := w.remote.count("me", time.Time{}); me != 50 {
			t.Errorf("Me was asked %d times", me)
		}
		w.connectAs("other", "bob-1")
		if mirrors, gates := w.snapshot(); len(mirrors) != 2 || len(gates) != 1 {
			t.Errorf("%d mirrors, %d gates with another principal", len(mirrors), len(gates))
		}
	})
}

func TestTheLastObjectStopsAMirror(t *testing.T) {
	inWorld(t, "", Options{}, func(t *testing.T, w *world) {
		ids := w.remote.fill("c", 3)
		w.watchAll(ids)
		w.pass(time.Minute)
		for _, id := range ids {
			if mirrors, _ := w.snapshot(); len(mirrors) != 1 {
				t.Fatalf("%d mirrors", len(mirrors))
			}
			w.Release(Object(id))
			w.Release(Object(id)) // harmless
		}
		if mirrors, gates := w.snapshot(); len(mirrors) != 0 || len(gates) != 0 || len(w.credentials) != 0 || len(w.objects) != 0 {
			t.Errorf("%d mirrors, %d gates, %d credentials, %d objects are left", len(mirrors), len(gates), len(w.credentials), len(w.objects))
		}
		began := time.Now()
		w.pass(time.Hour)
		if n := w.remote.count("", began); n != 0 {
			t.Errorf("%d calls for nobody", n)
		}
		if got := state(w.watchAll(ids[:1]), ids[0]); got != "" {
			t.Error("a new mirror knows what the former saw")
		}
	})
}

func TestMeIsAskedOnceForManyAndHoldsNobody(t *testing.T) {
	inWorld(t, "", Options{}, func(t *testing.T, w *world) {
		const objects = 100
		w.remote.latency = 20 * time.Second
		config := w.config(testHost, "alice-1")
		began := time.Now()
		for round := range 2 {
			for i := range objects {
				_, err := w.Connect(Object(fmt.Sprint(i)), config)
				if wait, ok := errors.AsType[*WaitError](err); !ok || !wait.Since.Equal(began) {
					t.Fatalf("round %d: %v", round, err)
				}
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("asking took %v", took)
		}
		w.pass(w.remote.latency)
		for i := range objects {
			object := Object(fmt.Sprint(i))
			if told := w.news(object); told != 1 {
				t.Errorf("%s was told %d times", object, told)
			}
			if _, err := w.Connect(object, config); err != nil {
				t.Error(err)
			}
		}
		if n := w.remote.count("me", time.Time{}); n != 1 {
			t.Errorf("Me was asked %d times", n)
		}
	})
}

func TestAHostThatSwallowsEverythingHoldsNobody(t *testing.T) {
	inWorld(t, "[R7]", Options{}, func(t *testing.T, w *world) {
		w.remote.latency = time.Hour
		config := w.config(testHost, "alice-1")
		began := time.Now()
		for time.Since(began) < 10*time.Minute {
			asked := time.Now()
			if _, err := w.Connect("o", config); err == nil {
				t.Fatal("connected")
			}
			if took := time.Since(asked); took != 0 {
				t.Fatalf("a worker was held for %v", took)
			}
			w.pass(time.Second)
		}
		if _, err := w.Connect("o", config); databricks.ClassOf(err) != databricks.ClassAmbiguous {
			t.Error(err)
		}
		if told := w.news("o"); told != 1 {
			t.Errorf("the same failure was told %d times", told)
		}
		if n := w.remote.count("me", time.Time{}); n < 5 || n > 20 {
			t.Errorf("Me was asked %d times in ten minutes", n)
		}
	})
}

func TestNobodyIsAskedForACredentialThatNobodyWants(t *testing.T) {
	inWorld(t, "", Options{}, func(t *testing.T, w *world) {
		for i := range 20 { // more than may come at once
			if _, err := w.Connect(Object(fmt.Sprint(i)), w.config(testHost, fmt.Sprintf("alice-%d", i))); err == nil {
				t.Fatal("connected at once")
			}
		}
		for i := range 20 {
			w.Release(Object(fmt.Sprint(i)))
		}
		w.pass(time.Minute)
		if n := w.remote.count("me", time.Time{}); n > 5 {
			t.Errorf("Me was asked %d times", n)
		}
	})
}

func TestARotatedCredentialIsUsedAndTheOldOneLetGo(t *testing.T) {
	inWorld(t, "[case-57]", Options{}, func(t *testing.T, w *world) {
		w.remote.put("c1", compute.StateRunning)
		ws := w.watchAll([]string{"c1"})
		w.pass(10 * time.Second)
		again := w.connectAs("c1", "alice-2")
		if again != ws || state(again, "c1") != compute.StateRunning {
			t.Error("the mirror was lost with the credential")
		}
		if len(w.credentials) != 1 || len(ws.mirror.credentials) != 1 {
			t.Errorf("%d and %d credentials are kept", len(w.credentials), len(ws.mirror.credentials))
		}
		began := time.Now()
		w.pass(10 * time.Minute)
		for _, made := range w.remote.log() {
			if made.at.After(began) && made.token != "alice-2" {
				t.Error("the old credential was used")
			}
		}
	})
}

func TestARefusedCredentialIsTriedFourTimesAnHour(t *testing.T) {
	inWorld(t, "[R9]", Options{}, func(t *testing.T, w *world) {
		var refused atomic.Value
		refused.Store("")
		w.remote.breakWith(func(made call) error {
			if made.token == refused.Load() {
				return &databricks.Error{Class: databricks.ClassUnauthenticated, StatusCode: 401, Message: "Invalid access token"}
			}
			return nil
		})
		ids := w.remote.fill("c", 20)
		ws := w.watchAll(ids)
		w.pass(10 * time.Minute)
		w.newsOfAll()
		refused.Store("alice-1")
		w.pass(6 * time.Minute)
		if got := databricks.ClassOf(ws.Health().Err); got != databricks.ClassUnauthenticated || w.newsOfAll() != len(ids) {
			t.Fatalf("health %v", got)
		}
		began := time.Now()
		for range 60 { // objects keep trying to write
			w.pass(time.Minute)
			err := w.Writers().Do(t.Context(), ws, ClassTerminate, ids[0], terminate(ids[0]))
			var wait *WaitError
			if !errors.As(err, &wait) && databricks.ClassOf(err) != databricks.ClassUnauthenticated {
				t.Fatal(err)
			}
		}
		if n := w.remote.count("", began); n > 4 {
			t.Errorf("%d calls in an hour with a refused credential", n)
		}
		fixed := time.Now()
		w.connectAs(Object(ids[0]), "alice-2")
		w.pass(25 * time.Second)
		if ws.Health().Err != nil || w.remote.count("list", fixed) == 0 {
			t.Errorf("25 s after the fix health is %v", ws.Health().Err)
		}
	})
}

func TestARefusedMeIsRemembered(t *testing.T) {
	inWorld(t, "[R9]", Options{}, func(t *testing.T, w *world) {
		w.remote.breakWith(func(call) error {
			return &databricks.Error{Class: databricks.ClassUnauthenticated, StatusCode: 401}
		})
		for range 120 {
			_, err := w.connectTo("o", testHost, "alice-1")
			if databricks.ClassOf(err) != databricks.ClassUnauthenticated {
				t.Fatal(err)
			}
			w.pass(30 * time.Second)
		}
		if n := w.remote.count("me", time.Time{}); n > 5 {
			t.Errorf("Me was asked %d times in an hour", n)
		}
		w.Release("o")
		if len(w.credentials) != 0 {
			t.Error("the refused credential is kept")
		}
	})
}

func TestAnUnreachableHostIsTriedWithPauses(t *testing.T) {
	inWorld(t, "", Options{}, func(t *testing.T, w *world) {
		w.remote.breakWith(func(call) error { return errBroken })
		for range 3600 {
			if _, err := w.connectTo("o", testHost, "alice-1"); databricks.ClassOf(err) != databricks.ClassTransient {
				t.Fatal(err)
			}
			w.pass(time.Second)
		}
		if n := w.remote.count("me", time.Time{}); n > 30 {
			t.Errorf("Me was asked %d times in an hour", n)
		}
	})
}

func TestABadNewCredentialEndsTheUseOfTheOld(t *testing.T) {
	inWorld(t, "", Options{}, func(t *testing.T, w *world) {
		w.remote.put("c1", compute.StateRunning)
		w.watchAll([]string{"c1"})
		w.remote.breakWith(func(made call) error {
			if made.token == "alice-2" {
				return &databricks.Error{Class: databricks.ClassUnauthenticated}
			}
			if made.token == "alice-3" {
				return errBroken
			}
			return nil
		})
		if _, err := w.connectTo("c1", testHost, "alice-3"); databricks.ClassOf(err) != databricks.ClassTransient {
			t.Fatal(err)
		}
		if mirrors, _ := w.snapshot(); len(mirrors) != 1 {
			t.Error("a passing failure stopped the mirror")
		}
		if _, err := w.connectTo("c1", testHost, "alice-2"); databricks.ClassOf(err) != databricks.ClassUnauthenticated {
			t.Fatal(err)
		}
		if mirrors, _ := w.snapshot(); len(mirrors) != 0 || len(w.credentials) != 1 {
			t.Errorf("%d mirrors, %d credentials are left", len(mirrors), len(w.credentials))
		}
	})
}

func TestConnectBeforeStartAndAfterTheEnd(t *testing.T) {
	inWorld(t, "", Options{}, func(t *testing.T, w *world) {
		w.remote.put("c1", compute.StateRunning)
		ws := w.watchAll([]string{"c1"})
		w.pass(5 * time.Second)
		w.end()
		began := time.Now()
		if _, err := w.Connect("o2", w.config(testHost, "bob-1")); err == nil {
			t.Error("connected after the end")
		}
		ws.Refresh("c1", "c1", began, true)
		w.pass(time.Hour)
		if n := w.remote.count("", began); n != 0 {
			t.Errorf("%d calls after the end", n)
		}
	})
}

func TestAStormOf429HoldsNobodyAndNoOtherHost(t *testing.T) {
	inWorld(t, "[R7]", Options{}, func(t *testing.T, w *world) {
		ids := w.remote.fill("c", 300)
		ws := w.watchAll(ids)
		w.pass(time.Minute)
		w.remote.breakWith(func(made call) error {
			if made.token == "carol-1" {
				return nil
			}
			return &databricks.Error{Class: databricks.ClassThrottled, StatusCode: 429, RetryAfter: 20 * time.Second}
		})
		other, err := w.connectTo("other", "https://adb-9.9.azuredatabricks.net", "carol-1")
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for time.Since(began) < 10*time.Minute {
			asked := time.Now()
			_ = w.Writers().Do(t.Context(), ws, ClassChange, ids[0], start(ids[0]))
			if took := time.Since(asked); took > 100*time.Millisecond {
				t.Fatalf("a worker was held for %v", took)
			}
			if err := w.Writers().Do(t.Context(), other, ClassChange, "x", start("x")); err != nil {
				t.Fatalf("another host was held: %v", err)
			}
			w.pass(time.Second)
		}
		if n := w.remote.failed(databricks.ClassThrottled, began); n > 70 {
			t.Errorf("%d calls were thrown at a host that asked for 20 s each time", n)
		}
		w.remote.breakWith(nil)
		w.remote.put(ids[5], compute.StateTerminated)
		w.pass(6 * time.Minute)
		if got := state(ws, ids[5]); got != compute.StateTerminated {
			t.Errorf("after the storm it is %q", got)
		}
	})
}

func TestAWriteThatIsHeldIsNotSent(t *testing.T) {
	inWorld(t, "", Options{}, func(t *testing.T, w *world) {
		ids := w.remote.fill("c", 1)
		ws := w.watchAll(ids)
		w.pass(5 * time.Second)
		sent := 0
		var wait *WaitError
		for range 10 {
			err := w.Writers().Do(t.Context(), ws, ClassChange, ids[0], func(context.Context, databricks.Writer) error {
				sent++
				return nil
			})
			if errors.As(err, &wait) {
				break
			}
		}
		if wait == nil || !wait.At.After(time.Now()) || sent > 5 {
			t.Errorf("%d writes at once, wait %v", sent, wait)
		}
		w.pass(2 * time.Second)
		if got := ws.Observe(ids[0]).Presence; got != Present {
			t.Errorf("a write that was held left the cluster %v", got)
		}
	})
}

func TestAWriteHasADeadline(t *testing.T) {
	inWorld(t, "", Options{}, func(t *testing.T, w *world) {
		ids := w.remote.fill("c", 1)
		ws := w.watchAll(ids)
		began := time.Now()
		err := w.Writers().Do(t.Context(), ws, ClassChange, ids[0], func(ctx context.Context, _ databricks.Writer) error {
			<-ctx.Done()
			return ctx.Err()
		})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 30*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestItsStateIsVisible(t *testing.T) {
	inWorld(t, "", Options{}, func(t *testing.T, w *world) {
		ids := w.remote.fill("c", 150)
		ws := w.watchAll(ids)
		w.pass(10 * time.Second)
		w.do(ws, ClassTerminate, ids[0], terminate(ids[0]))
		gates, mirrors := w.Gates(), w.Mirrors()
		if len(gates) != 1 || gates[0].Host != testHost || gates[0].Rate < 4 || gates[0].Classes["terminate"].Granted != 1 {
			t.Errorf("gates %+v", gates)
		}
		if len(mirrors) != 1 || mirrors[0].Watched != 150 || mirrors[0].Listed != 150 || mirrors[0].Pages != 2 || mirrors[0].Objects != 150 {
			t.Errorf("mirrors %+v", mirrors)
		}
	})
}

func TestANewCredentialEndsThePauseAtOnce(t *testing.T) {
	inWorld(t, "[case-57]", Options{}, func(t *testing.T, w *world) {
		ids := w.remote.fill("c", 20)
		ws := w.watchAll(ids)
		w.pass(time.Minute)
		w.remote.breakWith(func(made call) error {
			if made.token == "alice-1" {
				return &databricks.Error{Class: databricks.ClassForbidden, StatusCode: 403}
			}
			return nil
		})
		for ws.Health().Err == nil {
			w.pass(time.Second)
		}
		w.pass(time.Minute)
		w.remote.put(ids[0], compute.StateTerminated)
		w.connectAs(Object(ids[0]), "alice-2")
		ws.Refresh(Object(ids[0]), ids[0], time.Now(), false)
		for i := 1; i < len(ids); i++ {
			ws.Refresh(Object(ids[i]), ids[i], time.Now(), false)
		}
		w.pass(10 * time.Second)
		if ws.Health().Err != nil || state(ws, ids[0]) != compute.StateTerminated {
			t.Errorf("health %v, state %q", ws.Health().Err, state(ws, ids[0]))
		}
	})
}

func TestACredentialThatIsTakenAgainIsUsedAsBefore(t *testing.T) {
	inWorld(t, "[R9]", Options{}, func(t *testing.T, w *world) {
		ids := w.remote.fill("c", 20)
		ws := w.watchAll(ids)
		w.pass(time.Minute)
		w.remote.breakWith(func(call) error {
			return &databricks.Error{Class: databricks.ClassUnauthenticated, StatusCode: 401}
		})
		w.pass(10 * time.Minute)
		w.remote.breakWith(nil)
		w.pass(40 * time.Minute)
		if ws.Health().Err != nil {
			t.Fatalf("health %v", ws.Health().Err)
		}
		began := time.Now()
		w.pass(time.Hour)
		if n := w.remote.count("list", began); n < 12 {
			t.Errorf("%d lists in an hour", n)
		}
	})
}
