package cache

import (
	"time"

	"github.com/go-logr/logr"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

// Client calls a workspace with one credential.
type Client interface {
	databricks.Reader
	databricks.Writer
}

// priorities is the number of priorities of the rate limiter.
const priorities = ratelimit.PriorityDeep + 1

// Call describes one finished call, for metrics.
type Call struct {
	Host     string
	Endpoint string
	Priority ratelimit.Priority
	// Duration is how long the call took, without the wait for the rate limiter.
	Duration time.Duration
	// Err is the failure of the call; nil after a success.
	Err error
}

// Options configure a Registry. The zero value of a field means its default; Dial is
// required.
type Options struct {
	// Dial returns the client of a credential. It makes no call.
	Dial func(config databricks.Config) (Client, error)
	// OnChange is called with the objects whose View changed. It is called from many
	// goroutines and must not block.
	OnChange func(objects []Object)
	// Observer is called after every call, unless it is nil. It must not block.
	Observer func(Call)
	Logger   logr.Logger

	// Fast is the read interval of a cluster in transition: 8 s.
	Fast time.Duration
	// Slow is the read interval of all other clusters: 4.5 min, shortened by up to a
	// tenth at random.
	Slow time.Duration
	// Deep is the read interval of each cluster's spec: 7 days.
	Deep time.Duration
	// Settle is the debounce of requests that a list may serve: 500 ms, and twice that
	// for the first list of a new cache.
	Settle time.Duration

	// RequestDeadline is the timeout of one call: 30 s.
	RequestDeadline time.Duration
	// Grace is how long a new cluster may be invisible without being Missing: 1 min.
	Grace time.Duration
	// Lag is how long after its deadline a write may still take effect: 10 s.
	Lag time.Duration
	// PageSize is the number of clusters on a page of a list: 100, the maximum of the
	// API.
	PageSize int

	Limits Limits
}

// Limits bound the calls to one host.
type Limits struct {
	// Start is the initial rate: 4 calls per second.
	Start float64
	// Max is the highest rate: 30 calls per second, which Databricks used to publish
	// as the limit of a workspace.
	Max float64
	// Headroom is the share of the learned limit that is left to people and other
	// tools: 0.2.
	Headroom float64
	// Burst is the number of calls that may be made at once: 5.
	Burst int
	// MaxRetryAfter caps the Retry-After of a server: 5 min.
	MaxRetryAfter time.Duration
	// ProbeRefused is the retry interval of a rejected credential: 20 min, which allows
	// at most 4 such calls per hour.
	ProbeRefused time.Duration
}

func (o Options) rateLimit() ratelimit.Options {
	return ratelimit.Options{
		Start: o.Limits.Start, Max: o.Limits.Max, Headroom: o.Limits.Headroom, Burst: o.Limits.Burst,
		MaxRetryAfter: o.Limits.MaxRetryAfter, Logger: o.Logger,
	}
}

func (o Options) withDefaults() Options {
	setDefault(&o.Fast, 8*time.Second)
	setDefault(&o.Slow, 270*time.Second)
	setDefault(&o.Deep, 7*24*time.Hour)
	setDefault(&o.Settle, 500*time.Millisecond)
	setDefault(&o.RequestDeadline, 30*time.Second)
	setDefault(&o.Grace, time.Minute)
	setDefault(&o.Lag, 10*time.Second)
	setDefault(&o.PageSize, 100)
	setDefault(&o.Limits.Start, 4)
	setDefault(&o.Limits.Max, 30)
	setDefault(&o.Limits.Headroom, 0.2)
	setDefault(&o.Limits.Burst, 5)
	setDefault(&o.Limits.MaxRetryAfter, 5*time.Minute)
	setDefault(&o.Limits.ProbeRefused, 20*time.Minute)
	if o.OnChange == nil {
		o.OnChange = func([]Object) {}
	}
	if o.Observer == nil {
		o.Observer = func(Call) {}
	}
	if o.Logger.GetSink() == nil {
		o.Logger = logr.Discard()
	}
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
