package cache

import (
	"fmt"
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

// A list of one page whose clusters are watched and did not change, which is what every
// quiet interval brings.
func BenchmarkUnchangedPage(b *testing.B) {
	c := newCache(cacheKey{}, databricks.Principal{}, ratelimit.New(testHost, ratelimit.Options{}), Options{}.withDefaults())
	var page databricks.ListPage
	for i := range 100 {
		id := fmt.Sprintf("c-%03d", i)
		c.watch(object(id), id)
		page.Clusters = append(page.Clusters, compute.ClusterDetails{
			ClusterId: id, ClusterName: id, State: compute.StateRunning, NumWorkers: 2, CustomTags: map[string]string{"team": "a"},
		})
	}
	b.ReportAllocs()
	for b.Loop() {
		now := time.Now()
		c.beginList(ratelimit.PrioritySlowList, now)
		if err := c.addPage(c.lists.underway, page, now); err != nil {
			b.Fatal(err)
		}
	}
}

// A plan of a large workspace in which nothing is due.
func BenchmarkPlan(b *testing.B) {
	c := newCache(cacheKey{}, databricks.Principal{}, ratelimit.New(testHost, ratelimit.Options{}), Options{}.withDefaults())
	var page databricks.ListPage
	for i := range 10_000 {
		id := fmt.Sprintf("c-%05d", i)
		c.watch(object(id), id)
		page.Clusters = append(page.Clusters, compute.ClusterDetails{ClusterId: id, State: compute.StateRunning})
	}
	now := time.Now()
	c.beginList(ratelimit.PrioritySlowList, now)
	if err := c.addPage(c.lists.underway, page, now); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		c.plan(now)
	}
}
