// Package conformance holds the rules by which other tools read a
// DatabricksCluster's status. Tests hold every status to them that the operator
// writes; test/gitops proves them equal to what kstatus and Flux check.
package conformance

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// BrokenRules names the rules that an object's status breaks; none: all is well.
// The status that the API server itself gives a new object breaks none.
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

	broken.unless(status.ObservedGeneration <= cluster.Generation, "generation %d is observed, the object's is %d", status.ObservedGeneration, cluster.Generation)
	broken.unless(ready != nil, "there is no Ready")
	broken.unless(ready == nil || ready.Status != metav1.ConditionUnknown, "Ready is Unknown")
	broken.unless(reconciling == nil || stalled == nil, "Reconciling and Stalled are both present")
	for _, condition := range []*metav1.Condition{reconciling, stalled} {
		if condition == nil {
			continue
		}
		broken.unless(condition.Status == metav1.ConditionTrue, "%s is present and not True", condition.Type)
		broken.unless(ready != nil && ready.Status == metav1.ConditionFalse, "%s without Ready=False", condition.Type)
		broken.unless(ready != nil && ready.Reason == condition.Reason, "Ready and %s have other reasons", condition.Type)
	}
	if ready != nil && ready.Status == metav1.ConditionFalse {
		broken.unless(reconciling != nil || stalled != nil || suspended, "Ready=False with neither Reconciling nor Stalled")
	}
	for _, condition := range status.Conditions {
		broken.unless(condition.ObservedGeneration == status.ObservedGeneration,
			"%s is of generation %d, the status of %d", condition.Type, condition.ObservedGeneration, status.ObservedGeneration)
		broken.unless(condition.Message != "", "%s has no message", condition.Type)
	}
	return broken
}

// rules are those that were found broken.
type rules []string

func (r *rules) unless(holds bool, rule string, args ...any) {
	if !holds {
		*r = append(*r, fmt.Sprintf(rule, args...))
	}
}
