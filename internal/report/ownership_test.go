package report

import (
	"fmt"
	"testing"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

func TestAChangeIsBeingAppliedUntilTheStartThatFollowsItIsSent(t *testing.T) {
	for name, row := range map[string]struct {
		outcome Outcome
		want    string
	}{
		"[case-33] it is not sent yet": {Outcome{}, plan.Applying},
		"[case-33] it failed":          {Outcome{Ran: true, Failure: &managed.Failure{Class: databricks.ClassTransient, Message: "later"}}, plan.Applying},
		"[case-33] it was sent":        {Outcome{Ran: true}, drift.Digest(desired)},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHistory().created().inState("TERMINATED")
			h.cluster.Status.AppliedDigest = plan.Applying
			observed := h.input.Observed
			observed.Desired, observed.Compared = desired, true
			h.report(Input{Observed: observed, Plan: plan.Plan{Step: plan.Start{ClusterID: clusterID}}, Outcome: row.outcome})
			NewWithT(t).Expect(h.cluster.Status.AppliedDigest).To(Equal(row.want))
		})
	}
}

func TestAChangeIsInEffectOnceNothingDiffers(t *testing.T) {
	for name, row := range map[string]struct {
		before string
		step   plan.Step
	}{
		"[case-33] no start follows the change":    {plan.Applying, nil},
		"[case-33] the start follows no change":    {"v1:0123456789abcdef", plan.Start{ClusterID: clusterID}},
		"[case-33] another step follows and waits": {plan.Applying, plan.Pin{ClusterID: clusterID}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHistory().created().inState("TERMINATED")
			h.cluster.Status.AppliedDigest = row.before
			h.report(Input{Observed: h.input.Observed, Plan: plan.Plan{Step: row.step}})
			NewWithT(t).Expect(h.cluster.Status.AppliedDigest).To(Equal(drift.Digest(desired)))
		})
	}
}

func TestNothingIsOwnedBeforeAComparison(t *testing.T) {
	g := NewWithT(t)
	h := newHistory().created().comparedByGet(nil, []drift.Difference{{Path: "/single_user_name", Field: "single_user_name", Desired: "A", Actual: "a"}})
	before := h.cluster.Status.DeepCopy()
	h.report(Input{Observed: plan.Observation{Host: host, Desired: drift.Tree{"spark_version": "17.3.x"}, SecretsDigest: "v1:cccc"}})
	g.Expect(h.cluster.Status.OwnedFields).To(Equal([]string{"/numWorkers"}))
	g.Expect(h.cluster.Status.AppliedDigest).To(Equal(before.AppliedDigest))
	g.Expect(h.cluster.Status.SecretsDigest).To(Equal("v1:aaaa"))
	g.Expect(h.cluster.Status.NormalizedFields).To(HaveLen(1))
}

func TestAnObservingObjectOwnsNothing(t *testing.T) {
	g := NewWithT(t)
	h := newHistory().edited(observe).comparedByGet(nil, nil)
	g.Expect(h.cluster.Status.OwnedFields).To(BeEmpty(), "[case-56]")
	g.Expect(h.cluster.Status.AppliedDigest).To(BeEmpty(), "[case-56]")
}

func TestNewFieldsAreOwnedBeforeTheyAreSent(t *testing.T) {
	g := NewWithT(t)
	h := newHistory().created().comparedByGet(nil, nil)
	h.cluster.Status.OwnedFields = []string{"/sparkConf/a", "/numWorkers"}
	observed := h.input.Observed
	observed.Desired = drift.Tree{"num_workers": 2.0, "spark_version": "17.3.x", "custom_tags": map[string]any{"b": "1", "a": "2"}}
	observed.SecretsDigest = "v1:bbbb"
	observed.Differences = []drift.Difference{{Path: "/spark_version", Field: "spark_version", Desired: "17.3.x", Actual: "16.4.x"}}
	h.report(Input{Observed: observed, Plan: plan.Plan{Step: plan.PersistOwnership{}}, Outcome: Outcome{Ran: true}})
	g.Expect(h.cluster.Status.OwnedFields).To(Equal([]string{"/customTags/a", "/customTags/b", "/numWorkers", "/sparkConf/a", "/sparkVersion"}))
	g.Expect(h.cluster.Status.AppliedDigest).To(Equal(plan.Applying))
	g.Expect(h.cluster.Status.SecretsDigest).To(Equal("v1:aaaa"), "[case-77] no secret was rotated")
}

