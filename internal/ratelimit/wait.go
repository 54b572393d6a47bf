package ratelimit

import "time"

// Reason is why a request was not sent. The text is a label of metrics and fits
// the reason of a condition.
type Reason string

const (
	// ReasonRateLimited: the rate is used up by other requests.
	ReasonRateLimited Reason = "RateLimited"
	// ReasonRetryAfter: the service sent a Retry-After.
	ReasonRetryAfter Reason = "RetryAfter"
	// ReasonEndpointUnavailable: the breaker of the endpoint is open.
	ReasonEndpointUnavailable Reason = "EndpointUnavailable"
	// ReasonHostUnavailable: the breaker of the host is open.
	ReasonHostUnavailable Reason = "HostUnavailable"
	// ReasonRetryBudget: too many of the flow's requests to the endpoint failed.
	ReasonRetryBudget Reason = "RetryBudgetExhausted"
	// ReasonUnanswered: too many writes are in flight.
	ReasonUnanswered Reason = "Unanswered"
)

var reasonTexts = map[Reason][2]string{
	ReasonRateLimited:         {"the request limit of ", " is used up"},
	ReasonRetryAfter:          {"", " asked to wait before more requests"},
	ReasonEndpointUnavailable: {"requests to ", " fail; it is probed until it answers again"},
	ReasonHostUnavailable:     {"", " does not answer; it is probed until it answers again"},
	ReasonRetryBudget:         {"too many requests to ", " fail"},
	ReasonUnanswered:          {"earlier writes to ", " have not been answered yet"},
}

// Wait is the error of a request that was held and may be sent at At.
type Wait struct { //nolint:errname // a result of Acquire, which also implements error
	// At is when to retry. An earlier request gets the same answer.
	At     time.Time
	Reason Reason
	// Domain is the domain that holds the request: the name of the Limiter, or an
	// endpoint.
	Domain string
}

// Error returns the reason and the domain, without the time, which differs with every
// attempt.
func (w *Wait) Error() string {
	text := reasonTexts[w.Reason]
	return text[0] + w.Domain + text[1]
}
