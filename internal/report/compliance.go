package report

import (
	"fmt"
	"strings"

	"github.com/databricks/databricks-sdk-go/service/compute"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

const (
	// maxViolations, maxViolationPath and maxViolationMessage are the limits of the schema.
	maxViolations, maxViolationPath, maxViolationMessage = 20, 512, 1024
	// violationsInMessages is the number of violations in a condition.
	violationsInMessages = 3
)

// EventPolicyEnforced is the event that the workspace changed a cluster until it complied
// with its policy, with the changed values.
const EventPolicyEnforced = "PolicyEnforced"

// recordViolations stores the values that violate the policy of the cluster. They stay
// until the workspace tells others.
func recordViolations(in Input, status *v1alpha1.DatabricksClusterStatus) {
	compliance := in.Observed.Compliance
	hasNoPolicy := in.Observed.Presence == managed.Present && compliance.PolicyID == ""
	switch {
	case !plan.AsksCompliance(in.Cluster), hasNoPolicy, in.isGone():
		status.Violations = nil
	case compliance.Seen:
		status.Violations = nil
		paths := map[string]bool{}
		for _, violation := range compliance.Violations {
			path := shortened(violation.Path, maxViolationPath-1)
			if paths[path] || path == "" || len(status.Violations) == maxViolations {
				continue
			}
			paths[path] = true
			status.Violations = append(status.Violations, v1alpha1.PolicyViolation{Path: path, Message: shortened(violation.Message, maxViolationMessage-1)})
		}
	}
}

// policyCompliant sets the condition for the compliance with the cluster policy.
func (s setter) policyCompliant() {
	const kind = v1alpha1.ConditionPolicyCompliant
	compliance := s.in.Observed.Compliance
	switch {
	case !plan.AsksCompliance(s.in.Cluster):
		s.Remove(kind)
	case compliance.Seen && len(compliance.Violations) == 0:
		s.set(kind, metav1.ConditionTrue, v1alpha1.ReasonCompliant, "the cluster complies with its policy")
	case compliance.Seen:
		s.set(kind, metav1.ConditionFalse, v1alpha1.ReasonPolicyViolated, s.violationsMessage())
	case s.in.Observed.Presence == managed.Present && compliance.PolicyID == "":
		s.set(kind, metav1.ConditionUnknown, v1alpha1.ReasonNoPolicy, "the cluster has no policy")
	case compliance.Failure != nil:
		verdict := compliance.Failure.Verdict()
		s.set(kind, metav1.ConditionUnknown, verdict.Reason, "the compliance cannot be read: "+verdict.Message)
	case !s.keepsCompliance():
		s.set(kind, metav1.ConditionUnknown, v1alpha1.ReasonNotChecked, "the workspace is asked once in 30 minutes for all clusters of a policy")
	}
}

// keepsCompliance reports whether the last answer is still shown: it is about this
// generation, and the cluster was not found to be gone.
func (s setter) keepsCompliance() bool {
	last := meta.FindStatusCondition(s.in.Cluster.Status.Conditions, v1alpha1.ConditionPolicyCompliant)
	isKnown := s.in.Observed.Presence == managed.Present || s.in.Observed.Presence == managed.Unknown
	return last != nil && last.ObservedGeneration == s.in.Cluster.Generation && last.Reason != v1alpha1.ReasonNoPolicy && isKnown
}

func (s setter) violationsMessage() string {
	violations := s.in.Observed.Compliance.Violations
	var all []string
	for i, violation := range violations {
		if i == violationsInMessages {
			all = append(all, fmt.Sprintf("and %d more", len(violations)-i))
			break
		}
		all = append(all, violation.Path+" ("+violation.Message+")")
	}
	message := "not permitted by the policy: " + strings.Join(all, ", ")
	if s.in.Plan.Enforcement != "" {
		message += "; " + s.in.Plan.Enforcement
	}
	return message
}

// policyViolated returns the event of a cluster that no longer complies with its policy.
func policyViolated(before, after v1alpha1.DatabricksClusterStatus) (reason, note string) {
	was, is := conditionOf(before, v1alpha1.ConditionPolicyCompliant), conditionOf(after, v1alpha1.ConditionPolicyCompliant)
	if is.Status != metav1.ConditionFalse || was.Status == metav1.ConditionFalse {
		return "", ""
	}
	return is.Reason, is.Message
}

// enforced returns the event of an enforcement.
func enforced(in Input) (reason, note string) {
	step, _ := in.Plan.Step.(plan.EnforceCompliance)
	if len(in.Outcome.Enforced) == 0 {
		return "", ""
	}
	note = "the policy was enforced on cluster " + step.ClusterID
	if in.Observed.Details.State != compute.StateTerminated {
		note += ", which restarts"
	}
	return EventPolicyEnforced, note + ": " + databricks.PlainText(strings.Join(in.Outcome.Enforced, ", "))
}
