package managed

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

func TestNotReady(t *testing.T) {
	for name, row := range map[string]struct {
		change func(*v1alpha1.DatabricksClusterPolicy)
		want   string
	}{
		"it is Ready":                      {func(*v1alpha1.DatabricksClusterPolicy) {}, ""},
		"it is new":                        {func(p *v1alpha1.DatabricksClusterPolicy) { p.Status.Conditions = nil }, "it is not evaluated yet"},
		"it was edited":                    {func(p *v1alpha1.DatabricksClusterPolicy) { p.Generation = 3 }, "its generation 3 is not evaluated yet"},
		"Ready is about an older one":      {func(p *v1alpha1.DatabricksClusterPolicy) { p.Status.Conditions[0].ObservedGeneration = 1 }, "its generation 2 is not evaluated yet"},
		"the status is about an older one": {func(p *v1alpha1.DatabricksClusterPolicy) { p.Status.ObservedGeneration = 1 }, "its generation 2 is not evaluated yet"},
		"it is not Ready":                  {func(p *v1alpha1.DatabricksClusterPolicy) { p.Status.Conditions[0].Status = metav1.ConditionFalse }, "Available: as declared"},
		"Ready is unknown":                 {func(p *v1alpha1.DatabricksClusterPolicy) { p.Status.Conditions[0].Status = metav1.ConditionUnknown }, "Available: as declared"},
		"it is being deleted":              {func(p *v1alpha1.DatabricksClusterPolicy) { p.DeletionTimestamp = new(metav1.Now()) }, "it is being deleted"},
	} {
		t.Run(name, func(t *testing.T) {
			policy := &v1alpha1.DatabricksClusterPolicy{ObjectMeta: metav1.ObjectMeta{Generation: 2}}
			policy.Status.ObservedGeneration = 2
			policy.Status.Conditions = []metav1.Condition{
				{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonAvailable, Message: "as declared", ObservedGeneration: 2},
			}
			row.change(policy)
			NewWithT(t).Expect(Object{Resource: policy, Status: &policy.Status.ManagementStatus}.NotReady()).To(Equal(row.want))
		})
	}
}
