package managed_test

import (
	"errors"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

func TestSeen(t *testing.T) {
	creation := func(token string, incarnation, attempt int64) change {
		return func(in *managed.Input) {
			in.Object.Status.Creation = &v1alpha1.CreationIntent{Token: token, Incarnation: incarnation, Attempt: attempt, NotAfter: new(metav1.NewTime(noon))}
		}
	}
	later := noon.Add(time.Minute)
	for name, row := range map[string]struct {
		before, now []change
		// generation, creation and deletion are when each was seen.
		generation, creation, deletion time.Time
	}{
		"[case-101] unchanged":                     {nil, nil, noon, time.Time{}, time.Time{}},
		"[case-102] edited":                        {nil, []change{func(in *managed.Input) { in.Object.SetGeneration(2) }}, later, time.Time{}, time.Time{}},
		"[case-103] deleted":                       {nil, []change{deleting}, noon, time.Time{}, later},
		"[case-103] deleted before":                {[]change{deleting}, []change{deleting}, noon, time.Time{}, noon},
		"[case-106] a creation begins":             {nil, []change{creation("t", 1, 1)}, noon, later, time.Time{}},
		"[case-106] the same creation":             {[]change{creation("t", 1, 1)}, []change{creation("t", 1, 1)}, noon, noon, time.Time{}},
		"[case-106] another attempt":               {[]change{creation("t", 1, 1)}, []change{creation("t", 1, 2)}, noon, later, time.Time{}},
		"[case-106] an attempt with a longer name": {[]change{creation("t", 1, 1)}, []change{creation("t", 1, 11)}, noon, later, time.Time{}},
		"[case-125] another incarnation":           {[]change{creation("t", 1, 1)}, []change{creation("t", 2, 1)}, noon, later, time.Time{}},
		"[case-106] its id is stored":              {[]change{creation("t", 1, 2)}, []change{creation("", 1, 0)}, noon, noon, time.Time{}},
		"[case-106] the id of another attempt is stored": {[]change{creation("t", 1, 1)}, []change{creation("", 1, 0), func(in *managed.Input) {
			in.Object.Status.Creation.NotAfter = new(metav1.NewTime(later))
		}}, noon, later, time.Time{}},
		"[case-106] another one's id is stored":   {[]change{creation("t", 1, 2)}, []change{creation("", 2, 0)}, noon, later, time.Time{}},
		"[case-106] an incarnation with a prefix": {[]change{creation("t", 11, 2)}, []change{creation("", 1, 0)}, noon, later, time.Time{}},
		"[case-106] it was compared": {[]change{creation("t", 1, 1)}, []change{func(in *managed.Input) {
			in.Object.Status.Creation = &v1alpha1.CreationIntent{Incarnation: 1}
		}}, noon, time.Time{}, time.Time{}},
		"[case-106] a token without a deadline": {nil, []change{creation("t", 1, 1), func(in *managed.Input) { in.Object.Status.Creation.NotAfter = nil }}, noon, later, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			seen := managed.Attempts{}.Seen(situation(row.before...).Object, noon).Seen(situation(row.now...).Object, later)
			g.Expect(seen.GenerationSeenAt).To(Equal(row.generation))
			g.Expect(seen.CreationSeenAt).To(Equal(row.creation))
			g.Expect(seen.DeletionSeenAt).To(Equal(row.deletion))
		})
	}
	t.Run("a new process sees generation zero, too", func(t *testing.T) {
		object := situation(func(in *managed.Input) { in.Object.SetGeneration(0) }).Object
		NewWithT(t).Expect(managed.Attempts{}.Seen(object, noon).GenerationSeenAt).To(Equal(noon))
	})
}

func TestFailuresInARowAreCounted(t *testing.T) {
	g := NewWithT(t)
	fails := func(kind managed.StepKind, generation int64) managed.Attempt {
		return managed.Attempt{Step: kind, Failure: &managed.Failure{Class: databricks.ClassBusy}, Generation: generation}
	}
	known := managed.Attempts{}.Recorded(fails(managed.StepEdit, 1)).Recorded(fails(managed.StepEdit, 1))
	g.Expect(known.Last.Failures).To(Equal(2))
	g.Expect(known.Recorded(fails(managed.StepEdit, 2)).Last.Failures).To(Equal(1), "another generation")
	g.Expect(known.Recorded(fails(managed.StepDelete, 1)).Last.Failures).To(Equal(1), "another step")
	g.Expect(known.Recorded(managed.Attempt{Step: managed.StepEdit, Generation: 1}).Last.Failures).To(BeZero(), "a success")

	side := known.Recorded(fails(managed.StepSetPermissions, 1)).Recorded(fails(managed.StepSetPermissions, 1))
	g.Expect(side.Side.Failures).To(Equal(2), "[case-119] permissions are counted apart")
	g.Expect(side.Last).To(Equal(known.Last))
}

func TestPermissionsDoNotEndTheGETOfAnEdit(t *testing.T) {
	g := NewWithT(t)
	in := situation(differing(map[string]any{"max_capacity": float64(9)}))
	in.Attempts = in.Attempts.WithBase(in.Compared.Differences, noon)
	g.Expect(managed.Make(in).Kind()).To(Equal(managed.StepEdit), "[case-118] a GET that began at that moment")
	after := in
	after.Attempts = in.Attempts.Recorded(managed.Attempt{Step: managed.StepSetPermissions})
	g.Expect(managed.Make(after).Kind()).To(Equal(managed.StepEdit))
	after.Attempts = in.Attempts.Recorded(managed.Attempt{Step: managed.StepEdit})
	g.Expect(managed.Make(after).Kind()).To(Equal(managed.StepRead), "a write does")
	after = in
	after.Observed.Remote.Tree["max_capacity"] = float64(8)
	after.Compared = managed.Compare(after)
	g.Expect(managed.Make(after).Kind()).To(Equal(managed.StepRead), "another difference needs another GET")
}

