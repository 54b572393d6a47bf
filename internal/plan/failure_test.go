package plan

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// classes are all classes of internal/databricks.
var classes = []databricks.Class{
	databricks.ClassMissing, databricks.ClassBusy, databricks.ClassPinned, databricks.ClassInvalid, databricks.ClassUnauthenticated,
	databricks.ClassForbidden, databricks.ClassQuota, databricks.ClassThrottled, databricks.ClassUnsupported, databricks.ClassTooLarge,
	databricks.ClassTransient, databricks.ClassAmbiguous, databricks.ClassHost,
}

func TestEveryFailureHasAKnownReason(t *testing.T) {
	g := NewWithT(t)
	for _, class := range classes {
		g.Expect(hasKnownReason((&managed.Failure{Class: class, Message: "m"}).Verdict())).To(BeTrue(), "%s", class)
	}
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
			g.Expect(plan.RequeueAt).To(Equal(in.Attempts.Last.At.Add(in.Attempts.Last.Failure.Backoff(1))), "and a requeue")
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

func TestTheVerdictWhileAStepWaits(t *testing.T) {
	limit := managed.Hold{Reason: v1alpha1.ReasonRateLimited, Message: "the request limit is reached"}
	closed := managed.Hold{Reason: v1alpha1.ReasonRetryingAfterError, Message: "the workspace fails"}
	for name, row := range map[string]struct {
		changes []change
		hold    managed.Hold
		message string
	}{
		"[case-08] the request limit":                   {nil, limit, "the request limit is reached"},
		"[case-08] the request limit during a deletion": {[]change{deleted}, limit, "the request limit is reached"},
		"[case-44] another reason":                      {nil, closed, "the workspace fails"},
		"[case-44] another reason during a deletion":    {[]change{deleted}, closed, "the workspace fails; set spec.deletionPolicy: Retain to release this object and keep the cluster"},
	} {
		t.Run(name, func(t *testing.T) {
			verdict := VerdictOnHold(situation(row.changes...).Cluster, row.hold)
			NewWithT(t).Expect(verdict).To(Equal(managed.Verdict{Reason: row.hold.Reason, Message: row.message}))
		})
	}
}
