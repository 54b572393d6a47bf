package metrics

import (
	"net/http"
	"strconv"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// Calls counts the requests to Databricks. Those to a host that no object uses
// any more are forgotten when they are next read.
type Calls struct {
	total   *prometheus.CounterVec
	seconds *prometheus.HistogramVec
	// hosts are those that were called.
	hosts sync.Map
}

// NewCalls has counted nothing yet.
func NewCalls() *Calls {
	return &Calls{
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: namespace + "_requests_total",
			Help: "Requests to Databricks, those for tokens included, by workspace, method, endpoint and HTTP status code; the code is none where no answer came.",
		}, []string{labelHost, "method", "endpoint", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: namespace + "_request_duration_seconds",
			Help: "How long requests to Databricks took, by workspace and endpoint, whatever their outcome.",
			// Up to the deadline of a request, 30 s.
			Buckets: []float64{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30},
		}, []string{labelHost, "endpoint"}),
	}
}

// Observer counts the requests of a client that speaks to the host.
func (c *Calls) Observer(host string) func(databricks.Call) {
	return func(call databricks.Call) {
		c.total.WithLabelValues(host, call.Method, call.Endpoint, code(call.StatusCode)).Inc()
		c.seconds.WithLabelValues(host, call.Endpoint).Observe(call.Duration.Seconds())
		c.hosts.Store(host, true) // last: what is counted is found, and so forgotten
	}
}

// code bounds what a server can make of a label: it may answer with any number.
func code(status int) string {
	switch {
	case status == 0:
		return "none"
	case http.StatusText(status) == "":
		return "other"
	default:
		return strconv.Itoa(status)
	}
}

func (c *Calls) describe(ch chan<- *prometheus.Desc) {
	c.total.Describe(ch)
	c.seconds.Describe(ch)
}

// collect hands out what was counted of the hosts that are in use. A request
// that was under way when its host went out of use may count once more; it is
// forgotten the next time.
func (c *Calls) collect(ch chan<- prometheus.Metric, inUse map[string]bool) {
	for key := range c.hosts.Range {
		if host, _ := key.(string); !inUse[host] {
			c.hosts.Delete(host)
			c.total.DeletePartialMatch(prometheus.Labels{labelHost: host})
			c.seconds.DeletePartialMatch(prometheus.Labels{labelHost: host})
		}
	}
	c.total.Collect(ch)
	c.seconds.Collect(ch)
}
