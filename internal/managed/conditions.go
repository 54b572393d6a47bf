package managed

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// Conditions sets the conditions of a status for one generation. Ready, Reconciling and
// Stalled always agree: Ready=False has exactly one of the other two, except for a
// suspended object.
type Conditions struct {
	List       *[]metav1.Condition
	Generation int64
	// Now is the time of transitions.
	Now time.Time
}

// Set sets a condition. Its time changes only with its status.
func (c Conditions) Set(kind string, value metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(c.List, metav1.Condition{
		Type:               kind,
		Status:             value,
		Reason:             reason,
		Message:            message,
		ObservedGeneration: c.Generation,
		LastTransitionTime: metav1.NewTime(c.Now.UTC()),
	})
}

// Remove removes a condition.
func (c Conditions) Remove(kind string) { meta.RemoveStatusCondition(c.List, kind) }

// Ready sets the conditions of an object that is as its policies require.
func (c Conditions) Ready(verdict Verdict) {
	c.Remove(v1alpha1.ConditionReconciling)
	c.Remove(v1alpha1.ConditionStalled)
	c.Set(v1alpha1.ConditionReady, metav1.ConditionTrue, verdict.Reason, verdict.Message)
}

// Idle sets the conditions of a suspended object that is not usable.
func (c Conditions) Idle(verdict Verdict) {
	c.Remove(v1alpha1.ConditionReconciling)
	c.Remove(v1alpha1.ConditionStalled)
	c.Set(v1alpha1.ConditionReady, metav1.ConditionFalse, verdict.Reason, verdict.Message)
}

// NotReady sets Ready=False with exactly one of Reconciling and Stalled.
func (c Conditions) NotReady(verdict Verdict) {
	present, absent := v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled
	if verdict.Stalled {
		present, absent = absent, present
	}
	c.Remove(absent)
	c.Set(present, metav1.ConditionTrue, verdict.Reason, verdict.Message)
	c.Set(v1alpha1.ConditionReady, metav1.ConditionFalse, verdict.Reason, verdict.Message)
}

// Keep keeps all conditions for this generation, because there are no new facts.
func (c Conditions) Keep() {
	for i := range *c.List {
		(*c.List)[i].ObservedGeneration = c.Generation
	}
}
