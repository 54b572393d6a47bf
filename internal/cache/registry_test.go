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
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

func TestFiftySecretsOfOneClientShareACache(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		f.remote.fill("c", 50)
		for i := range 50 {
			subscriber := object(fmt.Sprintf("o%d", i))
			f.connectAs(subscriber, fmt.Sprintf("alice-%d", i))
			f.subscribe(subscriber, Interest{ClusterID: fmt.Sprintf("c-%05d", i)})
		}
		f.pass(10 * time.Second)
		if caches, limiters := f.running(); caches != 1 || limiters != 1 {
			t.Errorf("%d caches, %d limiters", caches, limiters)
		}
		if me := f.remote.count("me", time.Time{}); me != 50 {
			t.Errorf("Me was called %d times", me)
		}
		f.connectAs(object("other"), "bob-1")
		if caches, limiters := f.running(); caches != 2 || limiters != 1 {
			t.Errorf("%d caches, %d limiters with another client", caches, limiters)
		}
	})
}

func TestTheLastObjectStopsACache(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 3)
		f.watch(ids...)
		f.pass(time.Minute)
		for _, id := range ids {
			if caches, _ := f.running(); caches != 1 {
				t.Fatalf("%d caches", caches)
			}
			f.Release(object(id))
			f.Release(object(id)) // harmless
		}
		if caches, limiters := f.running(); caches != 0 || limiters != 0 || len(f.credentials) != 0 || len(f.objects) != 0 {
			t.Errorf("%d caches, %d limiters, %d credentials and %d objects are left",
				caches, limiters, len(f.credentials), len(f.objects))
		}
		began := time.Now()
		f.pass(time.Hour)
		if n := f.remote.count("", began); n != 0 {
			t.Errorf("%d calls for no object", n)
		}
		f.watch(ids[0])
		if got := f.state(ids[0]); got != "" {
			t.Error("a new cache has what the former observed")
		}
	})
}

func TestAnObjectThatIsCreatedAnewGetsNothingOfTheFirst(t *testing.T) {
	withRegistry(t, "[case-89]", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 2)
		first, second, other := object("a/x"), object("a/x"), object("a/y")
		first.UID, second.UID = "1", "2"
		f.connect(other)
		f.connect(first)
		f.subscribe(first, Interest{
			ClusterID: ids[0], SpecAfter: time.Now(), Search: Query{Tag: "owner", Owner: "op-first"}, Libraries: Lookup{Cadence: WhileChanging},
		})
		f.pass(time.Minute)
		if view := f.view(first); view.Cluster.Presence != Present || view.Search.CompleteLists == 0 || view.Libraries.StartedAt.IsZero() {
			t.Fatalf("the first object has %+v", view)
		}
		f.connectAs(second, "alice-2")
		if view := f.view(second); view.Cluster.Presence != Unknown || view.Search.CompleteLists != 0 || !view.Libraries.StartedAt.IsZero() {
			t.Errorf("the second object has %+v", view)
		}
		if len(f.objects) != 2 {
			t.Errorf("%d connected objects", len(f.objects))
		}
		if states := f.Caches(); len(states) != 1 || states[0].Objects != 2 || states[0].Watched != 0 {
			t.Errorf("the subscriptions are %+v", states)
		}
		f.notifiedObjects()
		f.remote.change(ids[0], func(cluster *compute.ClusterDetails) { cluster.NumWorkers++ })
		f.pass(10 * time.Minute)
		if n := f.notified(first); n != 0 {
			t.Errorf("the first object was notified %d times", n)
		}
		f.Release(first) // has no effect
		if states := f.Caches(); len(states) != 1 || states[0].Objects != 2 {
			t.Errorf("the release of the first object left %+v", states)
		}
		second.UID = ""
		f.Release(second)
		f.Release(other)
		if caches, limiters := f.running(); caches != 0 || limiters != 0 || len(f.credentials) != 0 || len(f.objects) != 0 {
			t.Errorf("%d caches, %d limiters, %d credentials and %d objects are left",
				caches, limiters, len(f.credentials), len(f.objects))
		}
	})
}

