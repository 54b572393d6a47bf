package cluster

import (
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/internal/plan"
)

func TestAnotherObjectOfTheSameNameHasNoAttemptsOfTheFirst(t *testing.T) {
	g := NewWithT(t)
	store := newAttemptStore()
	first, second := named("a", "x"), named("a", "x")
	first.UID, second.UID = types.UID("1"), types.UID("2")
	store.set(second, plan.Attempts{}.Recorded(plan.Attempt{Step: plan.StepCreate, ClusterID: "second"}))
	store.set(first, plan.Attempts{}.Recorded(plan.Attempt{Step: plan.StepCreate, ClusterID: "first"}))
	g.Expect(store.of(second).Last.ClusterID).To(Equal("second"), "[case-89]")
	g.Expect(store.of(first).Last.ClusterID).To(Equal("first"), "[case-89]")
	store.forget(client.ObjectKeyFromObject(first))
	g.Expect(store.of(second).Last.ClusterID).To(BeEmpty())
}

func TestAStatusThatIsWrittenAgainAndAgainWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		const window = 30 * time.Second
		store, cluster := newAttemptStore(), named("a", "x")
		for range maxWrites {
			g.Expect(store.mayWriteAt(cluster, window)).To(BeZero())
			store.wrote(cluster, window)
			<-time.After(time.Second)
		}
		g.Expect(time.Until(store.mayWriteAt(cluster, window))).To(Equal(window-maxWrites*time.Second), "[R10]")
		<-time.After(window - maxWrites*time.Second)
		g.Expect(store.mayWriteAt(cluster, window)).To(BeZero())
	})
}

func TestEveryStepThatWritesHasARequest(t *testing.T) {
	for _, kind := range plan.StepKinds() {
		_, known := requests[kind]
		NewWithT(t).Expect(known).To(Equal(kind.WritesToDatabricks()), string(kind))
	}
}
