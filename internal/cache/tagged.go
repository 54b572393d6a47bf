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

// Tagged lists the clusters that carry a custom tag, as the newest complete
// list of each workspace shows them, ordered by host and id. It makes no call: a
// workspace that has not been listed yet tells nothing.
func (r *Registry) Tagged(key string) []Tagged {
	mirrors, _ := r.snapshot()
	var found []Tagged
	for _, m := range mirrors {
		found = append(found, m.tagged(key)...)
	}
	slices.SortFunc(found, func(a, b Tagged) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.ClusterID, b.ClusterID))
	})
	return slices.Compact(found)
}

// Survey has every workspace listed anew, in no hurry: one that is small or far
// away from the objects' clusters may never be, else.
func (r *Registry) Survey() {
	mirrors, _ := r.snapshot()
	for _, m := range mirrors {
		m.surveyAfter(time.Now())
	}
}

func (m *mirror) surveyAfter(after time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.survey = after
	m.wakeBy(after)
}

func (m *mirror) tagged(key string) []Tagged {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []Tagged
	for id, cluster := range m.snapshot.clusters {
		if value := cluster.CustomTags[key]; value != "" {
			found = append(found, Tagged{Host: m.host, ClusterID: id, Value: databricks.PlainText(value)})
		}
	}
	return found
}
