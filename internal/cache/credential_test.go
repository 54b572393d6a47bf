package cache

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

// failOnce returns a fault that fails the first selected call with an error.
func failOnce(err error, selected func(call) bool) func(call) error {
	done := false
	return func(made call) error {
		if done || !selected(made) {
			return nil
		}
		done = true
		return err
	}
}

func isKind(kind string) func(call) bool { return func(made call) bool { return made.kind == kind } }

func TestOneRefusedCallIsCheckedOnceAndChangesNothingElse(t *testing.T) {
	for name, status := range map[string]*databricks.Error{
		"401":            errRefused,
		"403 on a token": {Class: databricks.ClassUnauthenticated, StatusCode: 403, Message: "Invalid access token.", Answered: true},
	} {
		withRegistry(t, "[case-69] write "+name, func(t *testing.T, f *fixture) {
			ids := f.remote.fill("c", 20)
			ws := f.watch(ids...)
			f.pass(time.Minute)
			f.notifiedObjects()
			f.remote.failWith(failOnce(status, isKind("terminate")))
			began := time.Now()
			own := ids[len(ids)-1] // the cluster of ws
			err := f.write(ws, ratelimit.PriorityTerminate, own, terminate(own))
			if databricks.ClassOf(err) != databricks.ClassTransient {
				t.Errorf("the call failed with %q", databricks.ClassOf(err))
			}
			f.pass(10 * time.Second)
			if n := f.remote.count("me", began); n != 1 {
				t.Errorf("Me was called %d times", n)
			}
			f.notified(object(own)) // by the read after its write
			if n := f.notifiedObjects(); n != 0 {
				t.Errorf("%d other objects were notified", n)
			}
			if _, err := f.Connect(object(own), f.client("alice-1"), ""); err != nil {
				t.Errorf("Connect returns %v", err)
			}
			if err := f.write(ws, ratelimit.PriorityTerminate, own, terminate(own)); err != nil {
				t.Errorf("the next write failed with %v", err)
			}
		})
	}
	withRegistry(t, "[case-69] read", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 20)
		f.watch(ids...)
		f.pass(time.Minute)
		f.notifiedObjects()
		f.remote.failWith(failOnce(errRefused, isKind("list")))
		began := time.Now()
		f.pass(10 * time.Minute)
		if n := f.remote.count("me", began); n != 1 {
			t.Errorf("Me was called %d times", n)
		}
		if n := f.notifiedObjects(); n != 0 {
			t.Errorf("%d objects were notified", n)
		}
		if n := f.remote.count("list", began); n < 3 {
			t.Errorf("%d lists in ten minutes", n)
		}
	})
}

func TestARevokedCredentialBlocksItsOwnObjectsOnly(t *testing.T) {
	withRegistry(t, "[R9]", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 40)
		f.watchAs("a", f.client("alice-1"), "", ids[:20]...)
		ws := f.watchAs("b", f.client("alice-2"), "", ids[20:]...)
		f.pass(time.Minute)
		f.notifiedObjects()
		f.remote.refuse("alice-2")
		began := time.Now()
		if err := f.write(ws, ratelimit.PriorityTerminate, ids[39], terminate(ids[39])); databricks.ClassOf(err) != databricks.ClassTransient {
			t.Errorf("an unconfirmed refusal has the class %q", databricks.ClassOf(err))
		}
		f.pass(5 * time.Second)
		for i, id := range ids {
			namespace, secret := "a", "alice-1"
			if i >= 20 {
				namespace, secret = "b", "alice-2"
			}
			subscriber := object(namespace + "/" + id)
			_, err := f.Connect(subscriber, f.client(secret), "")
			if rejected := databricks.ClassOf(err) == databricks.ClassUnauthenticated; rejected != (i >= 20) {
				t.Errorf("Connect of %v returns %v", subscriber, err)
			}
			if n := f.notified(subscriber); (n > 0) != (i >= 20) {
				t.Errorf("%v was notified %d times", subscriber, n)
			}
		}
		var wait *WaitError
		if err := f.write(ws, ratelimit.PriorityTerminate, ids[39], terminate(ids[39])); !errors.As(err, &wait) || wait.Reason != ReasonCredentialRejected {
			t.Errorf("a write with a rejected credential fails with %v", err)
		}
		if n := f.remote.countBy("alice-2", "me", began); n != 2 {
			t.Errorf("Me was called %d times before the credential was rejected", n)
		}
		f.pass(time.Until(began.Add(time.Hour)))
		if n := f.remote.countBy("alice-2", "me", began); n > 4 {
			t.Errorf("%d probes in the first hour", n)
		}
		again := time.Now()
		f.pass(3 * time.Hour)
		if n := f.remote.countBy("alice-2", "", again); n > 12 {
			t.Errorf("%d calls with the rejected credential in three hours", n)
		}
		if n := f.remote.countBy("alice-1", "list", began); n < 4*12 {
			t.Errorf("%d lists with the other credential", n)
		}
		f.notifiedObjects()
		f.remote.failWith(nil)
		f.pass(25 * time.Minute)
		if _, err := f.Connect(object("b/"+ids[30]), f.client("alice-2"), ""); err != nil || f.notified(object("b/"+ids[30])) == 0 {
			t.Errorf("Connect returns %v after the credential is accepted again", err)
		}
	})
}

