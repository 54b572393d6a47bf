package metrics

import (
	"net/http"
	"strconv"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// Calls counts the requests to Databricks. A scrape removes the series of hosts that
// no object uses any more.
type Calls struct {
	total   *prometheus.CounterVec
	seconds *prometheus.HistogramVec
	// hosts are those that were called.
	hosts sync.Map
}

// NewCalls returns Calls without series.
func NewCalls() *Calls {
	return &Calls{
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: namespace + "_requests_total",
			Help: "Requests to Databricks, including those for tokens, by workspace, method, endpoint and HTTP status code; the code is none if there was no answer.",
		}, []string{labelHost, "method", "endpoint", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: namespace + "_request_duration_seconds",
			Help: "Duration of requests to Databricks, by workspace and endpoint, with any outcome.",
			// The deadline of a request is 30 s.
			Buckets: []float64{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30},
		}, []string{labelHost, "endpoint"}),
	}
}

// Observer returns a function that counts the requests of a client of the host.
func (c *Calls) Observer(host string) func(databricks.Call) {
	return func(call databricks.Call) {
		c.total.WithLabelValues(host, call.Method, call.Endpoint, code(call.StatusCode)).Inc()
		c.seconds.WithLabelValues(host, call.Endpoint).Observe(call.Duration.Seconds())
		c.hosts.Store(host, true) // last, so that collect finds every counted host
	}
}

// code returns the label value of a status, which bounds the values because a server
// may return any number.
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

// collect sends the series of the hosts that are in use and deletes all others. A
// request in flight may create a series of an unused host again, which the next
// collect deletes.
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
