package managed

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// NotReady returns why an object is not Ready for its current generation, as text for the
// objects that wait for it; "" if it is Ready.
func (o Object) NotReady() string {
	ready := meta.FindStatusCondition(o.Status.Conditions, v1alpha1.ConditionReady)
	switch {
	case o.IsDeleting():
		return "it is being deleted"
	case ready == nil:
		return "it is not evaluated yet"
	case ready.Status != metav1.ConditionTrue:
		return ready.Reason + ": " + ready.Message
	case !o.isEvaluated() || ready.ObservedGeneration != o.GetGeneration():
		return fmt.Sprintf("its generation %d is not evaluated yet", o.GetGeneration())
	default:
		return ""
	}
}
