package controller_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/controller/kubewrite"
)

// The API server alone judges these patches; no operator runs.
func TestAnIDIsStoredForItsObjectAndItsCreationAlone(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		differ func(before *v1alpha1.DatabricksCluster, creation *v1alpha1.CreationIntent)
		stored bool
	}{
		"the same object and creation": {func(*v1alpha1.DatabricksCluster, *v1alpha1.CreationIntent) {}, true},
		"another object of the name":   {func(before *v1alpha1.DatabricksCluster, _ *v1alpha1.CreationIntent) { before.UID = "another" }, false},
		"the token of another creation": {
			func(_ *v1alpha1.DatabricksCluster, creation *v1alpha1.CreationIntent) { creation.Token = "another" }, false,
		},
		"another attempt of the creation": {
			func(_ *v1alpha1.DatabricksCluster, creation *v1alpha1.CreationIntent) { creation.Attempt++ }, false,
		},
	} {
		t.Run("[R20] [case-89] "+name, func(t *testing.T) {
			r := newRig(t)
			cluster := r.create(r.small("scratch"))
			r.patchStatus(cluster, `{"status": {"creation": {"token": "token", "attempt": 1, "incarnation": 1}}}`)
			before := r.get(cluster)
			creation := before.Status.Creation.DeepCopy()
			after := before.DeepCopy()
			after.Status.ClusterID = "0101-000000-cluster"
			row.differ(before, creation)
			patch, err := kubewrite.IDPatch(creation, before, after)
			r.Expect(err).NotTo(HaveOccurred())
			err = r.api.Status().Patch(t.Context(), cluster.DeepCopy(), patch)
			if row.stored {
				r.Expect(err).NotTo(HaveOccurred())
				r.Expect(r.get(cluster).Status.ClusterID).To(Equal(after.Status.ClusterID))
				return
			}
			r.Expect(err).To(HaveOccurred())
			r.Expect(r.get(cluster).Status.ClusterID).To(BeEmpty())
		})
	}
}
