package managed

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// classes are all classes of internal/databricks.
var classes = []databricks.Class{
	databricks.ClassMissing, databricks.ClassBusy, databricks.ClassPinned, databricks.ClassInvalid, databricks.ClassUnauthenticated,
	databricks.ClassForbidden, databricks.ClassQuota, databricks.ClassThrottled, databricks.ClassUnsupported, databricks.ClassTooLarge,
	databricks.ClassTransient, databricks.ClassAmbiguous, databricks.ClassHost,
}

func TestEveryClassOfFailureHasAResponse(t *testing.T) {
	g := NewWithT(t)
	for _, class := range classes {
		_, ok := responses[class]
		g.Expect(ok).To(BeTrue(), "%s", class)
	}
	g.Expect(responses).To(HaveLen(len(classes)))
}

func TestTheVerdictOfAFailure(t *testing.T) {
	for name, row := range map[string]struct {
		failure Failure
		reason  string
		stalled bool
	}{
		"[case-07] a refused value":           {Failure{Class: databricks.ClassInvalid, Message: "INVALID_PARAMETER_VALUE: no such node type"}, v1alpha1.ReasonInvalidSpec, true},
		"[case-07] a policy's refusal":        {Failure{Class: databricks.ClassInvalid, Message: "INVALID_PARAMETER_VALUE: Cluster validation error: Validation failed for num_workers, the value must be at most 3"}, v1alpha1.ReasonPolicyViolation, true},
		"a quoted refusal of another class":   {Failure{Class: databricks.ClassForbidden, Message: "Cluster validation error: Validation failed for x"}, v1alpha1.ReasonPermissionDenied, true},
		"[case-08] a missing right":           {Failure{Class: databricks.ClassForbidden, Message: "m"}, v1alpha1.ReasonPermissionDenied, true},
		"[case-08] too many requests":         {Failure{Class: databricks.ClassThrottled, Message: "m"}, v1alpha1.ReasonRateLimited, false},
		"[case-57] a refused token":           {Failure{Class: databricks.ClassUnauthenticated, Message: "m"}, v1alpha1.ReasonAuthenticationFailed, true},
		"a limit of the account":              {Failure{Class: databricks.ClassQuota, Message: "m"}, v1alpha1.ReasonQuotaExceeded, true},
		"[case-02] a lost answer":             {Failure{Class: databricks.ClassAmbiguous, Message: "m"}, v1alpha1.ReasonRetryingAfterError, false},
		"a failure of no class that is known": {Failure{Class: "New", Message: "m"}, v1alpha1.ReasonRetryingAfterError, false},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(row.failure.Verdict()).To(Equal(Verdict{Reason: row.reason, Message: row.failure.Message, Stalled: row.stalled}))
		})
	}
}

func TestBackoffGrowsAndIsBounded(t *testing.T) {
	g := NewWithT(t)
	for _, class := range append(classes, "New") {
		failure := &Failure{Class: class}
		r := failure.response()
		g.Expect(failure.Backoff(0)).To(Equal(r.first))
		g.Expect(failure.Backoff(1)).To(Equal(r.first))
		g.Expect(failure.Backoff(2)).To(Equal(min(2*r.first, r.longest)))
		last := time.Duration(0)
		for failures := range 40 {
			pause := failure.Backoff(failures)
			g.Expect(pause).To(BeNumerically(">=", last))
			g.Expect(pause).To(BeNumerically("<=", r.longest))
			last = pause
		}
		g.Expect(last).To(Equal(r.longest), "%s", class)
		g.Expect(failure.Backoff(1 << 40)).To(Equal(r.longest))
	}
}

// The pauses are in docs/architecture.md, too.
func TestThePausesOfEachClass(t *testing.T) {
	const second, minute, hour = time.Second, time.Minute, time.Hour
	for class, row := range map[databricks.Class]struct{ first, longest time.Duration }{
		databricks.ClassInvalid: {30 * minute, 6 * hour}, databricks.ClassForbidden: {10 * minute, hour}, databricks.ClassQuota: {5 * minute, hour},
		databricks.ClassUnauthenticated: {15 * minute, hour}, databricks.ClassHost: {15 * minute, hour}, databricks.ClassUnsupported: {30 * minute, 6 * hour},
		databricks.ClassThrottled: {2 * second, 5 * minute}, databricks.ClassTransient: {2 * second, 5 * minute}, databricks.ClassAmbiguous: {5 * second, 5 * minute},
		databricks.ClassBusy: {5 * second, minute}, databricks.ClassMissing: {5 * second, 5 * minute}, databricks.ClassTooLarge: {minute, 5 * minute},
		databricks.ClassPinned: {2 * second, 5 * minute},
	} {
		g := NewWithT(t)
		failure := &Failure{Class: class}
		g.Expect(failure.Backoff(1)).To(Equal(row.first), "[case-133] %s", class)
		g.Expect(failure.Backoff(100)).To(Equal(row.longest), "[case-133] %s", class)
	}
}

func TestRetryAfterIsTheMinimum(t *testing.T) {
	g := NewWithT(t)
	failure := &Failure{Class: databricks.ClassThrottled, RetryAfter: 7 * time.Minute}
	g.Expect(failure.Backoff(1)).To(Equal(7*time.Minute), "[case-08]")
	failure.RetryAfter = time.Second
	g.Expect(failure.Backoff(1)).To(Equal(2*time.Second), "[case-08]")
}
