package cache

import (
	"cmp"
	"slices"
	"time"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// Tagged is a cluster that carries a custom tag.
type Tagged struct {
	Host, ClusterID, Value string
}

// Tagged returns the clusters that carry a custom tag in the newest complete list of
// each workspace, ordered by host and id. It makes no call, so workspaces without a
// complete list are missing.
func (r *Registry) Tagged(key string) []Tagged {
	caches, _ := r.snapshot()
	var found []Tagged
	for _, c := range caches {
		found = append(found, c.tagged(key)...)
	}
	slices.SortFunc(found, func(a, b Tagged) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.ClusterID, b.ClusterID))
	})
	return slices.Compact(found)
}

// Tagged returns the clusters that carry a custom tag in a complete list that began after
// a time. Until there is one, isComplete is false, and the list is requested at low
// priority.
func (w *Workspace) Tagged(key string, after time.Time) (found []Tagged, isComplete bool) {
	if !w.cache.hasListedAfter(after) {
		w.cache.requestCompleteList(after)
		return nil, false
	}
	return w.cache.tagged(key), true
}

// Survey requests a complete list that begins after a time of every workspace, at low
// priority. A workspace whose clusters are read by GET, or that has no object, may never be
// listed otherwise.
func (r *Registry) Survey(after time.Time) {
	caches, _ := r.snapshot()
	for _, c := range caches {
		c.requestCompleteList(after)
	}
}

func (c *cache) hasListedAfter(after time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lists.startedAt.After(after)
}

func (c *cache) requestCompleteList(after time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lists.completeListAfter = after
	c.wakeBy(time.Now())
}

func (c *cache) tagged(key string) []Tagged {
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []Tagged
	for id, cluster := range c.lists.clusters {
		if value := cluster.CustomTags[key]; value != "" {
			found = append(found, Tagged{Host: c.key.host, ClusterID: id, Value: databricks.PlainText(value)})
		}
	}
	return found
}
