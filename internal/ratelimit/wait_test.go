package ratelimit

import (
	"testing"

	. "github.com/onsi/gomega"
)

func TestTheMessageOfAWaitNamesTheReasonAndTheDomain(t *testing.T) {
	for reason, want := range map[Reason]string{
		ReasonRateLimited:         "the request limit of host is used up",
		ReasonRetryAfter:          "host asked to wait before more requests",
		ReasonEndpointUnavailable: "requests to host fail; it is probed until it answers again",
		ReasonHostUnavailable:     "host does not answer; it is probed until it answers again",
		ReasonRetryBudget:         "too many requests to host fail",
		ReasonUnanswered:          "earlier writes to host have not been answered yet",
	} {
		NewWithT(t).Expect(&Wait{Reason: reason, Domain: "host"}).To(MatchError(want))
	}
}