// comparedByGet reports a running cluster that was compared by GET.
func (h *history) comparedByGet(differences, normalized []drift.Difference) *history {
	details := &compute.ClusterDetails{ClusterId: clusterID, State: compute.StateRunning, SparkContextId: 7}
	return h.observing(plan.Observation{
		Presence: managed.Present, Details: details, SpecKnown: true, Differences: differences, Normalized: normalized, SecretsDigest: "v1:aaaa",
	})
}

func TestNormalizedFieldsAreShownAndKeepTheObjectReady(t *testing.T) {
	t.Run("[case-66]", func(t *testing.T) {
		g := NewWithT(t)
		made := []drift.Difference{
			{Path: "/aws_attributes/first_on_demand", Field: "aws_attributes", Desired: 0.0, Actual: 1.0, Requested: 0.0},
			{Path: "/spark_conf/spark.password", Field: "spark_conf", Desired: "hunter2", Actual: "hunter3"},
		}
		h := newHistory().created()
		h.cluster.Status.Creation.Digest = drift.Digest(desired)
		h.comparedByGet(nil, made)
		g.Expect(h.readiness()).To(Equal("True Running"))
		synced := h.condition(v1alpha1.ConditionSynced)
		g.Expect(synced.Reason).To(Equal(v1alpha1.ReasonServerNormalized))
		g.Expect(synced.Status).To(BeEquivalentTo("False"))
		g.Expect(synced.Message).To(ContainSubstring("/awsAttributes/firstOnDemand (desired 0, actual 1)"))
		g.Expect(fmt.Sprint(h.cluster.Status, h.allEvents())).NotTo(ContainSubstring("hunter"))
		g.Expect(h.cluster.Status.Drift).To(HaveLen(2))
		g.Expect(h.cluster.Status.Drift[0]).To(Equal(v1alpha1.DriftedField{Path: "/awsAttributes/firstOnDemand", Desired: "0", Actual: "1"}))
		g.Expect(h.cluster.Status.NormalizedFields).To(HaveLen(2))
		g.Expect(h.cluster.Status.AppliedDigest).To(Equal(drift.Digest(desired)))
		g.Expect(h.cluster.Status.Creation.Digest).To(BeEmpty(), "it is compared")
		g.Expect(h.events()).To(ContainElement(v1alpha1.ReasonServerNormalized))

		before := h.cluster.Status.DeepCopy()
		h.comparedByGet(nil, made)
		g.Expect(h.cluster.Status).To(Equal(*before))
		g.Expect(h.events()).To(BeEmpty())

		h.comparedByGet(nil, nil)
		g.Expect(h.condition(v1alpha1.ConditionSynced).Reason).To(Equal(v1alpha1.ReasonInSync))
		g.Expect(h.cluster.Status.NormalizedFields).To(BeEmpty())
		g.Expect(h.cluster.Status.Drift).To(BeEmpty())
	})
}

func TestTheDigestOfTheCreateIsKeptUntilTheFirstComparison(t *testing.T) {
	t.Run("[case-66]", func(t *testing.T) {
		g := NewWithT(t)
		h := newHistory()
		h.cluster.Status.Creation = &v1alpha1.CreationIntent{Token: "t", Incarnation: 1, Digest: "v1:x"}
		h.report(Input{Plan: plan.Plan{Step: plan.Create{}}, Outcome: Outcome{Ran: true, Created: clusterID}})
		g.Expect(h.cluster.Status.Creation.Digest).To(Equal("v1:x"))
		h.report(Input{Observed: plan.Observation{Presence: managed.Unknown}})
		g.Expect(h.cluster.Status.Creation.Digest).To(Equal("v1:x"))
		h.comparedByGet(nil, nil)
		g.Expect(h.cluster.Status.Creation).To(Equal(&v1alpha1.CreationIntent{Incarnation: 1}))
	})
}

