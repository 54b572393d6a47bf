package ratelimit

import (
	"time"

	"github.com/go-logr/logr"
)

// Options configure a Limiter. The zero value of a field means its default.
type Options struct {
	// Start is the rate before anything is learned: 4 requests per second.
	Start float64
	// Max is never exceeded: 30 requests per second, what Databricks used to
	// publish as a workspace's limit.
	Max float64
	// Headroom is the share of the learned limit that is left to people and other
	// tools: 0.2.
	Headroom float64
	// Burst is how many requests may be sent at once: 5.
	Burst int
	// MaxRetryAfter caps the wait that a service may ask for: 5 min.
	MaxRetryAfter time.Duration
	// Logger receives the changes of breakers, and with V(1) those of the rate.
	Logger logr.Logger
}

func (o Options) withDefaults() Options {
	setDefault(&o.Start, 4)
	setDefault(&o.Max, 30)
	setDefault(&o.Headroom, 0.2)
	setDefault(&o.Burst, 5)
	setDefault(&o.MaxRetryAfter, 5*time.Minute)
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