func TestACredentialRevokedBetweenTwoPagesEndsItsList(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 1000)
		f.watchAs("a", f.client("alice-1"), "", ids[:500]...)
		f.watchAs("b", f.client("alice-2"), "", ids[500:]...)
		f.pass(time.Minute)
		f.notifiedObjects()
		revoked := ""
		f.remote.failWith(func(made call) error {
			if made.kind == "list" && made.id == ids[300] && revoked == "" {
				revoked = made.token
			}
			if made.token == revoked {
				return errRefused
			}
			return nil
		})
		f.remote.put(ids[999], compute.StateTerminated)
		f.pass(6 * time.Minute)
		if revoked == "" {
			t.Fatal("no list was made")
		}
		if got := f.view(object("b/" + ids[999])).Cluster; got.Cluster == nil || got.Cluster.State != compute.StateTerminated {
			t.Error("the other credential's list did not follow")
		}
		if err := f.view(object("a/" + ids[0])).Health.Err; err != nil {
			t.Errorf("health %v", err)
		}
	})
}

func TestARevokedCredentialIsNoticedWithinHalfAnHourWithoutWrites(t *testing.T) {
	for _, secrets := range []int{2, 5} { // a service principal has at most five
		withRegistry(t, fmt.Sprintf("[R9] %d secrets", secrets), func(t *testing.T, f *fixture) {
			ids := f.remote.fill("c", 10*secrets)
			secret := func(i int) string { return fmt.Sprintf("alice-%d", i) }
			for i := range secrets {
				f.watchAs(secret(i), f.client(secret(i)), "", ids[10*i:10*i+10]...)
			}
			f.pass(time.Hour)
			f.notifiedObjects()
			last := secrets - 1
			f.remote.refuse(secret(last))
			began := time.Now()
			subscriber := object(secret(last) + "/" + ids[10*last])
			for {
				f.pass(10 * time.Second)
				if _, err := f.Connect(subscriber, f.client(secret(last)), ""); databricks.ClassOf(err) == databricks.ClassUnauthenticated {
					break
				}
				if time.Since(began) > 30*time.Minute {
					t.Fatal("it was not noticed")
				}
			}
			if n := f.notifiedObjects(); n != 10 {
				t.Errorf("%d objects were notified", n)
			}
		})
	}
}

func TestACallThatStaysRefusedIsForbiddenForThatCallOnly(t *testing.T) {
	withRegistry(t, "[case-69]", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 20)
		f.watch(ids...)
		f.pass(time.Minute)
		f.notifiedObjects()
		f.remote.failWith(func(made call) error {
			if made.kind == "get" && made.id == ids[0] {
				return errRefused
			}
			return nil
		})
		began := time.Now()
		f.subscribe(object(ids[0]), Interest{ClusterID: ids[0], SpecAfter: began})
		f.pass(time.Minute)
		if err := f.view(object(ids[0])).Health.Err; databricks.ClassOf(err) != databricks.ClassForbidden {
			t.Errorf("health %v", err)
		}
		if n := f.notified(object(ids[0])); n != 1 {
			t.Errorf("%d notifications of the refusal", n)
		}
		f.pass(3 * time.Hour)
		if err := f.view(object(ids[0])).Health.Err; databricks.ClassOf(err) != databricks.ClassForbidden {
			t.Errorf("health %v after three hours", err)
		}
		if n := f.notifiedObjects(); n != 0 {
			t.Errorf("%d objects were notified in three hours", n)
		}
		if me, gets := f.remote.count("me", began), f.remote.countOf(ids[0], began); me > 16 || gets > 32 {
			t.Errorf("%d calls of Me, %d GETs", me, gets)
		}
		for _, id := range ids[1:] {
			f.subscribe(object(id), Interest{ClusterID: id, SpecAfter: time.Now()})
		}
		f.pass(20 * time.Second)
		for _, id := range ids[1:] {
			if got := f.view(object(id)); got.Health.Err != nil || got.Spec.JSON == nil {
				t.Fatalf("%s has health %v, spec %s", id, got.Health.Err, got.Spec.JSON)
			}
		}
	})
}

