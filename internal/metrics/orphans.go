package metrics

import (
	"maps"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

var orphanedClusters = newDesc("orphaned_clusters",
	"Clusters that carry this operator's owner tag and belong to no object, by workspace.", labelHost)

// Orphans has the result of the last orphan report.
type Orphans struct {
	mu     sync.Mutex
	byHost map[string]int
}

// Found stores a report: the number of orphaned clusters by host.
func (o *Orphans) Found(byHost map[string]int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.byHost = maps.Clone(byHost)
}

func (o *Orphans) collect(ch chan<- prometheus.Metric) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for host, count := range o.byHost {
		ch <- gauge(orphanedClusters, count, host)
	}
}
