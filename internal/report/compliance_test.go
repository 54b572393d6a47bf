package report

import (
	"fmt"
	"strings"
	"testing"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

// complying reports an observed compliance of a running cluster with a policy.
func (h *history) complying(compliance plan.Compliance, enforcement string) *history {
	details := &compute.ClusterDetails{ClusterId: clusterID, State: "RUNNING", PolicyId: compliance.PolicyID}
	return h.report(Input{
		Observed: plan.Observation{
			Host: host, WorkspaceID: "1", Presence: managed.Present, Details: details, Compared: true, Desired: desired, Compliance: compliance,
		},
		Plan: plan.Plan{Enforcement: enforcement},
	})
}

func (h *history) compliance() string {
	condition := h.condition(v1alpha1.ConditionPolicyCompliant)
	if condition == nil {
		return ""
	}
	return fmt.Sprintf("%s %s: %s", condition.Status, condition.Reason, condition.Message)
}

func asksCompliance(s *v1alpha1.DatabricksClusterSpec) {
	s.PolicyCompliance = v1alpha1.PolicyComplianceReport
}

var (
	complies = plan.Compliance{PolicyID: "P1", Seen: true}
	violates = plan.Compliance{PolicyID: "P1", Seen: true, Violations: []plan.Violation{{Path: "a", Message: "m"}}}
	unread   = plan.Compliance{PolicyID: "P1"}
)

func TestPolicyCompliant(t *testing.T) {
	g := NewWithT(t)
	h := newHistory().created()
	g.Expect(h.complying(violates, "").compliance()).To(BeEmpty(), "it is not declared")
	g.Expect(h.cluster.Status.Violations).To(BeEmpty())

	h.edited(asksCompliance)
	g.Expect(h.complying(unread, "").compliance()).To(HavePrefix("Unknown NotChecked: "))
	g.Expect(h.complying(complies, "").compliance()).To(Equal("True Compliant: the cluster complies with its policy"))
	g.Expect(h.events()).To(BeEmpty(), "it is no problem")
	g.Expect(h.complying(unread, "").compliance()).To(HavePrefix("True Compliant"), "the last answer stays until the next one")
	g.Expect(h.complying(violates, "").compliance()).To(Equal("False PolicyViolated: not permitted by the policy: a (m)"))
	g.Expect(h.events()).To(ContainElement("PolicyViolated"))
	g.Expect(h.cluster.Status.Violations).To(Equal([]v1alpha1.PolicyViolation{{Path: "a", Message: "m"}}))
	g.Expect(h.complying(violates, "so it is").compliance()).To(HaveSuffix("a (m); so it is"))
	g.Expect(h.events()).NotTo(ContainElement("PolicyViolated"), "only the transition is an event")
	h.complying(unread, "")
	g.Expect(h.cluster.Status.Violations).To(HaveLen(1), "they stay with the condition")

	failed := plan.Compliance{PolicyID: "P1", Failure: &managed.Failure{Class: databricks.ClassForbidden, Message: "m"}}
	g.Expect(h.complying(failed, "").compliance()).To(Equal("Unknown PermissionDenied: the compliance cannot be read: m"))
	g.Expect(h.complying(plan.Compliance{}, "").compliance()).To(Equal("Unknown NoPolicy: the cluster has no policy"))
	g.Expect(h.cluster.Status.Violations).To(BeEmpty())
	g.Expect(h.complying(unread, "").compliance()).To(HavePrefix("Unknown NotChecked"), "it has a policy now")

	h.complying(complies, "").edited(func(s *v1alpha1.DatabricksClusterSpec) { s.PolicyID = "P2" })
	g.Expect(h.complying(unread, "").compliance()).To(HavePrefix("Unknown NotChecked"), "the last answer is about another specification")
	h.complying(violates, "").edited(func(s *v1alpha1.DatabricksClusterSpec) { s.PolicyCompliance = "" })
	g.Expect(h.complying(unread, "").compliance()).To(BeEmpty())
	g.Expect(h.cluster.Status.Violations).To(BeEmpty())
}

func TestTheComplianceOfAClusterThatIsGone(t *testing.T) {
	for name, presence := range map[string]managed.Presence{"missing": managed.Missing, "purged": managed.Purged} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			h := newHistory().created().edited(asksCompliance).complying(violates, "")
			h.observing(plan.Observation{Presence: presence})
			g.Expect(h.compliance()).To(HavePrefix("Unknown NotChecked"))
			g.Expect(h.cluster.Status.Violations).To(BeEmpty())
		})
	}
}

func TestTheComplianceOfAClusterThatIsNotReadStays(t *testing.T) {
	g := NewWithT(t)
	h := newHistory().created().edited(asksCompliance).complying(violates, "")
	before := h.compliance()
	h.observing(plan.Observation{})
	g.Expect(h.compliance()).To(Equal(before))
	g.Expect(h.cluster.Status.Violations).To(HaveLen(1))
}

func TestViolationsAreBounded(t *testing.T) {
	g := NewWithT(t)
	many := complies
	for i := range 200 {
		many.Violations = append(many.Violations, plan.Violation{Path: fmt.Sprintf("p%03d", i), Message: strings.Repeat("x", 5000)})
	}
	many.Violations = append([]plan.Violation{{Path: strings.Repeat("p", 5000)}, {Path: "p000"}, {Path: ""}}, many.Violations...)
	h := newHistory().created().edited(asksCompliance).complying(many, "")
	g.Expect(h.cluster.Status.Violations).To(HaveLen(20))
	paths := map[string]bool{}
	for _, violation := range h.cluster.Status.Violations {
		g.Expect([]rune(violation.Path)).To(And(Not(BeEmpty()), WithTransform(func(r []rune) int { return len(r) }, BeNumerically("<=", 512))))
		g.Expect(len([]rune(violation.Message))).To(BeNumerically("<=", 1024))
		g.Expect(paths).NotTo(HaveKey(violation.Path), "the list is a map")
		paths[violation.Path] = true
	}
	g.Expect(h.compliance()).To(ContainSubstring("and 200 more"))
}

func TestAnEnforcementIsAnEvent(t *testing.T) {
	g := NewWithT(t)
	h := newHistory().created().edited(asksCompliance)
	enforce := func(state compute.State, changed ...string) []managed.Event {
		h.report(Input{
			Observed: plan.Observation{Host: host, Presence: managed.Present, Details: &compute.ClusterDetails{ClusterId: clusterID, State: state}},
			Plan:     plan.Plan{Step: plan.EnforceCompliance{ClusterID: clusterID}, NonBlocking: true},
			Outcome:  Outcome{Ran: true, Enforced: changed},
		})
		return h.last.ActionEvents
	}
	g.Expect(enforce("RUNNING", "a", "b")).To(ConsistOf(managed.Event{
		Type: "Normal", Reason: EventPolicyEnforced, Action: "EnforceCompliance", Note: "the policy was enforced on cluster " + clusterID + ", which restarts: a, b",
	}))
	g.Expect(enforce("TERMINATED", "a")).To(ConsistOf(HaveField("Note", "the policy was enforced on cluster "+clusterID+": a")))
	g.Expect(enforce("RUNNING")).To(BeEmpty(), "it changed nothing")
}
