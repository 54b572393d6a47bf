package cache

import (
	"encoding/json"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

var (
	policies, pools = databricks.ClusterPolicies, databricks.InstancePools
	listOfPolicies  = policies.ListEndpoint()
	listOfPools     = pools.ListEndpoint()
)

// needItem subscribes an object to a list for the item with an id and a name.
func (f *fixture) needItem(name string, of *databricks.Collection, id, itemName string, list Lookup) Object {
	f.t.Helper()
	subscriber := object(name)
	if f.workspaces[subscriber] == nil {
		f.connect(subscriber)
	}
	f.subscribe(subscriber, Interest{Items: ItemsInterest{Collection: of, ID: id, Name: itemName, List: list}})
	f.notified(subscriber) // of the credential
	return subscriber
}

var quiet = Lookup{Cadence: WhileQuiet}

// fillItems adds items and subscribes an object to each, which it returns.
func (f *fixture) fillItems(of *databricks.Collection, count int) []Object {
	f.t.Helper()
	ids := make([]string, count)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s-%02d", of.ListEndpoint(), i)
		f.remote.putItem(of, ids[i], "name of "+ids[i], "")
	}
	objects := make([]Object, count)
	for i, id := range ids {
		objects[i] = f.needItem(id, of, id, "name of "+id, quiet)
	}
	return objects
}

func TestOneListServesAllObjectsOfACollection(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		ofPolicies, ofPools := f.fillItems(policies, 12), f.fillItems(pools, 12)
		f.pass(time.Minute)
		for of, objects := range map[*databricks.Collection][]Object{policies: ofPolicies, pools: ofPools} {
			if read := f.remote.count(of.ListEndpoint(), time.Time{}); read != 1 {
				t.Errorf("%s was called %d times for 12 objects", of.ListEndpoint(), read)
			}
			for _, subscriber := range objects {
				list := f.view(subscriber).Items.List.Value
				if item, exists := list.ByID(f.interests[subscriber].Items.ID); !exists || f.notified(subscriber) != 1 {
					t.Errorf("%v gets %+v", subscriber, item)
				}
			}
		}
		began := time.Now()
		f.pass(90 * time.Minute)
		const lists = 20
		for _, endpoint := range []string{listOfPolicies, listOfPools} {
			if read := f.remote.count(endpoint, began); read < lists-1 || read > lists {
				t.Errorf("%s was called %d times in 20 slow intervals", endpoint, read)
			}
		}
		if n := f.notifiedObjects(); n != 0 {
			t.Errorf("%d objects were notified of nothing", n)
		}

		f.needItem(ofPools[3].Name, pools, "x", "", Lookup{Cadence: WhileChanging})
		began = time.Now()
		f.pass(80 * time.Second)
		if read := f.remote.count(listOfPools, began); read < 10 || read > 12 {
			t.Errorf("the pools were listed %d times in 10 fast intervals", read)
		}
		if read := f.remote.count(listOfPolicies, began); read > 1 {
			t.Errorf("the policies were listed %d times because a pool changes", read)
		}
		if read := f.remote.count("list", time.Time{}); read != 0 {
			t.Errorf("clusters were listed %d times for no cluster", read)
		}
	})
}

func TestNamesAndItemsShareAList(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		f.remote.putItem(policies, "P1", "team", "")
		f.remote.putItem(policies, "P2", "other", "")
		f.remote.putItem(pools, "I1", "pool", "")
		cluster := object("cluster")
		f.connect(cluster)
		f.subscribe(cluster, Interest{Catalog: CatalogLookup{Policies: WhileQuiet, InstancePools: WhileQuiet}})
		f.pass(time.Minute)
		catalog := f.view(cluster).Catalog
		if !maps.Equal(catalog.Policies.Value, map[string]string{"P1": "team", "P2": "other"}) || !maps.Equal(catalog.InstancePools.Value, map[string]string{"I1": "pool"}) {
			t.Fatalf("the names are %v", catalog)
		}
		began := time.Now()
		f.pass(20 * time.Hour)
		if read := f.remote.count("", began); read != 0 {
			t.Errorf("%d calls in 20 hours for names alone", read)
		}

		policy := f.needItem("policy", policies, "P1", "team", quiet)
		f.pass(time.Minute)
		if _, exists := f.view(policy).Items.List.Value.ByID("P1"); !exists {
			t.Fatal("the list has no item")
		}
		if read := f.remote.count(listOfPolicies, began); read != 1 {
			t.Errorf("%d lists", read)
		}
		f.notifiedObjects()
		began = time.Now()
		f.pass(90 * time.Minute)
		if read := f.remote.count(listOfPolicies, began); read < 19 || read > 20 {
			t.Errorf("%d lists in 20 slow intervals", read)
		}
		if read := f.remote.count(listOfPools, began); read != 0 {
			t.Errorf("%d lists of pools", read)
		}

		f.remote.putItem(policies, "P1", "team", "changed")
		f.pass(5 * time.Minute)
		if n, others := f.notified(policy), f.notified(cluster); n != 1 || others != 0 {
			t.Errorf("a member that is no name notified the item's object %d times, that of the names %d times", n, others)
		}
		f.remote.putItem(policies, "P2", "renamed", "")
		f.pass(5 * time.Minute)
		if n, others := f.notified(policy), f.notified(cluster); n != 0 || others != 1 {
			t.Errorf("the name of another item notified the item's object %d times, that of the names %d times", n, others)
		}
		if name := f.view(cluster).Catalog.Policies.Value["P2"]; name != "renamed" {
			t.Errorf("the name is %q", name)
		}

		f.subscribe(policy, Interest{})
		f.subscribe(cluster, Interest{Catalog: CatalogLookup{Policies: WhileChanging}})
		began = time.Now()
		f.pass(100*time.Minute + time.Second)
		if read := f.remote.count(listOfPolicies, began); read < 10 || read > 11 {
			t.Errorf("%d lists in 100 minutes for references alone", read)
		}
	})
}

