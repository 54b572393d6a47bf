package cache

import (
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

// A list of many pages takes minutes. If it had copies of its own meanwhile, a workspace
// would need the memory of two lists.
func TestAListInProgressSharesUnchangedClustersWithTheListBefore(t *testing.T) {
	c := newCache(cacheKey{}, databricks.Principal{}, ratelimit.New(testHost, ratelimit.Options{}), Options{}.withDefaults())
	now := time.Now()
	page := func(states ...compute.State) databricks.ListPage {
		var page databricks.ListPage
		for i, state := range states {
			page.Clusters = append(page.Clusters, compute.ClusterDetails{ClusterId: string(rune('a' + i)), State: state})
		}
		return page
	}
	c.beginList(ratelimit.PrioritySlowList, now)
	if err := c.addPage(c.lists.underway, page(compute.StateRunning, compute.StateRunning), now); err != nil {
		t.Fatal(err)
	}
	before := c.lists.clusters

	c.beginList(ratelimit.PrioritySlowList, now.Add(time.Minute))
	next := page(compute.StateRunning, compute.StateTerminated, compute.StatePending)
	next.NextPageToken = "2"
	if err := c.addPage(c.lists.underway, next, now.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}

	underway := c.lists.underway.clusters
	if underway["a"] != before["a"] {
		t.Error("an unchanged cluster is there twice")
	}
	if before["b"].State != compute.StateRunning || underway["b"].State != compute.StateTerminated {
		t.Errorf("changed: %s before, %s underway", before["b"].State, underway["b"].State)
	}
	if underway["c"] == nil {
		t.Error("a new cluster is missing")
	}
}
