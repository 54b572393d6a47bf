package simulator

import (
	"fmt"
	"math"
	"net/http"
	"path"
	"time"

	"golang.org/x/time/rate"
)

// Limit is a token bucket. Callers learn of it only by its 429.
type Limit struct {
	// Workspace is the name of the workspace it holds for; empty is each of
	// them, with a bucket of its own.
	Workspace string `json:"workspace,omitempty"`
	// Endpoint is a pattern of endpoints ("clusters/get", "clusters/*", "*"),
	// each with a bucket of its own; empty is one bucket for all together.
	Endpoint string `json:"endpoint,omitempty"`
	// Rate is requests per second; Burst how many may come at once (0 is those of a
	// second, at least 1).
	Rate  float64 `json:"rate"`
	Burst int     `json:"burst,omitempty"`
	// RetryAfter is the header of the 429: empty for none, RetryAfterSeconds,
	// RetryAfterDate, or anything else to be sent as it stands.
	RetryAfter string `json:"retry_after,omitempty"`
	// RetryInfo adds a google.rpc.RetryInfo to the body.
	RetryInfo bool `json:"retry_info,omitempty"`
}

// Ways to fill in a Retry-After header truthfully.
const (
	RetryAfterSeconds = "seconds"
	RetryAfterDate    = "date"
)

type limiter struct {
	limits  []Limit
	buckets map[bucketKey]*rate.Limiter
}

type bucketKey struct {
	limit               int
	workspace, endpoint string
}

func newLimiter(limits []Limit) *limiter {
	return &limiter{limits: limits, buckets: map[bucketKey]*rate.Limiter{}}
}

// SetLimits replaces all limits, with full buckets.
func (s *Server) SetLimits(limits ...Limit) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.limits = newLimiter(limits)
}

// Limits are the limits that hold now.
func (s *Server) Limits() []Limit {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return append([]Limit{}, s.limits.limits...)
}

// admit takes a token from every bucket of the request, or from none.
func (l *limiter) admit(workspace, endpoint string, now time.Time) *refusal {
	var taken []*rate.Reservation
	for i, limit := range l.limits {
		if !limit.holdsFor(workspace, endpoint) {
			continue
		}
		reservation := l.bucket(i, workspace, endpoint).ReserveN(now, 1)
		taken = append(taken, reservation)
		if wait := reservation.DelayFrom(now); wait > 0 {
			for _, r := range taken {
				r.CancelAt(now)
			}
			return limit.refusal(endpoint, wait, now)
		}
	}
	return nil
}

func (l *limiter) bucket(limit int, workspace, endpoint string) *rate.Limiter {
	key := bucketKey{limit: limit, workspace: workspace}
	if l.limits[limit].Endpoint != "" {
		key.endpoint = endpoint
	}
	if l.buckets[key] == nil {
		l.buckets[key] = l.limits[limit].newBucket()
	}
	return l.buckets[key]
}

func (l Limit) newBucket() *rate.Limiter {
	burst := l.Burst
	if burst == 0 {
		burst = int(math.Ceil(l.Rate))
	}
	return rate.NewLimiter(rate.Limit(l.Rate), max(1, burst))
}

func (l Limit) holdsFor(workspace, endpoint string) bool {
	return (l.Workspace == "" || l.Workspace == workspace) && (l.Endpoint == "" || matches(l.Endpoint, endpoint))
}

func (l Limit) refusal(endpoint string, wait time.Duration, now time.Time) *refusal {
	r := refuse(http.StatusTooManyRequests, "REQUEST_LIMIT_EXCEEDED",
		"%s RPC token bucket limit has been exceeded.", rpcName(endpoint))
	seconds := int64(math.Ceil(wait.Seconds()))
	switch l.RetryAfter {
	case "":
	case RetryAfterSeconds:
		r.header = http.Header{"Retry-After": {decimal(seconds)}}
	case RetryAfterDate:
		at := now.Add(time.Duration(seconds) * time.Second)
		r.header = http.Header{"Retry-After": {at.UTC().Format(http.TimeFormat)}}
	default:
		r.header = http.Header{"Retry-After": {l.RetryAfter}}
	}
	if l.RetryInfo {
		r.details = []any{map[string]any{
			"@type":       "type.googleapis.com/google.rpc.RetryInfo",
			"retry_delay": fmt.Sprintf("%.3fs", wait.Seconds()),
		}}
	}
	return r
}

// matches is a pattern of endpoint names: path.Match, and "*" for all.
func matches(pattern, endpoint string) bool {
	if pattern == "*" {
		return true
	}
	ok, err := path.Match(pattern, endpoint)
	return err == nil && ok
}