func TestObjectsOfTwoKindsMayHaveOneName(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		f.remote.fill("c", 1)
		first, second := object("a/x"), object("a/x")
		second.Kind = "Other"
		f.connect(first)
		f.connect(second)
		if states := f.Caches(); len(states) != 1 || states[0].Objects != 2 {
			t.Errorf("the subscriptions are %+v", states)
		}
		second.UID = ""
		f.Release(second)
		if states := f.Caches(); len(states) != 1 || states[0].Objects != 1 {
			t.Errorf("the release of one kind left %+v", states)
		}
	})
}

func TestMeIsCalledOnceForManyObjectsAndConnectNeverWaits(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		const objects = 100
		f.remote.latency = 20 * time.Second
		config := f.client("alice-1")
		began := time.Now()
		for round := range 2 {
			for i := range objects {
				_, err := f.Connect(object(fmt.Sprint(i)), config, "")
				if wait, ok := errors.AsType[*WaitError](err); !ok || !wait.Since.Equal(began) {
					t.Fatalf("round %d: %v", round, err)
				}
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("Connect took %v", took)
		}
		f.pass(f.remote.latency)
		for i := range objects {
			subscriber := object(fmt.Sprint(i))
			if n := f.notified(subscriber); n != 1 {
				t.Errorf("%v was notified %d times", subscriber, n)
			}
			if _, err := f.Connect(subscriber, config, ""); err != nil {
				t.Error(err)
			}
		}
		if n := f.remote.count("me", time.Time{}); n != 1 {
			t.Errorf("Me was called %d times", n)
		}
	})
}

func TestConnectNeverWaitsForAHostThatDoesNotAnswer(t *testing.T) {
	withRegistry(t, "[R7]", func(t *testing.T, f *fixture) {
		f.remote.latency = time.Hour
		config := f.client("alice-1")
		began := time.Now()
		for time.Since(began) < 10*time.Minute {
			asked := time.Now()
			if _, err := f.Connect(object("o"), config, ""); err == nil {
				t.Fatal("connected")
			}
			if took := time.Since(asked); took != 0 {
				t.Fatalf("a worker was blocked for %v", took)
			}
			f.pass(time.Second)
		}
		if _, err := f.Connect(object("o"), config, ""); databricks.ClassOf(err) != databricks.ClassTransient {
			t.Error(err)
		}
		if n := f.notified(object("o")); n != 1 {
			t.Errorf("%d notifications of the same failure", n)
		}
		if n := f.remote.count("me", time.Time{}); n < 5 || n > 20 {
			t.Errorf("Me was called %d times in ten minutes", n)
		}
	})
}

func TestACredentialWithoutObjectsIsNotIdentified(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		for i := range 20 { // more than the burst
			if _, err := f.Connect(object(fmt.Sprint(i)), f.client(fmt.Sprintf("alice-%d", i)), ""); err == nil {
				t.Fatal("connected at once")
			}
		}
		for i := range 20 {
			f.Release(object(fmt.Sprint(i)))
		}
		f.pass(time.Minute)
		if n := f.remote.count("me", time.Time{}); n > 5 {
			t.Errorf("Me was called %d times", n)
		}
	})
}

func TestARotatedCredentialReplacesTheFormerOne(t *testing.T) {
	withRegistry(t, "[case-57]", func(t *testing.T, f *fixture) {
		f.remote.put("c1", compute.StateRunning)
		ws := f.watch("c1")
		f.pass(10 * time.Second)
		again := f.connectAs(object("c1"), "alice-2")
		if again.cache != ws.cache || f.state("c1") != compute.StateRunning {
			t.Error("the cache was replaced with the credential")
		}
		if len(f.credentials) != 1 || len(ws.cache.credentials) != 1 {
			t.Errorf("%d and %d credentials are kept", len(f.credentials), len(ws.cache.credentials))
		}
		began := time.Now()
		f.pass(10 * time.Minute)
		for _, made := range f.remote.log() {
			if made.at.After(began) && made.token != "alice-2" {
				t.Error("the old credential was used")
			}
		}
	})
}