func TestTheDigestOfTheCreateIsDroppedByACompleteComparison(t *testing.T) {
	differs := []drift.Difference{{Path: "/spark_version", Field: "spark_version", Desired: "17.3.x", Actual: "16.4.x"}}
	for name, row := range map[string]struct {
		specKnown   bool
		differences []drift.Difference
		creation    v1alpha1.CreationIntent
		want        string
	}{
		"[case-66] a GET without a difference":   {true, nil, v1alpha1.CreationIntent{Digest: "v1:x"}, ""},
		"[case-66] a GET with a difference":      {true, differs, v1alpha1.CreationIntent{Digest: "v1:x"}, ""},
		"[case-66] a list without a difference":  {false, nil, v1alpha1.CreationIntent{Digest: "v1:x"}, ""},
		"[case-66] a list with a difference":     {false, differs, v1alpha1.CreationIntent{Digest: "v1:x"}, "v1:x"},
		"[case-66] the result is not known, yet": {true, nil, v1alpha1.CreationIntent{Token: "t", Digest: "v1:x"}, "v1:x"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHistory()
			if row.creation.Token == "" {
				h.created()
			}
			h.cluster.Status.Creation = &row.creation
			h.report(Input{Observed: plan.Observation{
				Host: host, Presence: managed.Present, Details: &compute.ClusterDetails{ClusterId: clusterID, State: compute.StateRunning},
				Desired: desired, Compared: true, SpecKnown: row.specKnown, Differences: row.differences,
			}})
			NewWithT(t).Expect(h.cluster.Status.Creation.Digest).To(Equal(row.want))
		})
	}
}

func TestARemovedFieldIsDroppedOnlyIfTheSpecIsKnown(t *testing.T) {
	for known, want := range map[bool][]string{false: {"/numWorkers", "/sparkConf/a"}, true: {"/numWorkers"}} {
		t.Run(fmt.Sprintf("[case-62] spec known: %t", known), func(t *testing.T) {
			h := newHistory().created()
			h.cluster.Status.OwnedFields = []string{"/numWorkers", "/sparkConf/a"}
			details := &compute.ClusterDetails{ClusterId: clusterID, State: compute.StateRunning, SparkContextId: 7}
			h.observing(plan.Observation{Presence: managed.Present, Details: details, SpecKnown: known})
			NewWithT(t).Expect(h.cluster.Status.OwnedFields).To(Equal(want))
		})
	}
}

func TestADigestOfAnOlderVersionIsReplacedIfNothingDiffers(t *testing.T) {
	t.Run("[case-80]", func(t *testing.T) {
		g := NewWithT(t)
		h := newHistory().created()
		h.cluster.Status.AppliedDigest = "0123456789abcdef"
		h.comparedByGet([]drift.Difference{{Path: "/custom_tags/a", Field: "custom_tags", Desired: "1", Actual: "2"}}, nil)
		g.Expect(h.cluster.Status.AppliedDigest).To(Equal("0123456789abcdef"))
		g.Expect(h.condition(v1alpha1.ConditionSynced).Reason).To(Equal(v1alpha1.ReasonDriftDetected))
		h.comparedByGet(nil, nil)
		g.Expect(h.cluster.Status.AppliedDigest).To(Equal(drift.Digest(desired)))
		g.Expect(h.cluster.Status.SecretsDigest).To(Equal("v1:aaaa"))
	})
}

func TestTheSecretsDigestIsStoredWhenTheyAreSent(t *testing.T) {
	rotated := []drift.Difference{{Path: "/docker_image/basic_auth", Field: "docker_image", Desired: "[rotated]"}}
	for name, row := range map[string]struct {
		step    plan.Step
		outcome Outcome
		want    string
	}{
		"before they are sent": {plan.PersistOwnership{}, Outcome{Ran: true}, plan.Applying},
		"sent":                 {plan.Update{ClusterID: clusterID}, Outcome{Ran: true}, "v1:bbbb"},
		"not sent":             {plan.Update{ClusterID: clusterID}, Outcome{}, "v1:aaaa"},
		"refused":              {plan.Update{ClusterID: clusterID}, Outcome{Ran: true, Failure: &managed.Failure{Class: databricks.ClassInvalid}}, "v1:aaaa"},
	} {
		t.Run("[case-77] "+name, func(t *testing.T) {
			g := NewWithT(t)
			h := newHistory().created().comparedByGet(nil, nil)
			observed := h.input.Observed
			observed.Desired, observed.Compared, observed.Differences = desired, true, rotated
			observed.SecretsDigest, observed.SecretsRotated = "v1:bbbb", true
			h.report(Input{Observed: observed, Plan: plan.Plan{Step: row.step}, Outcome: row.outcome})
			g.Expect(h.cluster.Status.SecretsDigest).To(Equal(row.want))
			if plan.KindOf(row.step) == plan.StepPersistOwnership {
				g.Expect(h.cluster.Status.AppliedDigest).To(Equal(plan.Applying))
			}
		})
	}
}