func TestAnObjectMayNeedItemsAndNamesOfOneCollection(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		f.remote.putItem(policies, "P1", "team", "")
		both := f.needItem("both", policies, "P1", "", quiet)
		interest := f.interests[both]
		interest.Catalog.Policies = WhileQuiet
		f.subscribe(both, interest)
		f.pass(time.Second)
		view := f.view(both)
		if _, exists := view.Items.List.Value.ByID("P1"); !exists || view.Catalog.Policies.Value["P1"] != "team" || f.remote.count(listOfPolicies, time.Time{}) != 1 {
			t.Fatalf("the view is %+v", view)
		}
		interest.Items = ItemsInterest{}
		if view := f.subscribe(both, interest); view.Items.List.Value != nil || view.Catalog.Policies.Value["P1"] != "team" {
			t.Errorf("without a need of items the view is %+v", view)
		}
		f.Release(both)
		if caches, _ := f.running(); caches != 0 {
			t.Errorf("%d caches", caches)
		}
	})
}

func TestOnlyTheObjectOfAnItemIsNotified(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		objects := f.fillItems(policies, 12)
		id := f.interests[objects[5]].Items.ID
		byName := f.needItem("by name", policies, "", "Wanted", quiet)
		byBoth := f.needItem("by both", policies, "unknown", "Name of "+id, quiet)
		f.pass(time.Minute)
		f.notifiedObjects()
		expect := func(what string, wanted ...Object) {
			t.Helper()
			f.pass(5 * time.Minute)
			for _, subscriber := range wanted {
				if n := f.notified(subscriber); n != 1 {
					t.Errorf("%s notified %v %d times", what, subscriber, n)
				}
			}
			if n := f.notifiedObjects(); n != 0 {
				t.Errorf("%s notified %d others", what, n)
			}
		}
		f.remote.putItem(policies, id, "name of "+id, "changed")
		expect("a change", objects[5], byBoth)
		f.remote.mu.Lock()
		item := f.remote.items[policies][id]
		item.JSON = json.RawMessage(`{ "new":"changed", "name":"name of ` + id + `"}`)
		f.remote.items[policies][id] = item
		f.remote.mu.Unlock()
		expect("another order of the members")
		f.remote.removeItem(policies, id)
		expect("a removal", objects[5], byBoth)
		f.remote.putItem(policies, id, "renamed", "changed")
		expect("an item with another name", objects[5])
		f.remote.putItem(policies, "P1", "wanted", "")
		expect("a name in another case", byName)
		f.remote.putItem(policies, "P2", "foreign", "")
		expect("an item of no object")

		list := f.view(byName).Items.List.Value
		if exact, same := list.ByName("Wanted"), list.BySameName("Wanted"); len(exact) != 0 || len(same) != 1 || same[0].ID != "P1" {
			t.Errorf("by name: %v, without case: %v", exact, same)
		}
		if exact := list.ByName("wanted"); len(exact) != 1 || exact[0].ID != "P1" {
			t.Errorf("by name: %v", exact)
		}
	})
}