func TestARefusedCredentialIsTriedFourTimesAnHour(t *testing.T) {
	withRegistry(t, "[R9]", func(t *testing.T, f *fixture) {
		var refused atomic.Value
		refused.Store("")
		f.remote.failWith(func(made call) error {
			if made.token == refused.Load() {
				return errRefused
			}
			return nil
		})
		ids := f.remote.fill("c", 20)
		ws := f.watch(ids...)
		f.pass(10 * time.Minute)
		f.notifiedObjects()
		refused.Store("alice-1")
		f.pass(6 * time.Minute)
		_, err := f.Connect(object(ids[0]), f.client("alice-1"), "")
		if databricks.ClassOf(err) != databricks.ClassUnauthenticated || f.notifiedObjects() != len(ids) {
			t.Fatalf("Connect returns %v", err)
		}
		began := time.Now()
		for range 60 { // objects keep trying to write
			f.pass(time.Minute)
			err := f.write(ws, ratelimit.PriorityTerminate, ids[0], terminate(ids[0]))
			var wait *WaitError
			if !errors.As(err, &wait) && databricks.ClassOf(err) != databricks.ClassUnauthenticated {
				t.Fatal(err)
			}
		}
		if n := f.remote.count("", began); n > 4 {
			t.Errorf("%d calls in an hour with a refused credential", n)
		}
		fixed := time.Now()
		f.connectAs(object(ids[0]), "alice-2")
		f.pass(25 * time.Second)
		if ws.Health().Err != nil || f.remote.count("list", fixed) == 0 {
			t.Errorf("25 s after the fix health is %v", ws.Health().Err)
		}
	})
}

func TestARefusedMeIsRetriedSlowly(t *testing.T) {
	withRegistry(t, "[R9]", func(t *testing.T, f *fixture) {
		f.remote.failWith(func(call) error {
			return errRefused
		})
		for range 120 {
			_, err := f.tryConnect(object("o"), f.client("alice-1"), "")
			if databricks.ClassOf(err) != databricks.ClassUnauthenticated {
				t.Fatal(err)
			}
			f.pass(30 * time.Second)
		}
		if n := f.remote.count("me", time.Time{}); n > 5 {
			t.Errorf("Me was called %d times in an hour", n)
		}
		f.Release(object("o"))
		if len(f.credentials) != 0 {
			t.Error("the refused credential is kept")
		}
	})
}

func TestAnUnreachableHostIsRetriedWithBackoff(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		f.remote.failWith(func(call) error { return errUnavailable })
		for range 3600 {
			if _, err := f.tryConnect(object("o"), f.client("alice-1"), ""); databricks.ClassOf(err) != databricks.ClassTransient {
				t.Fatal(err)
			}
			f.pass(time.Second)
		}
		if n := f.remote.count("me", time.Time{}); n > 30 {
			t.Errorf("Me was called %d times in an hour", n)
		}
	})
}

func TestABadNewCredentialEndsTheUseOfTheOld(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		f.remote.put("c1", compute.StateRunning)
		f.watch("c1")
		f.remote.failWith(func(made call) error {
			if made.token == "alice-2" {
				return errRefused
			}
			if made.token == "alice-3" {
				return errUnavailable
			}
			return nil
		})
		if _, err := f.tryConnect(object("c1"), f.client("alice-3"), ""); databricks.ClassOf(err) != databricks.ClassTransient {
			t.Fatal(err)
		}
		if caches, _ := f.running(); caches != 1 {
			t.Error("a transient failure stopped the cache")
		}
		if _, err := f.tryConnect(object("c1"), f.client("alice-2"), ""); databricks.ClassOf(err) != databricks.ClassUnauthenticated {
			t.Fatal(err)
		}
		if caches, _ := f.running(); caches != 0 || len(f.credentials) != 1 {
			t.Errorf("%d caches, %d credentials are left", caches, len(f.credentials))
		}
	})
}

func TestConnectBeforeStartAndAfterTheEnd(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		f.remote.put("c1", compute.StateRunning)
		ws := f.watch("c1")
		f.pass(5 * time.Second)
		f.stop()
		began := time.Now()
		if _, err := f.Connect(object("o2"), f.client("bob-1"), ""); err == nil {
			t.Error("connected after the end")
		}
		ws.Subscribe(Interest{ClusterID: "c1", SpecAfter: began})
		f.pass(time.Hour)
		if n := f.remote.count("", began); n != 0 {
			t.Errorf("%d calls after the end", n)
		}
	})
}

