package cache

import (
	"fmt"
	"testing"
	"time"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

// needCompliance subscribes the objects of clusters to the compliance with a policy.
func (f *fixture) needCompliance(policy string, ids ...string) {
	f.t.Helper()
	for _, id := range ids {
		f.subscribe(object(id), Interest{ClusterID: id, PolicyID: policy, Compliance: Lookup{Cadence: WhileQuiet}})
	}
}

func (f *fixture) violate(id string) {
	f.remote.mu.Lock()
	defer f.remote.mu.Unlock()
	f.remote.violating = map[string]bool{id: true}
}

func TestTheComplianceOfAPolicyIsOneListForAllObjects(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 12)
		f.watch(ids...)
		f.needCompliance("P1", ids...)
		f.pass(time.Minute)
		const pages = 6
		if read := f.remote.count("compliance", time.Time{}); read != pages {
			t.Fatalf("%d pages were read for 12 clusters, not %d", read, pages)
		}
		f.notifiedObjects()
		f.violate(ids[7])
		began := time.Now()
		f.pass(time.Hour)
		if read := f.remote.count("compliance", began); read != 2*pages {
			t.Errorf("%d pages were read in an hour, not %d", read, 2*pages)
		}
		if n := f.notified(object(ids[7])); n != 1 {
			t.Errorf("the object of the cluster was notified %d times", n)
		}
		if n := f.notifiedObjects(); n != 0 {
			t.Errorf("%d others were notified", n)
		}
		if look := f.view(object(ids[7])).Compliance; look.Value[ids[7]].IsCompliant || !look.Value[ids[0]].IsCompliant || len(look.Value) != 12 {
			t.Errorf("the answer is %v", look.Value)
		}
	})
}

func TestEachPolicyHasAListOfItsOwn(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 2)
		f.watch(ids...)
		f.needCompliance("P1", ids[0])
		f.needCompliance("P2", ids[1])
		f.remote.failWith(func(made call) error {
			if made.kind == "compliance" && made.id == "P2" {
				return &databricks.Error{Class: databricks.ClassForbidden, Message: "no rights"}
			}
			return nil
		})
		f.pass(time.Minute)
		if look := f.view(object(ids[0])).Compliance; look.Err != nil || look.StartedAt.IsZero() {
			t.Errorf("the failure of another policy: %v", look.Err)
		}
		if look := f.view(object(ids[1])).Compliance; databricks.ClassOf(look.Err) != databricks.ClassForbidden {
			t.Errorf("the failure is %v", look.Err)
		}
		// The object changes to the other policy.
		f.needCompliance("P1", ids[1])
		if look := f.view(object(ids[1])).Compliance; look.Err != nil || look.StartedAt.IsZero() {
			t.Errorf("the answer of the new policy is %v", look)
		}
	})
}

func TestAnEnforcementIsFollowedByOneList(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 2)
		workspace := f.watch(ids...)
		f.needCompliance("P1", ids...)
		f.pass(time.Minute)
		f.mustWrite(workspace, ratelimit.PriorityChange, ids[0], start(ids[0]))
		enforced := time.Now()
		f.pass(time.Millisecond)
		f.subscribe(object(ids[0]), Interest{ClusterID: ids[0], PolicyID: "P1", Compliance: Lookup{Cadence: WhileQuiet, After: enforced}})
		if look := f.view(object(ids[0])).Compliance; !look.StartedAt.IsZero() {
			t.Error("an answer from before the enforcement is served")
		}
		f.pass(10 * time.Second)
		if look := f.view(object(ids[0])).Compliance; !look.StartedAt.After(enforced) {
			t.Errorf("the newest answer is of %v", look.StartedAt)
		}
		if read := f.remote.count("compliance", enforced); read != 1 {
			t.Errorf("%d pages were read", read)
		}
	})
}

func TestThePagesOfACompliancesListEnd(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 2)
		f.watch(ids...)
		f.remote.mu.Lock()
		f.remote.endlessCompliance = true
		f.remote.mu.Unlock()
		f.needCompliance("P1", ids...)
		f.pass(3 * time.Hour)
		look := f.view(object(ids[0])).Compliance
		if databricks.ClassOf(look.Err) != databricks.ClassHost || !look.StartedAt.IsZero() {
			t.Errorf("got %v", fmt.Sprint(look.Err, look.StartedAt))
		}
	})
}
