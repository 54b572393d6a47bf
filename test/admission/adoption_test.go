package admission

import (
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	stays = "spec.clusterID: Forbidden: clusterID cannot be changed or removed once set: an object stays with the cluster it adopted; create another object to adopt another cluster"
	ofOwn = "spec.clusterID: Forbidden: clusterID can be added later only with the value of status.clusterID: this object has, or is about to have, a cluster of its own; create another object to adopt another cluster"
)

// updated tells why a change of an object's spec is refused, if it is.
func updated(t *testing.T, cluster *unstructured.Unstructured, change string) []string {
	t.Helper()
	after := cluster.DeepCopy()
	after.Object["spec"] = changed(t, plain, change)
	return refusals(t, api.Update(t.Context(), after, client.DryRunAll))
}

func TestAnObjectStaysWithItsCluster(t *testing.T) {
	t.Run("that it adopted", func(t *testing.T) {
		g := NewWithT(t)
		adopted := created(t, "adopted", changed(t, plain, `{clusterID: 0318-151752-abed99}`))
		g.Expect(updated(t, adopted, `{clusterID: 0318-151752-abed99, numWorkers: 3}`)).To(BeEmpty())
		g.Expect(updated(t, adopted, `{clusterID: 0318-151752-abed00}`)).To(ConsistOf(stays))
		g.Expect(updated(t, adopted, `{clusterID: null}`)).To(ConsistOf(stays))
	})
	t.Run("that it is about to create", func(t *testing.T) {
		g := NewWithT(t)
		young := created(t, "young", changed(t, plain, `{}`))
		g.Expect(updated(t, young, `{numWorkers: 3}`)).To(BeEmpty())
		g.Expect(updated(t, young, `{clusterID: 0318-151752-abed99}`)).To(ConsistOf(ofOwn))
	})
	t.Run("that it created", func(t *testing.T) {
		g := NewWithT(t)
		own := created(t, "own", changed(t, plain, `{}`))
		g.Expect(unstructured.SetNestedField(own.Object, "0318-151752-abed99", "status", "clusterID")).To(Succeed())
		g.Expect(api.Status().Update(t.Context(), own)).To(Succeed())
		g.Expect(updated(t, own, `{clusterID: 0318-151752-abed99}`)).To(BeEmpty())
		g.Expect(updated(t, own, `{clusterID: 0318-151752-abed99, managementPolicy: Observe}`)).To(BeEmpty())
		g.Expect(updated(t, own, `{clusterID: 0318-151752-abed00}`)).To(ConsistOf(ofOwn))
	})
}
