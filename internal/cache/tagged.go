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

// Tagged lists the clusters that carry a custom tag, as the newest complete list of
// each workspace returned them, ordered by host and id. It makes no call: a workspace
// that has not been listed yet adds nothing.
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

// Survey requests a complete list of every workspace, at low priority: one that is
// small or has few of the objects' clusters may never be listed otherwise.
func (r *Registry) Survey() {
	caches, _ := r.snapshot()
	for _, c := range caches {
		c.surveyAfter(time.Now())
	}
}

func (c *cache) surveyAfter(after time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lists.surveyAfter = after
	c.wakeBy(after)
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
