package plan

import (
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

func reportsCompliance(in *Input) { in.Cluster.Spec.PolicyCompliance = v1alpha1.PolicyComplianceReport }

func underPolicy(id string) func(*compute.ClusterDetails) {
	return func(c *compute.ClusterDetails) { c.PolicyId = id }
}

func TestWhenTheComplianceIsRead(t *testing.T) {
	for name, row := range map[string]struct {
		in       Input
		policyID string
		lookup   cache.Lookup
	}{
		"it is not declared":     {situation(owning, is("RUNNING", underPolicy("P1"))), "", cache.Lookup{}},
		"the cluster has one":    {situation(owning, reportsCompliance, is("RUNNING", underPolicy("P1"))), "P1", cache.Lookup{Cadence: cache.WhileQuiet}},
		"it is terminated":       {situation(owning, reportsCompliance, is("TERMINATED", underPolicy("P1"))), "P1", cache.Lookup{Cadence: cache.WhileQuiet}},
		"the cluster has none":   {situation(owning, reportsCompliance, is("RUNNING")), "", cache.Lookup{}},
		"the object is deleted":  {situation(owning, reportsCompliance, deleted, is("RUNNING", underPolicy("P1"))), "", cache.Lookup{}},
		"it is observed":         {situation(observing, reportsCompliance, is("RUNNING", underPolicy("P1"))), "P1", cache.Lookup{Cadence: cache.WhileQuiet}},
		"the cluster is missing": {situation(owning, reportsCompliance, effectivePolicy("P1"), gone(managed.Missing)), "", cache.Lookup{}},
		"nothing is known of it": {situation(owning, reportsCompliance), "", cache.Lookup{}},
		"it is not known":        {situation(owning, reportsCompliance, effectivePolicy("P1")), "P1", cache.Lookup{Cadence: cache.WhileQuiet}},
		"a write outdates it": {
			situation(owning, reportsCompliance, is("RUNNING", underPolicy("P1")), did(StepUpdate, time.Minute)), "P1",
			cache.Lookup{Cadence: cache.WhileQuiet, OutdatedBefore: noon.Add(-time.Minute)},
		},
		"an enforcement requests it": {
			situation(owning, reportsCompliance, is("RUNNING", underPolicy("P1")), enforcedBefore(time.Minute, "")), "P1",
			cache.Lookup{Cadence: cache.WhileQuiet, After: noon.Add(-time.Minute)},
		},
		"a lost answer requests it": {
			situation(owning, reportsCompliance, is("RUNNING", underPolicy("P1")), enforcedBefore(time.Minute, databricks.ClassAmbiguous)), "P1",
			cache.Lookup{Cadence: cache.WhileQuiet, After: noon.Add(-time.Minute)},
		},
		"a refused enforcement changes nothing": {
			situation(owning, reportsCompliance, is("RUNNING", underPolicy("P1")), enforcedBefore(time.Minute, databricks.ClassForbidden)), "P1",
			cache.Lookup{Cadence: cache.WhileQuiet},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			lookup, policyID := ComplianceLookup(row.in.Cluster, row.in.Observed.Presence, row.in.Observed.Details, row.in.Attempts)
			g.Expect(lookup).To(Equal(row.lookup))
			g.Expect(policyID).To(Equal(row.policyID))
		})
	}
}

func effectivePolicy(id string) change {
	return func(in *Input) { in.Cluster.Status.Effective = &v1alpha1.EffectiveSpec{PolicyID: id} }
}

// enforcedBefore sets the last enforcement, which failed with a class unless that is empty.
func enforcedBefore(ago time.Duration, class databricks.Class) change {
	return func(in *Input) {
		attempt := Attempt{Step: StepEnforceCompliance, At: noon.Add(-ago), Generation: 1}
		if class != "" {
			attempt.Failure = &managed.Failure{Class: class}
		}
		in.Attempts = in.Attempts.RecordedSideStep(attempt)
	}
}

func TestTheReadCompliance(t *testing.T) {
	g := NewWithT(t)
	in := situation(owning, reportsCompliance, is("RUNNING", underPolicy("P1")))
	read := func(look cache.Look[map[string]compute.ClusterCompliance]) Compliance {
		return ComplianceRead(in.Cluster, in.Observed.Details, look)
	}
	answer := func(told compute.ClusterCompliance) cache.Look[map[string]compute.ClusterCompliance] {
		return cache.Look[map[string]compute.ClusterCompliance]{
			StartedAt: noon, Value: map[string]compute.ClusterCompliance{clusterID: told, "other": {Violations: map[string]string{"x": "y"}}},
		}
	}
	g.Expect(read(cache.Look[map[string]compute.ClusterCompliance]{})).To(Equal(Compliance{PolicyID: "P1"}), "not read yet")
	g.Expect(read(answer(compute.ClusterCompliance{IsCompliant: true}))).To(Equal(Compliance{PolicyID: "P1", Seen: true}))
	g.Expect(read(answer(compute.ClusterCompliance{Violations: map[string]string{
		"spark_env_vars.PASSWORD": `the value must be x (is "s3cret")`, "autotermination_minutes": "too\nlong", "num_workers": "m",
	}})).Violations).To(Equal([]Violation{
		{"autotermination_minutes", "too long"},
		{"num_workers", "m"},
		{"spark_env_vars.PASSWORD", "the value is not permitted; it may be secret, so the message is not shown"},
	}))
	g.Expect(read(answer(compute.ClusterCompliance{})).Violations).To(HaveLen(1), "a violation without a path is one")

	unlisted := answer(compute.ClusterCompliance{})
	delete(unlisted.Value, clusterID)
	g.Expect(read(unlisted)).To(Equal(Compliance{PolicyID: "P1"}), "a cluster that the list lacks is not known")
	failed := read(cache.Look[map[string]compute.ClusterCompliance]{Err: &databricks.Error{Class: databricks.ClassForbidden, Message: "m"}})
	g.Expect(failed.Failure.Class).To(Equal(databricks.ClassForbidden))
	g.Expect(ComplianceRead(situation(owning).Cluster, in.Observed.Details, answer(compute.ClusterCompliance{}))).To(BeZero(), "it is not declared")
}

func TestAContradictionNamesThreeValues(t *testing.T) {
	g := NewWithT(t)
	in := situation(owning, is("RUNNING"), declared, compared)
	in.Cluster.Spec.PolicyCompliance = v1alpha1.PolicyComplianceEnforce
	in.Observed.Desired = drift.Tree{}
	for _, field := range []string{"autotermination_minutes", "driver_node_type_id", "node_type_id", "num_workers", "spark_version"} {
		in.Observed.Desired[field] = "declared"
		in.Observed.Compliance.Violations = append(in.Observed.Compliance.Violations, Violation{Path: field, Message: "m"})
	}
	in.Cluster.Status.AppliedDigest = drift.Digest(in.Observed.Desired)
	const three = "policyCompliance Enforce would change values of the spec: /autoterminationMinutes (m), /driverNodeTypeID (m), /nodeTypeID (m)"
	g.Expect(Make(in).Verdict.Message).To(Equal(three + ", and 2 more; correct them, or the policy"))
	in.Observed.Compliance.Violations = in.Observed.Compliance.Violations[:3]
	g.Expect(Make(in).Verdict.Message).To(Equal(three + "; correct them, or the policy"))
}
