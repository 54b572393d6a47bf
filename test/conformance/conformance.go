// Package conformance holds the rules by which other tools read a
// DatabricksCluster's status. Tests check every status that the operator writes
// against them; test/gitops checks that they agree with kstatus and Flux.
package conformance

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// BrokenRules returns the rules that an object's status violates. The status
// that the API server gives a new object violates none.
func BrokenRules(cluster *v1alpha1.DatabricksCluster) []string {
	status := cluster.Status
	if status.ObservedGeneration == -1 {
		return nil
	}
	var broken rules
	ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady)
	reconciling := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReconciling)
	stalled := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionStalled)
	suspended := meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionSuspended)

	broken.require(status.ObservedGeneration <= cluster.Generation,
		"observedGeneration is %d, but the generation is %d", status.ObservedGeneration, cluster.Generation)
	broken.require(ready != nil, "Ready is missing")
	broken.require(ready == nil || ready.Status != metav1.ConditionUnknown, "Ready is Unknown")
	broken.require(reconciling == nil || stalled == nil, "Reconciling and Stalled are both present")
	for _, condition := range []*metav1.Condition{reconciling, stalled} {
		if condition == nil {
			continue
		}
		broken.require(condition.Status == metav1.ConditionTrue, "%s is present and not True", condition.Type)
		broken.require(ready != nil && ready.Status == metav1.ConditionFalse, "%s without Ready=False", condition.Type)
		broken.require(ready != nil && ready.Reason == condition.Reason, "Ready and %s have different reasons", condition.Type)
	}
	if ready != nil && ready.Status == metav1.ConditionFalse {
		broken.require(reconciling != nil || stalled != nil || suspended, "Ready=False with neither Reconciling nor Stalled")
	}
	for _, condition := range status.Conditions {
		broken.require(condition.ObservedGeneration == status.ObservedGeneration,
			"%s has observedGeneration %d, but the status has %d", condition.Type, condition.ObservedGeneration, status.ObservedGeneration)
		broken.require(condition.Message != "", "%s has no message", condition.Type)
	}
	return broken
}

// rules are violated rules.
type rules []string

func (r *rules) require(holds bool, rule string, args ...any) {
	if !holds {
		*r = append(*r, fmt.Sprintf(rule, args...))
	}
}