func TestAnItemIsMissingByGETOnly(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		subscriber := f.needItem("o", pools, "I1", "", quiet)
		f.pass(time.Minute)
		if _, exists := f.view(subscriber).Items.List.Value.ByID("I1"); exists || f.notified(subscriber) != 1 {
			t.Fatal("the list has the item")
		}
		if state := f.view(subscriber).Items.Item; state.Value.Presence != Unknown || f.remote.count(pools.GetEndpoint(), time.Time{}) != 0 {
			t.Fatalf("without a GET the item is %+v", state)
		}
		after := time.Now()
		f.pass(time.Millisecond)
		interest := f.interests[subscriber]
		interest.Items.Get = Lookup{Cadence: WhileQuiet, After: after}
		f.subscribe(subscriber, interest)
		f.pass(time.Second)
		if state := f.view(subscriber).Items.Item; state.Err != nil || state.Value.Presence != Missing || f.notified(subscriber) != 1 {
			t.Fatalf("the item is %+v", state)
		}
		f.pass(45 * time.Minute)
		if read := f.remote.count(pools.GetEndpoint(), after); read != 11 {
			t.Errorf("%d GETs in 10 slow intervals: a missing item is no failure", read)
		}
		if n := f.notified(subscriber); n != 0 {
			t.Errorf("%d notifications of nothing new", n)
		}
		f.remote.mu.Lock()
		f.remote.unlisted["I1"] = true // such as a policy that the principal may not use
		f.remote.mu.Unlock()
		f.remote.putItem(pools, "I1", "pool", "")
		f.pass(5 * time.Minute)
		state := f.view(subscriber).Items.Item
		if state.Value.Presence != Present || state.Value.Item.Name != "pool" || f.notified(subscriber) != 1 {
			t.Errorf("the item is %+v", state)
		}
		f.remote.putItem(pools, "I1", "pool", "changed")
		f.pass(5 * time.Minute)
		if n := f.notified(subscriber); n != 1 {
			t.Errorf("%d notifications of a change", n)
		}
	})
}

func TestAFailedGETOfAnItemIsNoAbsence(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		f.remote.putItem(policies, "P1", "team", "")
		f.remote.failWith(func(made call) error {
			if made.kind == policies.GetEndpoint() {
				return &databricks.Error{Class: databricks.ClassForbidden, Message: "no", Answered: true}
			}
			return nil
		})
		subscriber := f.needItem("o", policies, "P1", "", quiet)
		interest := f.interests[subscriber]
		interest.Items.Get = Lookup{Cadence: WhileChanging, After: time.Now()}
		f.subscribe(subscriber, interest)
		f.pass(time.Minute)
		items := f.view(subscriber).Items
		if items.Item.Value.Presence != Unknown || databricks.ClassOf(items.Item.Err) != databricks.ClassForbidden {
			t.Errorf("the item is %+v", items.Item)
		}
		if _, exists := items.List.Value.ByID("P1"); !exists || items.List.Err != nil {
			t.Errorf("the failure of a GET shows for the list: %v", items.List.Err)
		}
	})
}

func TestAListOfItemsBeginsAfterTheTimeThatAnObjectWaitsFor(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		objects := f.fillItems(policies, 12)
		f.pass(time.Minute)
		f.notifiedObjects()
		wroteAt := time.Now()
		f.remote.putItem(policies, f.interests[objects[0]].Items.ID, "renamed", "")
		f.pass(time.Millisecond)
		for _, subscriber := range objects[:3] {
			interest := f.interests[subscriber]
			interest.Items.List.After = wroteAt
			if list := f.subscribe(subscriber, interest).Items.List; !list.StartedAt.IsZero() || list.Value != nil {
				t.Error("an answer from before the time is served")
			}
		}
		if list := f.view(objects[5]).Items.List; list.Value == nil {
			t.Error("an object that does not wait has no answer")
		}
		f.pass(time.Second)
		for _, subscriber := range objects[:3] {
			if list := f.view(subscriber).Items.List; !list.StartedAt.After(wroteAt) || f.notified(subscriber) != 1 {
				t.Errorf("%v has an answer of %v", subscriber, list.StartedAt)
			}
		}
		if n := f.notifiedObjects(); n != 0 {
			t.Errorf("%d objects that do not wait were notified", n)
		}
		if read := f.remote.count(listOfPolicies, wroteAt); read != 1 {
			t.Errorf("%d lists for 3 waiting objects", read)
		}
		if item, _ := f.view(objects[0]).Items.List.Value.ByID(f.interests[objects[0]].Items.ID); item.Name != "renamed" {
			t.Errorf("the item is %+v", item)
		}
	})
}

