package controller_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// underPolicy is a workspace with a policy that permits everything.
func underPolicy() simulator.Options {
	return simulator.Options{Workspaces: []simulator.Workspace{{
		Policies:   []simulator.Policy{{ID: "P1", Name: "team", Definition: `{}`}},
		Principals: []simulator.Principal{{UserName: simulator.DefaultUser, Tokens: []string{simulator.DefaultToken}}},
	}}}
}

// complying sets spec.policyCompliance of a cluster with the policy.
func complying(how v1alpha1.PolicyCompliance) specChange {
	return func(s *v1alpha1.DatabricksClusterSpec) { s.PolicyID, s.PolicyCompliance = "P1", how }
}

// definePolicy changes the definition of the policy.
func (r *rig) definePolicy(definition string) {
	r.t.Helper()
	_, err := r.workspace.AddPolicy("", simulator.Policy{ID: "P1", Name: "team", Definition: definition})
	r.Expect(err).NotTo(HaveOccurred())
}

const (
	// speculates fixes a value that no object of these tests declares, and shortIdle one
	// that all of them declare.
	speculates = `{"spark_conf.spark.speculation": {"type": "fixed", "value": "true"}}`
	shortIdle  = `{"autotermination_minutes": {"type": "range", "maxValue": 30, "defaultValue": 10}}`
)

func withCompliance(t *testing.T, size size) *rig {
	t.Helper()
	r := size.rig(t, underPolicy())
	r.cacheOptions.Deep = 300 * time.Millisecond
	return r
}

func TestPolicyCompliance(t *testing.T) {
	t.Parallel()
	eachSize(t, "an object that does not declare it causes no call", func(t *testing.T, size size) {
		r := withCompliance(t, size)
		cluster := r.running(func(s *v1alpha1.DatabricksClusterSpec) { s.PolicyID = "P1" })
		r.Consistently(func() int { return len(r.workspace.RequestsTo("policies/list-compliance")) }).Should(BeZero())
		r.Expect(conditions(r.get(cluster))).NotTo(ContainElement(ContainSubstring("PolicyCompliant")))
	})

	eachSize(t, "Report shows a violation and changes nothing; the condition goes with the field", func(t *testing.T, size size) {
		r := withCompliance(t, size)
		cluster := r.running(complying(v1alpha1.PolicyComplianceReport))
		r.becomes(cluster, "PolicyCompliant=Compliant")
		r.definePolicy(speculates)
		violating := r.becomes(cluster, "PolicyCompliant!=PolicyViolated")
		r.Expect(violating.Status.Violations).To(Equal([]v1alpha1.PolicyViolation{{
			Path: "spark_conf.spark.speculation", Message: "the value is not permitted; it may be secret, so the message is not shown",
		}}))
		r.Expect(conditions(violating)).To(ContainElements("Ready=Running", "Synced=InSync"))
		r.Eventually(func() []string { return r.events(cluster) }).Should(ContainElement("PolicyViolated"))
		r.definePolicy(`{}`)
		r.Expect(r.becomes(cluster, "PolicyCompliant=Compliant").Status.Violations).To(BeEmpty())
		r.Expect(r.quietWrites()).To(BeEmpty())
		r.editSpec(cluster, func(s *v1alpha1.DatabricksClusterSpec) { s.PolicyCompliance = "" })
		r.inSync(cluster)
		r.Eventually(func() []string { return conditions(r.get(cluster)) }).ShouldNot(ContainElement(HavePrefix("PolicyCompliant")))
	})

	eachSize(t, "Enforce changes a running cluster once, which restarts, and owns no more than before", func(t *testing.T, size size) {
		r := withCompliance(t, size)
		cluster := r.running(complying(v1alpha1.PolicyComplianceEnforce))
		r.becomes(cluster, "PolicyCompliant=Compliant")
		owned := r.get(cluster).Status.OwnedFields
		r.definePolicy(speculates)
		r.Eventually(r.writes).Should(Equal([]string{"policies/enforce-compliance"}))
		r.Eventually(func() []string { return r.notes(cluster, "PolicyEnforced") }).Should(ConsistOf(
			And(ContainSubstring("which restarts"), HaveSuffix("spark_conf.spark.speculation"))))
		r.becomes(cluster, "PolicyCompliant=Compliant")
		r.Expect(conditions(r.becomes(cluster, "Ready=Running"))).To(ContainElement("Synced=InSync"))
		record, _ := r.workspace.Cluster(cluster.Status.ClusterID)
		r.Expect(record.Settings["spark_conf"]).To(HaveKeyWithValue("spark.speculation", "true"))
		r.Expect(r.get(cluster).Status.OwnedFields).To(Equal(owned))
		r.stop()
		r.start()
		r.Expect(r.quietWrites()).To(Equal([]string{"policies/enforce-compliance"}))
	})

	eachSize(t, "a cluster that may not be restarted is changed when it is down, and is not started", func(t *testing.T, size size) {
		r := withCompliance(t, size)
		cluster := r.running(complying(v1alpha1.PolicyComplianceEnforce), func(s *v1alpha1.DatabricksClusterSpec) {
			s.UpdateStrategy = &v1alpha1.UpdateStrategy{Type: v1alpha1.UpdateStrategyOnTermination}
		})
		r.definePolicy(speculates)
		violating := r.becomes(cluster, "PolicyCompliant!=PolicyViolated")
		r.Expect(message(violating, "PolicyCompliant")).To(ContainSubstring("enforced when the cluster is down or restarted"))
		r.Expect(r.quietWrites()).To(BeEmpty())
		r.end(cluster.Status.ClusterID, "INACTIVITY", "SUCCESS")
		r.Eventually(r.writes).Should(Equal([]string{"policies/enforce-compliance"}))
		r.becomes(cluster, "PolicyCompliant=Compliant")
		r.Expect(r.get(cluster).Status.State).To(Equal("TERMINATED"))
	})

	eachSize(t, "a policy that contradicts the spec stalls the object with both, and nothing is written until one of them changes", func(t *testing.T, size size) {
		r := withCompliance(t, size)
		cluster := r.running(complying(v1alpha1.PolicyComplianceEnforce))
		r.definePolicy(shortIdle)
		stalled := r.becomes(cluster, "Stalled=PolicyViolation")
		r.Expect(message(stalled, "Stalled")).To(And(ContainSubstring("/autoterminationMinutes"), ContainSubstring("the value must be at most 30")))
		r.Expect(conditions(stalled)).To(ContainElement("PolicyCompliant!=PolicyViolated"))
		r.Expect(r.quietWrites()).To(BeEmpty())
		r.editSpec(cluster, func(s *v1alpha1.DatabricksClusterSpec) { s.AutoterminationMinutes = new(int32(20)) })
		r.becomes(cluster, "PolicyCompliant=Compliant")
		r.becomes(cluster, "Ready=Running")
		r.Expect(r.quietWrites()).To(Equal([]string{"update"}))
	})

	eachSize(t, "a refused enforcement is in the condition, delays nothing else and is not repeated", func(t *testing.T, size size) {
		r := withCompliance(t, size)
		cluster := r.running(complying(v1alpha1.PolicyComplianceEnforce))
		r.workspace.AddFault(simulator.Fault{Endpoint: "policies/enforce-compliance", Status: http.StatusForbidden, ErrorCode: "PERMISSION_DENIED", Message: "no rights"})
		r.definePolicy(speculates)
		r.Eventually(func() string { return message(r.get(cluster), "PolicyCompliant") }).Should(ContainSubstring("the policy is not enforced: PERMISSION_DENIED: no rights"))
		r.editSpec(cluster, sparkConf("spark.x", "y"))
		r.Eventually(r.writes).Should(Equal([]string{"update"}))
		r.becomes(cluster, "Ready=Running")
		r.Consistently(func() int { return r.calls("policies/enforce-compliance") }).Should(BeNumerically("<=", 2), "an edit tries it once more")
	})

	eachSize(t, "a list that fails is in the condition, and the object stays Ready", func(t *testing.T, size size) {
		r := withCompliance(t, size)
		r.workspace.AddFault(simulator.Fault{Endpoint: "policies/list-compliance", Status: http.StatusForbidden, ErrorCode: "PERMISSION_DENIED", Message: "no rights"})
		cluster := r.running(complying(v1alpha1.PolicyComplianceReport))
		told := r.becomes(cluster, "PolicyCompliant?=PermissionDenied")
		r.Expect(message(told, "PolicyCompliant")).To(ContainSubstring("no rights"))
		r.Expect(conditions(told)).To(ContainElement("Ready=Running"))
	})

	eachSize(t, "a cluster without a policy has none to comply with", func(t *testing.T, size size) {
		r := withCompliance(t, size)
		cluster := r.running(func(s *v1alpha1.DatabricksClusterSpec) { s.PolicyCompliance = v1alpha1.PolicyComplianceEnforce })
		r.becomes(cluster, "PolicyCompliant?=NoPolicy")
		r.Expect(r.workspace.RequestsTo("policies/list-compliance")).To(BeEmpty())
	})
}

