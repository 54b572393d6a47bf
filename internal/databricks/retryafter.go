package databricks

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRetryAfter limits the delay that a server can request, so that a wrong header does
// not stop the operator for days. The operator may then retry too early.
const maxRetryAfter = 10 * time.Minute

// parseRetryAfter parses a Retry-After header (RFC 9110, 10.2.3): seconds or a date. It
// returns 0 if the header is absent, malformed, negative or in the past.
func parseRetryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if seconds, err := strconv.ParseFloat(value, 64); err == nil {
		return capSeconds(seconds)
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(date.Sub(now), 0), maxRetryAfter)
}

// parseRetryDelay parses retry_delay of google.rpc.RetryInfo: "3.5s", which is the JSON
// form of a Duration, or {"seconds":3,"nanos":500000000}.
func parseRetryDelay(raw json.RawMessage) time.Duration {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		seconds, err := strconv.ParseFloat(strings.TrimSuffix(text, "s"), 64)
		if err != nil {
			return 0
		}
		return capSeconds(seconds)
	}
	var parts struct {
		Seconds json.Number `json:"seconds"`
		Nanos   float64     `json:"nanos"`
	}
	if json.Unmarshal(raw, &parts) != nil {
		return 0
	}
	// An absent number is 0.
	seconds, _ := parts.Seconds.Float64()
	return capSeconds(seconds + parts.Nanos/1e9)
}

func capSeconds(seconds float64) time.Duration {
	switch {
	case math.IsNaN(seconds) || seconds <= 0:
		return 0
	case seconds >= maxRetryAfter.Seconds():
		return maxRetryAfter
	default:
		return time.Duration(seconds * float64(time.Second))
	}
}
