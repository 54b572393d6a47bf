package controller_test

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

func TestAnEarlyEdit(t *testing.T) {
	t.Parallel()
	eachSize(t, "[case-87] an edit within seconds of the creation is a change of the spec, not drift", func(t *testing.T, size size) {
		r := size.rig(t)
		r.start()
		var clusters []*v1alpha1.DatabricksCluster
		for i := range 4 {
			clusters = append(clusters, r.create(r.small(fmt.Sprintf("early-%d", i))))
		}
		for i, cluster := range clusters {
			r.Eventually(func() string { return r.get(cluster).Status.ClusterID }).ShouldNot(BeEmpty())
			r.edit(cluster, func(c *v1alpha1.DatabricksCluster) { c.Spec.CustomTags = map[string]string{"edit": fmt.Sprint(i)} })
		}
		for i, cluster := range clusters {
			r.becomes(cluster, "Ready=Running")
			done := r.becomes(cluster, "Synced=InSync")
			record, _ := r.workspace.Cluster(done.Status.ClusterID)
			r.Expect(record.Spec["custom_tags"]).To(HaveKeyWithValue("edit", fmt.Sprint(i)))
			r.Expect(done.Status.Drift).To(BeEmpty())
			r.Expect(done.Status.Corrections).To(BeEmpty())
			r.Expect(r.events(cluster)).NotTo(Or(ContainElement(v1alpha1.ReasonDriftDetected), ContainElement(managed.EventDriftCorrected)))
		}
	})
}