func TestAnEnforcementNeedsTheNewestObject(t *testing.T) {
	r := withCompliance(t, alone)
	begin, end := r.outdatedReads()
	cluster := r.running(complying(v1alpha1.PolicyComplianceEnforce))
	r.becomes(cluster, "PolicyCompliant=Compliant")
	begin()
	r.editSpec(cluster, func(s *v1alpha1.DatabricksClusterSpec) { s.PolicyCompliance = v1alpha1.PolicyComplianceReport })
	r.definePolicy(speculates)
	lists := len(r.workspace.RequestsTo("policies/list-compliance"))
	r.Eventually(func() int { return len(r.workspace.RequestsTo("policies/list-compliance")) }).Should(BeNumerically(">", lists+2))
	r.Consistently(r.writes).Should(BeEmpty())
	end()
	r.becomes(cluster, "PolicyCompliant!=PolicyViolated")
	r.Expect(r.quietWrites()).To(BeEmpty())
}

func TestOneListServesAllObjectsOfAPolicy(t *testing.T) {
	r := newRig(t, underPolicy())
	all := r.twelve(complying(v1alpha1.PolicyComplianceReport))
	r.workspace.ClearRequests()
	r.cacheOptions.Deep = time.Hour
	r.stop()
	r.start()
	for _, cluster := range all {
		r.becomes(cluster, "PolicyCompliant=Compliant")
	}
	r.Consistently(func() int { return len(r.workspace.RequestsTo("policies/list-compliance")) }).Should(Equal(1), fmt.Sprintf("for %d objects", len(all)))
}
