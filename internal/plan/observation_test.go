package plan

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

func TestTheRequestAfterAStep(t *testing.T) {
	started := v1alpha1.RequestStatus{Value: "start@1", Phase: v1alpha1.RequestInProgress}
	refused := v1alpha1.RequestStatus{Value: "start@2", Phase: v1alpha1.RequestRefused}
	reread := v1alpha1.RequestStatus{Value: "reconcile@1", Phase: v1alpha1.RequestSucceeded}
	rereadRefused := v1alpha1.RequestStatus{Value: "reconcile", Phase: v1alpha1.RequestRefused}
	succeeded := v1alpha1.RequestStatus{Value: "start@1", Phase: v1alpha1.RequestSucceeded}
	for name, row := range map[string]struct {
		plan    Plan
		after   *v1alpha1.RequestStatus
		rereads bool
	}{
		"no request":                {Plan{Step: Start{clusterID}}, nil, false},
		"a request is carried out":  {Plan{Step: Start{clusterID}, Request: &started}, &started, false},
		"a request is refused":      {Plan{Step: AcknowledgeRequest{refused}}, &refused, false},
		"a start has succeeded":     {Plan{Step: AcknowledgeRequest{succeeded}}, &succeeded, false},
		"a reconcile has succeeded": {Plan{Step: AcknowledgeRequest{reread}}, &reread, true},
		"a reconcile is refused":    {Plan{Step: AcknowledgeRequest{rereadRefused}}, &rereadRefused, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(row.plan.RequestAfter()).To(Equal(row.after))
			g.Expect(row.plan.RequestsReread()).To(Equal(row.rereads))
		})
	}
}
