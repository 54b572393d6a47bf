package controller

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/internal/plan"
)

func TestAnotherObjectOfTheNameHasNothingOfTheFirst(t *testing.T) {
	g := NewWithT(t)
	m := newAttemptStore()
	first, second := named("a", "x"), named("a", "x")
	first.UID, second.UID = types.UID("1"), types.UID("2")
	m.recordAttempt(second, plan.Attempt{Step: plan.StepCreate, ClusterID: "second"})
	m.recordAttempt(first, plan.Attempt{Step: plan.StepCreate, ClusterID: "first"})
	g.Expect(m.last(second).ClusterID).To(Equal("second"), "[case-89]")
	g.Expect(m.last(first).ClusterID).To(Equal("first"), "[case-89]")
	m.forget(client.ObjectKeyFromObject(first))
	g.Expect(m.last(second).ClusterID).To(BeEmpty())
}

func TestReasonsThatAlternateAreSaidOnce(t *testing.T) {
	g := NewWithT(t)
	m, object := newAttemptStore(), named("a", "x")
	now := time.Now()
	limit, host := plan.Hold{Reason: "RateLimited", Message: "limit"}, plan.Hold{Reason: "RetryingAfterError", Message: "host"}
	said, reportAt := m.hold(object, plan.StepCreate, limit, now)
	g.Expect(said).To(BeNil(), "[P7] a short wait writes nothing")
	g.Expect(reportAt).To(Equal(now.Add(holdReported)))
	for i := range 20 {
		hold := limit
		if i%2 == 1 {
			hold = host
		}
		said, _ = m.hold(object, plan.StepCreate, hold, now.Add(holdReported+time.Duration(i)*time.Second))
		g.Expect(*said).To(Equal(limit), "[case-73]")
	}
	at := now.Add(holdReported + 20*time.Second)
	said, _ = m.hold(object, plan.StepCreate, host, at)
	g.Expect(*said).To(Equal(limit))
	said, _ = m.hold(object, plan.StepCreate, host, at.Add(holdReported))
	g.Expect(*said).To(Equal(host), "[case-73] what lasts is said")
	m.holdEnded(object)
	said, _ = m.hold(object, plan.StepCreate, host, at.Add(time.Minute))
	g.Expect(said).To(BeNil())
}