func TestAHostThatThrottlesBlocksNoWorkerAndNoOtherHost(t *testing.T) {
	withRegistry(t, "[R7]", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 300)
		ws := f.watch(ids...)
		f.pass(time.Minute)
		f.remote.failWith(func(made call) error {
			if made.token == "carol-1" {
				return nil
			}
			return &databricks.Error{Class: databricks.ClassThrottled, StatusCode: 429, RetryAfter: 20 * time.Second}
		})
		other := f.mustConnect(object("other"), f.secret("carol-1", map[string]string{
			"host": "https://adb-9.9.azuredatabricks.net", "token": "carol-1",
		}), "")
		began := time.Now()
		for time.Since(began) < 10*time.Minute {
			asked := time.Now()
			_ = f.write(ws, ratelimit.PriorityChange, ids[0], start(ids[0]))
			if took := time.Since(asked); took > 100*time.Millisecond {
				t.Fatalf("a worker was blocked for %v", took)
			}
			if err := f.write(other, ratelimit.PriorityChange, "x", start("x")); err != nil {
				t.Fatalf("another host was blocked: %v", err)
			}
			f.pass(time.Second)
		}
		if n := f.remote.failed(databricks.ClassThrottled, began); n > 70 {
			t.Errorf("%d calls to a host with a Retry-After of 20 s", n)
		}
		f.remote.failWith(nil)
		f.remote.put(ids[5], compute.StateTerminated)
		f.pass(6 * time.Minute)
		if got := f.state(ids[5]); got != compute.StateTerminated {
			t.Errorf("after the throttling it is %q", got)
		}
	})
}

func TestAWriteThatHasToWaitIsNotSent(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 1)
		ws := f.watch(ids...)
		f.pass(5 * time.Second)
		sent := 0
		var wait *WaitError
		for range 10 {
			err := f.write(ws, ratelimit.PriorityChange, ids[0], func(context.Context, databricks.Writer) error {
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
		f.pass(2 * time.Second)
		if got := f.presence(ids[0]); got != Present {
			t.Errorf("a write that had to wait left the cluster %v", got)
		}
	})
}

func TestAWriteHasADeadline(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 1)
		ws := f.watch(ids...)
		began := time.Now()
		err := f.write(ws, ratelimit.PriorityChange, ids[0], func(ctx context.Context, _ databricks.Writer) error {
			<-ctx.Done()
			return ctx.Err()
		})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 30*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestTheStateForMetrics(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 150)
		ws := f.watch(ids...)
		f.pass(10 * time.Second)
		f.mustWrite(ws, ratelimit.PriorityTerminate, ids[0], terminate(ids[0]))
		limiters, caches := f.Limiters(), f.Caches()
		if len(limiters) != 1 || limiters[0].Name != testHost || limiters[0].Rate < 4 || limiters[0].Priorities["terminate"].Granted != 1 {
			t.Errorf("limiters %+v", limiters)
		}
		if len(caches) != 1 || caches[0].Watched != 150 || caches[0].Listed != 150 || caches[0].Pages != 2 || caches[0].Objects != 150 {
			t.Errorf("caches %+v", caches)
		}
	})
}

func TestANewCredentialEndsTheBackoffAtOnce(t *testing.T) {
	withRegistry(t, "[case-57]", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 20)
		ws := f.watch(ids...)
		f.pass(time.Minute)
		f.remote.failWith(func(call) error {
			return &databricks.Error{Class: databricks.ClassForbidden, StatusCode: 403}
		})
		for ws.Health().Err == nil {
			f.pass(time.Second)
		}
		f.pass(time.Minute)
		f.remote.put(ids[0], compute.StateTerminated)
		f.remote.failWith(nil)
		f.connectAs(object(ids[0]), "alice-2")
		for _, id := range ids {
			f.subscribe(object(id), Interest{ClusterID: id, After: time.Now()})
		}
		f.pass(10 * time.Second)
		if ws.Health().Err != nil || f.state(ids[0]) != compute.StateTerminated {
			t.Errorf("health %v, state %q", ws.Health().Err, f.state(ids[0]))
		}
	})
}

func TestACredentialThatIsAcceptedAgainIsUsedAsBefore(t *testing.T) {
	withRegistry(t, "[R9]", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 20)
		ws := f.watch(ids...)
		f.pass(time.Minute)
		f.remote.failWith(func(call) error {
			return errRefused
		})
		f.pass(10 * time.Minute)
		f.remote.failWith(nil)
		f.pass(40 * time.Minute)
		if ws.Health().Err != nil {
			t.Fatalf("health %v", ws.Health().Err)
		}
		began := time.Now()
		f.pass(time.Hour)
		if n := f.remote.count("list", began); n < 12 {
			t.Errorf("%d lists in an hour", n)
		}
	})
}
