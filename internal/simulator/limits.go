package simulator

import (
	"fmt"
	"math"
	"net/http"
	"path"
	"time"

	"golang.org/x/time/rate"
)

// Limit is a token bucket. Callers see it only as a 429.
type Limit struct {
	// Workspace is the name of the workspace to which it applies; empty means
	// every workspace, each with its own bucket.
	Workspace string `json:"workspace,omitempty"`
	// Endpoint is a pattern of endpoints ("clusters/get", "clusters/*", "*"),
	// each with its own bucket; empty means one bucket for all endpoints.
	Endpoint string `json:"endpoint,omitempty"`
	// Rate is in requests per second; Burst is the size of the bucket (0: the
	// requests of one second, at least 1).
	Rate  float64 `json:"rate"`
	Burst int     `json:"burst,omitempty"`
	// RetryAfter is the header of the 429: empty for none, RetryAfterSeconds,
	// RetryAfterDate, or a literal value.
	RetryAfter string `json:"retry_after,omitempty"`
	// RetryInfo adds a google.rpc.RetryInfo to the body.
	RetryInfo bool `json:"retry_info,omitempty"`
}

// Values of Limit.RetryAfter that send the true waiting time.
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

// Limits returns the current limits.
func (s *Server) Limits() []Limit {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return append([]Limit{}, s.limits.limits...)
}

// admit takes a token from every bucket of the request, or from none.
func (l *limiter) admit(workspace, endpoint string, now time.Time) *apiError {
	var taken []*rate.Reservation
	for i, limit := range l.limits {
		if !limit.appliesTo(workspace, endpoint) {
			continue
		}
		reservation := l.bucket(i, workspace, endpoint).ReserveN(now, 1)
		taken = append(taken, reservation)
		if wait := reservation.DelayFrom(now); wait > 0 {
			for _, r := range taken {
				r.CancelAt(now)
			}
			return limit.exceeded(endpoint, wait, now)
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

func (l Limit) appliesTo(workspace, endpoint string) bool {
	return (l.Workspace == "" || l.Workspace == workspace) && (l.Endpoint == "" || matches(l.Endpoint, endpoint))
}

func (l Limit) exceeded(endpoint string, wait time.Duration, now time.Time) *apiError {
	r := newAPIError(http.StatusTooManyRequests, "REQUEST_LIMIT_EXCEEDED",
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

// matches reports whether an endpoint name matches a pattern: path.Match, and
// "*" for all.
func matches(pattern, endpoint string) bool {
	if pattern == "*" {
		return true
	}
	ok, err := path.Match(pattern, endpoint)
	return err == nil && ok
}
