package ratelimit

import (
	"time"

	"github.com/go-logr/logr"
)

// Options configure a Limiter. The zero value of a field means its default.
type Options struct {
	// Start is the initial rate: 4 requests per second.
	Start float64
	// Max is the highest rate: 30 requests per second, which Databricks used to publish
	// as the limit of a workspace.
	Max float64
	// Headroom is the share of the learned limit that is left to people and other
	// tools: 0.2.
	Headroom float64
	// Burst is the number of requests that may be sent at once: 5.
	Burst int
	// MaxRetryAfter caps the Retry-After of a service: 5 min.
	MaxRetryAfter time.Duration
	// Logger logs the changes of breakers, and with V(1) those of the rate.
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