func TestCallsContinueWhileMeDoesNotAnswer(t *testing.T) {
	for name, failure := range map[string]error{"503": errUnavailable, "no answer": errHang} {
		withRegistry(t, name, func(t *testing.T, f *fixture) {
			ids := f.remote.fill("c", 20)
			ws := f.watch(ids...)
			f.pass(time.Minute)
			f.notifiedObjects()
			refuseOnce := failOnce(errRefused, isKind("terminate"))
			f.remote.failWith(func(made call) error {
				if made.kind == "me" {
					return failure
				}
				return refuseOnce(made)
			})
			own := ids[len(ids)-1]
			began := time.Now()
			_ = f.write(ws, ratelimit.PriorityTerminate, own, terminate(own))
			f.pass(32 * time.Second)
			if err := f.write(ws, ratelimit.PriorityTerminate, own, terminate(own)); err != nil {
				t.Errorf("a write fails with %v", err)
			}
			if _, err := f.Connect(object(own), f.client("alice-1"), ""); err != nil {
				t.Errorf("Connect returns %v", err)
			}
			f.pass(10 * time.Minute)
			if lists, me := f.remote.count("list", began), f.remote.count("me", began); lists < 3 || me != 1 {
				t.Errorf("%d lists, %d calls of Me", lists, me)
			}
		})
	}
}

func TestARefusalAmongOtherFailuresOfMeIsRetriedWithBackoff(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		refuseOnce := failOnce(errRefused, isKind("me"))
		f.remote.failWith(func(made call) error {
			if err := refuseOnce(made); err != nil {
				return err
			}
			return &databricks.Error{Class: databricks.ClassTransient, StatusCode: 500, Message: "internal error", Answered: true}
		})
		_, err := f.tryConnect(object("o"), f.token("alice-1"), "")
		if databricks.ClassOf(err) != databricks.ClassTransient {
			t.Error(err)
		}
		f.pass(time.Hour)
		if n := f.remote.count("me", time.Time{}); n > 30 {
			t.Errorf("Me was called %d times in an hour", n)
		}
	})
}

func TestARefusalDuringStartRunsOneIdentification(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		f.remote.put("c1", compute.StateRunning)
		credential := f.watch("c1").credential
		f.pass(5 * time.Second)
		f.stop()
		f.remote.failWith(func(call) error { return errRefused })
		began := time.Now()
		refused := false
		// launchWith launches the cache first, under the Registry's lock.
		f.launchWith(func(run func(ctx context.Context)) func() {
			if !refused {
				refused = true
				now := time.Now()
				_ = credential.classify(errRefused, now, now)
			}
			ctx, cancel := context.WithCancel(t.Context())
			go run(ctx)
			return cancel
		})
		f.pass(500 * time.Millisecond)
		if n := f.remote.count("me", began); n != 1 {
			t.Errorf("Me was called %d times", n)
		}
		f.Release(object("c1"))
		released := time.Now()
		f.pass(time.Hour)
		if n := f.remote.count("", released); n != 0 {
			t.Errorf("%d calls after the last object was released", n)
		}
	})
}

func TestARefusalAfterAFailedConfirmationStartsIdentificationAgain(t *testing.T) {
	now := time.Now()
	launched := 0
	c := &credential{
		options: Options{}.withDefaults(), acceptance: suspected, identifying: true, running: true,
		launch: func() { launched++ },
	}
	if changed, done := c.identified(errUnavailable, 0, now); changed || !done {
		t.Errorf("changed: %v, done: %v", changed, done)
	}
	_ = c.classify(errRefused, now, now)
	if launched != 1 || !c.claim() || c.claim() {
		t.Errorf("launched %d times, or claimed not exactly once", launched)
	}
}
