package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

const (
	namespace = "databricks_operator"

	// labelHost is the workspace, as in status.host; empty if an object has none yet.
	labelHost = "host"
)

// listTimeout bounds a list of the objects from the informer cache.
const listTimeout = 5 * time.Second

// State is a collector that computes its metrics at every scrape.
type State struct {
	// Reader reads the objects from the informer cache.
	Reader client.Reader
	// SharedWorkspaces reports whether DatabricksWorkspaces are served.
	SharedWorkspaces bool
	Workspaces       Workspaces
	Orphans          *Orphans
	Calls            *Calls
}

// Workspaces returns the state of the workspaces. A *cache.Registry implements it.
type Workspaces interface {
	Limiters() []ratelimit.State
	Caches() []cache.State
}

var descriptions []*prometheus.Desc

// newDesc returns the description of a metric of State.
func newDesc(name, help string, labels ...string) *prometheus.Desc {
	desc := prometheus.NewDesc(namespace+"_"+name, help, labels, nil)
	descriptions = append(descriptions, desc)
	return desc
}

// Describe implements prometheus.Collector.
func (s *State) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range descriptions {
		ch <- desc
	}
	s.Calls.describe(ch)
}

// Collect implements prometheus.Collector.
func (s *State) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), listTimeout)
	defer cancel()
	inUse := map[string]bool{}
	limiters := s.Workspaces.Limiters()
	for _, limiter := range limiters {
		inUse[limiter.Name] = true
	}
	collectLimiters(ch, limiters, time.Now())
	s.Calls.collect(ch, inUse)
	collectCaches(ch, s.Workspaces.Caches())
	s.Orphans.collect(ch)
	s.collectObjects(ctx, ch)
}

func gauge[T int | int64 | float64](desc *prometheus.Desc, value T, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(value), labels...)
}

func counter(desc *prometheus.Desc, value int64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(value), labels...)
}

// timestamp returns a gauge of a time in seconds since the Unix epoch.
func timestamp(desc *prometheus.Desc, at time.Time, labels ...string) prometheus.Metric {
	return gauge(desc, float64(at.UnixMilli())/1000, labels...)
}

// boolGauge returns a gauge that is 1 for true and 0 for false.
func boolGauge(desc *prometheus.Desc, value bool, labels ...string) prometheus.Metric {
	if value {
		return gauge(desc, 1, labels...)
	}
	return gauge(desc, 0, labels...)
}
