package cache

import (
	"fmt"
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

// watchAs connects an object of a namespace per cluster with a config, and returns the
// last one's Workspace.
func (f *fixture) watchAs(namespace string, config databricks.Config, domain string, ids ...string) (workspace *Workspace) {
	f.t.Helper()
	for _, id := range ids {
		subscriber := object(namespace + "/" + id)
		workspace = f.mustConnect(subscriber, config, domain)
		f.subscribe(subscriber, Interest{ClusterID: id})
	}
	return workspace
}

func TestTwoTokensOfOneUserDoNotShareACache(t *testing.T) {
	withRegistry(t, "[case-70]", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 10)
		first := f.watchAs("a", f.token("alice-1"), "", ids...)
		second := f.watchAs("b", f.token("alice-2"), "", ids...)
		f.pass(10 * time.Second)
		if caches, limiters := f.running(); caches != 2 || limiters != 1 || first.cache == second.cache {
			t.Errorf("%d caches, %d limiters", caches, limiters)
		}
		for _, token := range []string{"alice-1", "alice-2"} {
			if n := f.remote.countBy(token, "list", time.Time{}); n != 1 {
				t.Errorf("%s made %d lists", token, n)
			}
		}
	})
}

func TestTheSameTokenInTwoNamespacesSharesACache(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 10)
		first := f.watchAs("a", f.token("alice-1"), "", ids...)
		second := f.watchAs("b", f.token("alice-1"), "", ids...)
		f.pass(10 * time.Second)
		if caches, _ := f.running(); caches != 1 || first.cache != second.cache {
			t.Errorf("%d caches", caches)
		}
		if me, lists := f.remote.count("me", time.Time{}), f.remote.count("list", time.Time{}); me != 1 || lists != 1 {
			t.Errorf("%d calls of Me, %d lists", me, lists)
		}
	})
}

func TestListsRotateOverTheSecretsOfAClient(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 250)
		first := f.watchAs("a", f.client("alice-1"), "", ids[:125]...)
		second := f.watchAs("b", f.client("alice-2"), "", ids[125:]...)
		if first.cache != second.cache || first.credential == second.credential {
			t.Fatal("two secrets of one client do not share a cache, or share a credential")
		}
		f.pass(10 * time.Second)
		began := time.Now()
		f.pass(time.Hour)
		one, other := f.remote.countBy("alice-1", "list", began), f.remote.countBy("alice-2", "list", began)
		if one < 18 || other < 18 || one-other > 3 || other-one > 3 {
			t.Errorf("%d and %d pages in an hour", one, other)
		}
		token := ""
		for _, made := range f.remote.log() { // all pages of one list are one credential's
			if made.kind != "list" {
				continue
			}
			if made.id != "" && made.token != token {
				t.Fatal("a list changed its credential between two pages")
			}
			token = made.token
		}
	})
}

func TestADomainSharesNothingWithTheTenants(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 10)
		tenant := f.watchAs("a", f.token("alice-1"), "", ids...)
		shared := f.watchAs("b", f.token("alice-1"), "databricksworkspace/x", ids...)
		other := f.watchAs("c", f.token("alice-1"), "databricksworkspace/y", ids...)
		f.pass(10 * time.Second)
		if caches, limiters := f.running(); caches != 3 || limiters != 1 {
			t.Errorf("%d caches, %d limiters", caches, limiters)
		}
		if tenant.credential == shared.credential || shared.credential == other.credential {
			t.Error("two domains share a credential")
		}
		if n := f.remote.count("list", time.Time{}); n != 3 {
			t.Errorf("%d lists", n)
		}
	})
}

func TestTwoWorkspacesBehindOneHostShareNothing(t *testing.T) {
	check := func(t *testing.T, f *fixture, one, other databricks.Config) {
		t.Helper()
		ids := f.remote.fill("c", 10)
		first := f.watchAs("a", one, "", ids...)
		second := f.watchAs("b", other, "", ids...)
		f.pass(10 * time.Second)
		if first.cache == second.cache || first.cache.limiter == second.cache.limiter {
			t.Error("two workspaces share data or a rate limiter")
		}
		if first.credential.limiter != first.cache.limiter || second.credential.limiter != second.cache.limiter {
			t.Error("a credential does not use its workspace's limiter")
		}
		if n := f.remote.count("list", time.Time{}); n != 2 {
			t.Errorf("%d lists", n)
		}
		ids5, ids6 := first.cache.key.workspaceID, second.cache.key.workspaceID
		if ids5 != "5" || ids6 != "6" {
			t.Errorf("the workspaces are %q and %q", ids5, ids6)
		}
	}
	withRegistry(t, "as Me returns them", func(t *testing.T, f *fixture) {
		f.remote.workspaceIDs = map[string]string{"alice-1": "5", "alice-2": "6"}
		check(t, f, f.token("alice-1"), f.token("alice-2"))
	})
	withRegistry(t, "as the Secrets name them", func(t *testing.T, f *fixture) {
		of := func(id string) databricks.Config {
			return f.secret("alice-1", map[string]string{
				"host": "https://dbc-1.cloud.databricks.com", "token": "alice-1", "workspace_id": id,
			})
		}
		check(t, f, of("5"), of("6"))
	})
}

func TestEveryWriteCarriesItsObjectsCredential(t *testing.T) {
	withRegistry(t, "[case-75]", func(t *testing.T, f *fixture) {
		ids := f.remote.fill("c", 3)
		workspaces := []*Workspace{
			f.watchAs("a", f.client("alice-1"), "", ids[0]),
			f.watchAs("b", f.client("alice-2"), "", ids[1]),
			f.watchAs("c", f.token("alice-3"), "", ids[2]),
		}
		f.pass(10 * time.Second)
		for i, workspace := range workspaces {
			for range i + 1 {
				f.mustWrite(workspace, ratelimit.PriorityChange, ids[i], start(ids[i]))
			}
		}
		for i := range workspaces {
			token := fmt.Sprintf("alice-%d", i+1)
			own := f.remote.calledWhere(time.Time{}, func(made call) bool { return made.kind == "start" && made.id == ids[i] })
			if by := f.remote.countBy(token, "start", time.Time{}); by != i+1 || own != i+1 {
				t.Errorf("%s made %d writes, for %d of its object", token, by, own)
			}
		}
		rotated := time.Now()
		replaced := f.watchAs("a", f.client("alice-4"), "", ids[0])
		f.mustWrite(replaced, ratelimit.PriorityChange, ids[0], start(ids[0]))
		if f.remote.countBy("alice-4", "start", rotated) != 1 || f.remote.count("start", rotated) != 1 {
			t.Error("a write after a rotation does not carry the new credential")
		}
		f.pass(10 * time.Second) // the rate limiter refills
		f.remote.refuse("alice-2")
		revoked := time.Now()
		for range 10 {
			_ = f.write(workspaces[1], ratelimit.PriorityTerminate, ids[1], terminate(ids[1]))
			f.pass(time.Second)
		}
		if n := f.remote.count("terminate", revoked); n == 0 || n != f.remote.countBy("alice-2", "terminate", revoked) {
			t.Errorf("%d writes of an object whose credential is refused, some with another", n)
		}
		if f.remote.clusters[ids[1]].State == compute.StateTerminating {
			t.Error("a write of a refused credential had its effect")
		}
	})
}