func TestAFailedEditIsNotOneWithoutAnEffect(t *testing.T) {
	g := NewWithT(t)
	in := situation(differing(map[string]any{"max_capacity": float64(9)}))
	for range 5 {
		in.Attempts = in.Attempts.Recorded(managed.Attempt{Step: managed.StepEdit, Sent: in.Compared.Differences, Failure: &managed.Failure{}})
		in.Attempts = in.Attempts.Recorded(managed.Attempt{Step: managed.StepCreate, Sent: in.Compared.Differences})
	}
	g.Expect(managed.Compare(in).Differences).To(HaveLen(1), "[case-115]")
	for range 2 {
		in.Attempts = in.Attempts.Recorded(managed.Attempt{Step: managed.StepEdit, Sent: in.Compared.Differences})
		in.Attempts = in.Attempts.WithComparison(managed.Compare(in)).WithComparison(managed.Comparison{})
	}
	g.Expect(managed.Compare(in).Differences).To(HaveLen(1), "[case-115] two edits")
	in.Attempts = in.Attempts.Recorded(managed.Attempt{Step: managed.StepEdit, Sent: in.Compared.Differences})
	g.Expect(managed.Compare(in).Differences).To(BeEmpty(), "[case-115] three")
	in.Attempts = in.Attempts.WithComparison(managed.Compare(in))
	g.Expect(managed.Compare(in).Differences).To(BeEmpty(), "what is known to be without an effect stays so")
}

func TestReadsThatFail(t *testing.T) {
	g := NewWithT(t)
	failure := &managed.Failure{}
	known := managed.Attempts{}.WithReads(failure, noon).WithReads(failure, noon.Add(time.Minute))
	g.Expect(known.ReadsFailSince).To(Equal(noon), "[case-133]")
	g.Expect(known.WithReads(nil, noon).ReadsFailSince).To(BeZero())
}

func TestAHeldStepIsReportedOnceItWaited(t *testing.T) {
	g := NewWithT(t)
	known := []metav1.Condition{{Type: v1alpha1.ConditionReady}}
	limit, breaker := managed.Hold{Reason: v1alpha1.ReasonRateLimited, Message: "limit"}, managed.Hold{Reason: v1alpha1.ReasonAPIUnavailable, Message: "breaker"}
	g.Expect(limit.IsOfLimit()).To(BeTrue())
	g.Expect(breaker.IsOfLimit()).To(BeFalse())
	g.Expect(limit.Verdict()).To(Equal(managed.Verdict{Reason: v1alpha1.ReasonRateLimited, Message: "limit"}))
	at := func(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }

	attempts, reported, reportAt := managed.Attempts{}.Held(known, managed.StepEdit, limit, at(0))
	g.Expect(reported).To(BeNil(), "[case-132]")
	g.Expect(reportAt).To(Equal(at(5)))
	attempts, reported, reportAt = attempts.Held(known, managed.StepEdit, limit, at(5))
	g.Expect(reported).To(HaveValue(Equal(limit)))
	g.Expect(reportAt).To(BeZero())
	attempts, reported, _ = attempts.Held(known, managed.StepEdit, breaker, at(6))
	g.Expect(reported).To(HaveValue(Equal(limit)), "[case-132] another reason that does not last")
	attempts, reported, _ = attempts.Held(known, managed.StepEdit, breaker, at(11))
	g.Expect(reported).To(HaveValue(Equal(breaker)), "[case-132] it lasts")
	_, reported, reportAt = attempts.Held(known, managed.StepDelete, breaker, at(12))
	g.Expect(reported).To(BeNil(), "another step waits anew")
	g.Expect(reportAt).To(Equal(at(17)))
	_, reported, _ = attempts.NotHeld().Held(known, managed.StepEdit, breaker, at(12))
	g.Expect(reported).To(BeNil(), "the step was sent in between")
	_, reported, _ = managed.Attempts{}.Held(nil, managed.StepCreate, limit, at(0))
	g.Expect(reported).To(HaveValue(Equal(limit)), "[case-132] the first status has the reason")
}

func TestFailureOf(t *testing.T) {
	g := NewWithT(t)
	of := &databricks.Error{Class: databricks.ClassThrottled, Code: "REQUEST_LIMIT_EXCEEDED", Message: "slow down", RetryAfter: time.Minute}
	wrapped := managed.FailureOf(errors.Join(errors.New("create"), of))
	g.Expect(wrapped).To(Equal(&managed.Failure{Class: databricks.ClassThrottled, Message: of.Error(), RetryAfter: time.Minute}))
	g.Expect(managed.FailureOf(errors.New("cut"))).To(Equal(&managed.Failure{Class: databricks.ClassTransient, Message: "cut"}))
	for class, stalls := range map[databricks.Class]bool{databricks.ClassForbidden: true, databricks.ClassBusy: false} {
		g.Expect((&managed.Failure{Class: class}).Stalls()).To(Equal(stalls))
	}
}
