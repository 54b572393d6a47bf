package plan

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

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
		r, ok := responses[class]
		g.Expect(ok).To(BeTrue(), "%s", class)
		g.Expect(hasKnownReason(Verdict{Reason: r.reason, Stalled: r.stalled, Message: "m"})).To(BeTrue(), "%s", class)
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
		g.Expect(failure.backoff(0)).To(Equal(r.first))
		g.Expect(failure.backoff(1)).To(Equal(r.first))
		g.Expect(failure.backoff(2)).To(Equal(min(2*r.first, r.longest)))
		last := time.Duration(0)
		for failures := range 40 {
			pause := failure.backoff(failures)
			g.Expect(pause).To(BeNumerically(">=", last))
			g.Expect(pause).To(BeNumerically("<=", r.longest))
			last = pause
		}
		g.Expect(last).To(Equal(r.longest), "%s", class)
		g.Expect(failure.backoff(1 << 40)).To(Equal(r.longest))
	}
}

func TestRetryAfterIsTheMinimum(t *testing.T) {
	g := NewWithT(t)
	failure := &Failure{Class: databricks.ClassThrottled, RetryAfter: 7 * time.Minute}
	g.Expect(failure.backoff(1)).To(Equal(7*time.Minute), "[case-08]")
	failure.RetryAfter = time.Second
	g.Expect(failure.backoff(1)).To(Equal(2*time.Second), "[case-08]")
}

func TestWhatEndsABackoff(t *testing.T) {
	changedSpec := func(in *Input) { in.Cluster.Generation, in.Cluster.Status.ObservedGeneration = 2, 2 }
	changedSecret := observed(func(w *Observation) { w.Credential = "second" })
	for name, row := range map[string]struct {
		failed change
		change change
		tried  bool
	}{
		"[case-07] nothing":                               {failed(StepCreate, databricks.ClassInvalid, time.Minute), unchanged, false},
		"[case-07] a changed spec":                        {failed(StepCreate, databricks.ClassInvalid, time.Minute), changedSpec, true},
		"[case-57] a changed Secret":                      {failed(StepCreate, databricks.ClassUnauthenticated, time.Minute), changedSecret, true},
		"[case-07] time":                                  {failed(StepCreate, databricks.ClassInvalid, 30*time.Minute), unchanged, true},
		"[case-08] not a changed spec, where throttled":   {failed(StepCreate, databricks.ClassThrottled, time.Second), changedSpec, false},
		"[case-08] not a changed Secret, where throttled": {failed(StepCreate, databricks.ClassThrottled, time.Second), changedSecret, false},
		"not a changed spec, where the workspace fails":   {failed(StepCreate, databricks.ClassTransient, time.Second), changedSpec, false},
		"another step has no backoff":                     {failed(StepTerminate, databricks.ClassInvalid, time.Second), unchanged, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			in := situation(row.failed, row.change)
			plan := Make(in)
			if row.tried {
				g.Expect(plan.Kind()).To(Equal(StepCreate))
				return
			}
			g.Expect(plan.Kind()).To(Equal(StepNone))
			g.Expect(plan.Verdict).To(Equal(in.Attempts.Last.Failure.Verdict()), "it has the reason")
			g.Expect(plan.RequeueAt).To(Equal(in.Attempts.Last.At.Add(in.Attempts.Last.Failure.backoff(1))), "and a requeue")
		})
	}
}

func unchanged(*Input) {}

func TestAFailureHasTheSameVerdictDuringItsBackoff(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		in := situation(owning, is("RUNNING"), deleted)
		step := StepPermanentDelete
		if rapid.Bool().Draw(t, "alive") {
			in, step = situation(), StepCreate
		}
		failed(step, rapid.SampledFrom(classes).Draw(t, "class"), 0)(&in)
		in.Attempts.Last.Failures = rapid.IntRange(1, 9).Draw(t, "failures")
		g.Expect(Make(in).Verdict).To(Equal(VerdictOn(in.Cluster, in.Attempts.Last.Failure)))
	})
}