func TestThePermissionsAndTheClustersOfAnItem(t *testing.T) {
	withRegistry(t, "", func(t *testing.T, f *fixture) {
		f.remote.fill("c", 3)
		needs := func(of *databricks.Collection, id string) ItemsInterest {
			awaited := Lookup{Cadence: WhileQuiet, After: time.Now()}
			return ItemsInterest{Collection: of, ID: id, Get: awaited, Permissions: awaited, Clusters: awaited}
		}
		for name, interest := range map[string]ItemsInterest{"policy": needs(policies, "P1"), "pool": needs(pools, "I1"), "new": needs(policies, "")} {
			f.connect(object(name))
			f.subscribe(object(name), Interest{Items: interest})
		}
		f.pass(time.Minute)
		policy, pool, created := f.view(object("policy")).Items, f.view(object("pool")).Items, f.view(object("new")).Items
		if len(policy.Permissions.Value) != 1 || policy.Permissions.Value[0].GroupName != "P1" || policy.Clusters.Value.Clusters != 3 {
			t.Errorf("the policy has %+v", policy)
		}
		if len(pool.Permissions.Value) != 1 || pool.Permissions.Value[0].GroupName != "I1" || !pool.Clusters.StartedAt.IsZero() {
			t.Errorf("the pool has %+v", pool)
		}
		if !created.Item.StartedAt.IsZero() || !created.Permissions.StartedAt.IsZero() || !created.Clusters.StartedAt.IsZero() {
			t.Errorf("an item without an id has %+v", created)
		}
		if read := f.remote.countOf("", time.Time{}); read != f.remote.count("me", time.Time{}) {
			t.Errorf("%d calls without an id", read)
		}
		if read := f.remote.count("count", time.Time{}); read != 1 {
			t.Errorf("the clusters were counted %d times", read)
		}
		// The object changes to another policy, and then to a pool.
		f.subscribe(object("policy"), Interest{Items: needs(policies, "P2")})
		f.pass(time.Second)
		if entries := f.view(object("policy")).Items.Permissions.Value; len(entries) != 1 || entries[0].GroupName != "P2" {
			t.Errorf("the other policy has %+v", entries)
		}
		f.subscribe(object("policy"), Interest{Items: needs(pools, "I1")})
		began := time.Now()
		f.pass(8 * time.Hour)
		if read := f.remote.count(policies.PermissionsEndpoint(), began) + f.remote.count("count", began); read != 0 {
			t.Errorf("%d reads of a policy that no object needs", read)
		}
	})
}

func TestUnchangedItemsAreStoredOnce(t *testing.T) {
	item := func(id, text string) databricks.Item {
		return databricks.Item{ID: id, Name: "name", JSON: json.RawMessage(text)}
	}
	first := newItemList(policies, []databricks.Item{item("a", `{"n":1}`), item("b", `{"n":1}`), item("b", `{"n":9}`)}, nil)
	second := newItemList(policies, []databricks.Item{item("a", `{"n":1}`), item("b", `{"n":1.0}`)}, first)
	if first.byID["a"] != second.byID["a"] || first.names != second.names {
		t.Error("an unchanged item is stored twice")
	}
	if first.byID["b"] == second.byID["b"] {
		t.Error("a change is not stored")
	}
	if second.byNameKey["name"][0] != second.byID["a"] {
		t.Error("an item is stored once by id and once by name")
	}
	if repeated, _ := first.ByID("b"); len(first.ByName("name")) != 2 || string(repeated.JSON) != `{"n":1}` {
		t.Errorf("a repeated item is %s", repeated.JSON)
	}
	var none *ItemList
	if _, exists := none.ByID("a"); exists || none.ByName("name") != nil {
		t.Error("no list has an item")
	}
}

func TestTheResourceOfAWriteIsItsClusterOrItsItem(t *testing.T) {
	for want, write := range map[string]Write{"c": {ClusterID: "c"}, "i": {Resource: "i"}, "": {}} {
		if got := write.resource(); got != want {
			t.Errorf("%+v has the resource %q", write, got)
		}
	}
}

func TestAListOfItemsHasThePriorityOfItsMostUrgentNeed(t *testing.T) {
	endpoints := itemEndpointsOf[policies]
	at := func(e *endpoint) needKey { return needKey{object("o"), e} }
	found := &lookup{startedAt: time.Now(), needs: map[needKey]need{at(&endpoints.names): {Lookup: quiet}}}
	expect := func(wanted ratelimit.Priority, interval time.Duration) {
		t.Helper()
		dueAt, priority := found.due(Options{}.withDefaults())
		if priority != wanted || dueAt.Sub(found.startedAt) != interval {
			t.Errorf("priority %v after %v, not %v after %v", priority, dueAt.Sub(found.startedAt), wanted, interval)
		}
	}
	expect(ratelimit.PrioritySlowList, catalogInterval)
	found.needs[at(&endpoints.list)] = need{Lookup: Lookup{Cadence: WhileChanging}}
	expect(ratelimit.PriorityFastList, 8*time.Second)
	found.needs[at(&endpoints.list)] = need{Lookup: Lookup{Cadence: WhileQuiet, After: found.startedAt.Add(time.Second)}}
	expect(ratelimit.PriorityConfirm, time.Second)
}
