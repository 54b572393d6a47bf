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

// updateErrors returns the reasons why the API server rejects a change of a spec.
func updateErrors(t *testing.T, cluster *unstructured.Unstructured, change string) []string {
	t.Helper()
	after := cluster.DeepCopy()
	after.Object["spec"] = changedSpec(t, minimalSpec, change)
	return rejectionCauses(t, api.Update(t.Context(), after, client.DryRunAll))
}

func TestObjectKeepsItsCluster(t *testing.T) {
	t.Run("that it adopted", func(t *testing.T) {
		g := NewWithT(t)
		adopted := createObject(t, "adopted", changedSpec(t, minimalSpec, `{clusterID: 0318-151752-abed99}`))
		g.Expect(updateErrors(t, adopted, `{clusterID: 0318-151752-abed99, numWorkers: 3}`)).To(BeEmpty())
		g.Expect(updateErrors(t, adopted, `{clusterID: 0318-151752-abed00}`)).To(ConsistOf(stays))
		g.Expect(updateErrors(t, adopted, `{clusterID: null}`)).To(ConsistOf(stays))
	})
	t.Run("that it is about to create", func(t *testing.T) {
		g := NewWithT(t)
		young := createObject(t, "young", changedSpec(t, minimalSpec, `{}`))
		g.Expect(updateErrors(t, young, `{numWorkers: 3}`)).To(BeEmpty())
		g.Expect(updateErrors(t, young, `{clusterID: 0318-151752-abed99}`)).To(ConsistOf(ofOwn))
	})
	t.Run("that it created", func(t *testing.T) {
		g := NewWithT(t)
		own := createObject(t, "own", changedSpec(t, minimalSpec, `{}`))
		g.Expect(unstructured.SetNestedField(own.Object, "0318-151752-abed99", "status", "clusterID")).To(Succeed())
		g.Expect(api.Status().Update(t.Context(), own)).To(Succeed())
		g.Expect(updateErrors(t, own, `{clusterID: 0318-151752-abed99}`)).To(BeEmpty())
		g.Expect(updateErrors(t, own, `{clusterID: 0318-151752-abed99, managementPolicy: Observe}`)).To(BeEmpty())
		g.Expect(updateErrors(t, own, `{clusterID: 0318-151752-abed00}`)).To(ConsistOf(ofOwn))
	})
}
