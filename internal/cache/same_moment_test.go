package cache

import (
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

// A list and a GET that are made at once have the same time of start. If the GET no longer
// finds the cluster that the list still returns, both stay as they are.
func TestAListAndAGetOfOneMomentDisagree(t *testing.T) {
	const id, tag = "c-1", "owner"
	c := newCache(cacheKey{}, databricks.Principal{}, ratelimit.New(testHost, ratelimit.Options{}), Options{}.withDefaults())
	c.watch(object(id), id)
	now := time.Now()
	c.beginList(ratelimit.PrioritySlowList, now)
	c.accept(c.entries[id], Observation{Presence: Missing, StartedAt: now, CompletedAt: now})
	page := databricks.ListPage{Clusters: []compute.ClusterDetails{{ClusterId: id, CustomTags: map[string]string{tag: "a"}}}}
	if err := c.addPage(c.lists.underway, page, now); err != nil {
		t.Fatal(err)
	}
	if found := c.tagged(tag); len(found) != 1 || found[0].ClusterID != id {
		t.Errorf("%+v", found)
	}
	if newest := c.entries[id].newest; newest.Presence != Missing {
		t.Errorf("%+v", newest)
	}
}
