package report

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

// contendedHistory returns a running object with a contended field.
func contendedHistory(difference drift.Difference) *history {
	h := newHistory().created().inState("RUNNING")
	return h.report(Input{
		Observed: plan.Observation{Presence: managed.Present, Details: h.input.Observed.Details, Desired: desired, Compared: true, Differences: []drift.Difference{difference}},
		Plan: plan.Plan{
			Contended: []plan.Contention{{Subject: difference.SpecPath(), Difference: &difference}},
			Reversed:  []string{difference.SpecPath()},
		},
	})
}

func TestContentionIsReported(t *testing.T) {
	g := NewWithT(t)
	h := contendedHistory(drift.Difference{Path: "/num_workers", Field: "num_workers", Desired: 2.0, Actual: 7.0, Size: true})
	synced := h.condition(v1alpha1.ConditionSynced)
	g.Expect(synced.Reason).To(Equal(v1alpha1.ReasonContended), "[case-90]")
	g.Expect(synced.Message).To(And(ContainSubstring("/numWorkers"), ContainSubstring(`"2"`), ContainSubstring(`"7"`), ContainSubstring("more than three times within an hour")))
	g.Expect(h.readiness()).To(Equal("True Running"), "[case-90] Ready depends on the state")
	g.Expect(h.last.Events).To(ContainElement(HaveField("Reason", v1alpha1.ReasonContended)))

	message := synced.Message
	h.report(Input{
		Observed: plan.Observation{Presence: managed.Present, Details: h.input.Observed.Details, Desired: desired, Compared: true},
		Plan:     plan.Plan{Contended: []plan.Contention{{Subject: "/numWorkers"}}},
	})
	g.Expect(h.condition(v1alpha1.ConditionSynced).Message).To(Equal(message), "between two reversals")
	g.Expect(h.last.Events).To(BeEmpty())
}

func TestContentionReportsNoSecret(t *testing.T) {
	g := NewWithT(t)
	h := contendedHistory(drift.Difference{Path: "/spark_conf/key", Field: "spark_conf", Desired: "canary-1", Actual: "canary-2"})
	g.Expect(h.condition(v1alpha1.ConditionSynced).Message).To(And(ContainSubstring("[redacted]"), Not(ContainSubstring("canary"))), "[case-76]")
}

func TestCorrectionsAreCountedUntilTheObjectIsEdited(t *testing.T) {
	g := NewWithT(t)
	h := contendedHistory(drift.Difference{Path: "/num_workers", Field: "num_workers", Desired: 2.0, Actual: 7.0, Size: true})
	g.Expect(h.cluster.Status.Corrections).To(HaveLen(1))
	g.Expect(h.cluster.Status.Corrections[0].Count).To(BeEquivalentTo(1))
	h.edited(func(s *v1alpha1.DatabricksClusterSpec) { s.NumWorkers = new(int32(3)) })
	h.observing(plan.Observation{Presence: managed.Present, Details: h.input.Observed.Details})
	g.Expect(h.cluster.Status.Corrections).To(BeEmpty(), "[case-90]")
}

func TestACorrectionIsCountedWhenItsStepSucceeded(t *testing.T) {
	for name, row := range map[string]struct {
		outcome   Outcome
		corrected bool
	}{
		"[case-90] it waits":  {Outcome{}, false},
		"[case-90] it failed": {Outcome{Ran: true, Failure: &managed.Failure{Class: databricks.ClassTransient, Message: "later"}}, false},
		"[case-90] it ran":    {Outcome{Ran: true}, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			h := contendedHistory(drift.Difference{Path: "/num_workers", Field: "num_workers", Desired: 2.0, Actual: 7.0, Size: true})
			h.report(Input{
				Observed: h.input.Observed, Plan: plan.Plan{Step: plan.Resize{ClusterID: clusterID}, Corrects: []string{"/numWorkers"}}, Outcome: row.outcome,
			})
			g.Expect(h.cluster.Status.Corrections).To(HaveLen(1))
			g.Expect(h.cluster.Status.Corrections[0].CorrectedTime != nil).To(Equal(row.corrected))
		})
	}
}

func TestReversalsAreCountedFromTheLatestCounts(t *testing.T) {
	for name, row := range map[string]struct {
		latest []v1alpha1.Correction
		count  int32
	}{
		"[case-90] those of the status":        {nil, 2},
		"[case-90] newer ones than the status": {[]v1alpha1.Correction{{Subject: "/numWorkers", Count: 4, FirstTime: new(metav1.NewTime(noon)), LastTime: new(metav1.NewTime(noon))}}, 5},
	} {
		t.Run(name, func(t *testing.T) {
			h := contendedHistory(drift.Difference{Path: "/num_workers", Field: "num_workers", Desired: 2.0, Actual: 7.0, Size: true})
			h.report(Input{Observed: h.input.Observed, Plan: plan.Plan{Reversed: []string{"/numWorkers"}}, Corrections: row.latest})
			NewWithT(t).Expect(h.cluster.Status.Corrections).To(ConsistOf(And(HaveField("Subject", "/numWorkers"), HaveField("Count", BeEquivalentTo(row.count)))))
		})
	}
}

func TestAWaitingStepReportsItsReason(t *testing.T) {
	g := NewWithT(t)
	waiting := Input{
		Observed: plan.Observation{Host: host},
		Plan:     plan.Plan{Step: plan.Create{}, Verdict: managed.Verdict{Reason: v1alpha1.ReasonCreating, Message: "the cluster is being created"}},
		Outcome:  Outcome{Held: &managed.Hold{Reason: v1alpha1.ReasonRateLimited, Message: "waiting for the workspace's request limit"}},
	}
	h := newHistory().report(waiting)
	g.Expect(h.readiness()).To(Equal("False Reconciling RateLimited"), "[case-73]")
	before := h.cluster.Status.DeepCopy()
	h.report(waiting)
	g.Expect(&h.cluster.Status).To(Equal(before), "[case-78] the same message again")

	waiting.Plan.NonBlocking = true
	running := newHistory().created().inState("RUNNING")
	waiting.Observed = running.input.Observed
	waiting.Plan.Verdict = managed.Verdict{}
	g.Expect(running.report(waiting).readiness()).To(Equal("True Running"), "a pin that waits does not affect Ready")
}

func TestAWaitingDeletionReportsTheRemedy(t *testing.T) {
	g := NewWithT(t)
	h := newHistory().created()
	h.cluster.DeletionTimestamp = &h.cluster.CreationTimestamp
	hold := managed.Hold{Reason: v1alpha1.ReasonRetryingAfterError, Message: "waiting: the credential was refused"}
	g.Expect(plan.VerdictOnHold(h.cluster, hold).Message).To(And(HavePrefix(hold.Message), ContainSubstring("deletionPolicy: Retain")), "[case-44] [case-73]")
}

func TestTheSelectorOfEveryNameIsValid(t *testing.T) {
	g := NewWithT(t)
	seen := map[string]bool{}
	for _, name := range []string{"etl", strings.Repeat("a", 63), strings.Repeat("a", 64), strings.Repeat("a", 63) + "b", strings.Repeat("a.", 100) + "z", strings.Repeat("x", 253)} {
		key, value, _ := strings.Cut(v1alpha1.SelectorFor(name), "=")
		g.Expect(key).To(Equal(v1alpha1.LabelCluster))
		g.Expect(validation.IsValidLabelValue(value)).To(BeEmpty(), name)
		g.Expect(seen).NotTo(HaveKey(value), name)
		seen[value] = true
	}
	g.Expect(v1alpha1.SelectorFor("etl")).To(HaveSuffix("=etl"))
}
