package cache

import (
	"time"

	"github.com/go-logr/logr"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

// Client is a workspace as one credential reaches it.
type Client interface {
	databricks.Reader
	databricks.Writer
}

// priorities is how many priorities the rate limiter has.
const priorities = ratelimit.PriorityDeep + 1

// Call describes one finished call, for metrics.
type Call struct {
	Host     string
	Endpoint string
	Priority ratelimit.Priority
	// Duration is how long the call took; what was waited before is not in it.
	Duration time.Duration
	// Err is nil, or how the call failed.
	Err error
}

// Options are what a Registry runs with. The zero value of a field means its
// default, but for Dial, which is needed.
type Options struct {
	// Dial makes the client of a credential. It makes no call.
	Dial func(config databricks.Config) (Client, error)
	// OnChange is called with the objects for which something changed that their last
	// Interest asked for. It is called from many goroutines and must return soon.
	OnChange func(objects []Object)
	// Observer is called after every call; nil: nothing is. It must return soon.
	Observer func(Call)
	Logger   logr.Logger

	// Fast is how often a cluster in transition is read: 8 s.
	Fast time.Duration
	// Slow is how often everything is read: at most 4.5 min, of which up to a tenth is
	// taken at random.
	Slow time.Duration
	// Deep is over what time the spec of every cluster is read again: 7 days.
	Deep time.Duration
	// Settle is the debounce: a request that a list may serve waits 500 ms, so that one
	// list serves several, and the first of a new cache twice that.
	Settle time.Duration

	// RequestDeadline is how long one call may take: 30 s.
	RequestDeadline time.Duration
	// Grace is how long a new cluster may stay unseen without being Missing:
	// 1 min.
	Grace time.Duration
	// Lag is how long a write may take effect after its deadline: 10 s.
	Lag time.Duration
	// PageSize is how many clusters a page of a list holds: 100, the most that
	// the API takes.
	PageSize int

	Limits Limits
}

// Limits bound the calls to one host.
type Limits struct {
	// Start is the rate before anything is learned: 4 calls per second.
	Start float64
	// Max is never exceeded: 30 calls per second, what Databricks used to publish
	// as a workspace's limit.
	Max float64
	// Headroom is the share of the learned limit that is left to people and
	// other tools: 0.2.
	Headroom float64
	// Burst is how many calls may come at once: 5.
	Burst int
	// MaxRetryAfter caps what a server may ask for: 5 min.
	MaxRetryAfter time.Duration
	// ProbeRefused is how often a rejected credential is tried again: 20 min, so that
	// no hour has more than 4 such calls.
	ProbeRefused time.Duration
}

func (o Options) rateLimit() ratelimit.Options {
	return ratelimit.Options{
		Start: o.Limits.Start, Max: o.Limits.Max, Headroom: o.Limits.Headroom, Burst: o.Limits.Burst,
		MaxRetryAfter: o.Limits.MaxRetryAfter, Logger: o.Logger,
	}
}

func (o Options) withDefaults() Options {
	fill(&o.Fast, 8*time.Second)
	fill(&o.Slow, 270*time.Second)
	fill(&o.Deep, 7*24*time.Hour)
	fill(&o.Settle, 500*time.Millisecond)
	fill(&o.RequestDeadline, 30*time.Second)
	fill(&o.Grace, time.Minute)
	fill(&o.Lag, 10*time.Second)
	fill(&o.PageSize, 100)
	fill(&o.Limits.Start, 4)
	fill(&o.Limits.Max, 30)
	fill(&o.Limits.Headroom, 0.2)
	fill(&o.Limits.Burst, 5)
	fill(&o.Limits.MaxRetryAfter, 5*time.Minute)
	fill(&o.Limits.ProbeRefused, 20*time.Minute)
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

func fill[T comparable](field *T, standard T) {
	var zero T
	if *field == zero {
		*field = standard
	}
}
