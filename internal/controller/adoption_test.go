package controller_test

import (
	"context"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// addForeignCluster adds a cluster that the operator did not create.
func (r *rig) addForeignCluster(seed simulator.Seed) string {
	r.t.Helper()
	id, err := r.workspace.AddCluster(seed)
	r.Expect(err).NotTo(HaveOccurred())
	return id
}

// adopting returns an object that names an existing cluster, with the fields it owns.
func (r *rig) adopting(name, id string, change ...specChange) *v1alpha1.DatabricksCluster {
	cluster := &v1alpha1.DatabricksCluster{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: r.namespace}}
	cluster.Spec.ClusterID = id
	for _, apply := range change {
		apply(&cluster.Spec)
	}
	return cluster
}

func TestAdoption(t *testing.T) {
	t.Parallel()
	eachSize(t, "[case-55] an equal cluster is adopted without a write, and stays when the object is deleted", func(t *testing.T, size size) {
		r := size.rig(t)
		id := r.addForeignCluster(simulator.Seed{State: "RUNNING", Spec: map[string]any{"num_workers": 2}})
		r.start()
		cluster := r.create(r.adopting("adopted", id, fixed(2)))
		ready := r.becomes(cluster, "Ready=Running")
		r.Expect(ready.Status.Adopted).To(BeTrue())
		r.Expect(ready.Status.Effective.DeletionPolicy).To(Equal(v1alpha1.DeletionPolicyRetain))
		r.Eventually(func() []string { return r.events(cluster) }).Should(ContainElement("Adopted"))
		r.remove(cluster)
		r.gone(cluster)
		r.Expect(r.writes()).To(BeEmpty())
	})

	eachSize(t, "[case-55] differences are reported before the first write, which adds the owner tag", func(t *testing.T, size size) {
		r := size.rig(t)
		id := r.addForeignCluster(simulator.Seed{State: "TERMINATED", Spec: map[string]any{"spark_conf": map[string]any{"foreign": "1"}}})
		r.start()
		cluster := r.create(r.adopting("adopted", id, sparkConf("ours", "1")))
		r.inSync(cluster)
		r.Expect(r.writes()).To(Equal([]string{"update"}))
		record, _ := r.workspace.Cluster(id)
		r.Expect(record.Owner).To(Equal(tagOf(cluster)))
		r.Expect(record.Spec["spark_conf"]).To(BeEquivalentTo(map[string]any{"foreign": "1", "ours": "1"}))
		r.Eventually(func() []string { return r.events(cluster) }).Should(ContainElements("Adopted", "DriftDetected", "Updated"))
		r.Expect(r.record.reportedDrift("adopted")).To(ContainElement("/sparkConf/ours"))
	})

	eachSize(t, "[case-55] with Warn the differences of an adopted cluster are only reported", func(t *testing.T, size size) {
		r := size.rig(t)
		id := r.addForeignCluster(simulator.Seed{State: "RUNNING"})
		r.start()
		cluster := r.create(r.adopting("adopted", id, sparkConf("ours", "1"), func(s *v1alpha1.DatabricksClusterSpec) { s.DriftPolicy = v1alpha1.DriftPolicyWarn }))
		reported := r.becomes(cluster, "Synced!=DriftDetected")
		r.Expect(reported.Status.Drift).To(HaveLen(1))
		r.becomes(cluster, "Ready=DriftTolerated")
		r.Consistently(r.writes).Should(BeEmpty())
	})

	eachSize(t, "[case-55] [S12] a cluster with another object's owner tag is not adopted without the take-over annotation", func(t *testing.T, size size) {
		r := size.rig(t)
		owner := "deadbeef-11111111-2222-3333-4444-555555555555"
		id := r.addForeignCluster(simulator.Seed{State: "RUNNING", Spec: map[string]any{"custom_tags": map[string]any{v1alpha1.OwnerTagKey: owner}}})
		r.start()
		cluster := r.create(r.adopting("adopted", id, fixed(1)))
		stalled := r.becomes(cluster, "Stalled=AlreadyManaged")
		r.Expect(message(stalled, "Stalled")).To(And(ContainSubstring(owner), ContainSubstring(v1alpha1.AnnotationTakeOver)))
		r.Consistently(r.writes).Should(BeEmpty())
		r.edit(cluster, func(c *v1alpha1.DatabricksCluster) {
			c.Annotations = map[string]string{v1alpha1.AnnotationTakeOver: "deadbeef"}
		})
		r.becomes(cluster, "Ready=Running")
	})

	eachSize(t, "[case-55] two objects never manage one cluster: the older one manages it", func(t *testing.T, size size) {
		r := size.rig(t)
		id := r.addForeignCluster(simulator.Seed{State: "RUNNING"})
		r.start()
		first := r.create(r.adopting("first", id, fixed(1)))
		r.becomes(first, "Ready=Running")
		second := r.create(r.adopting("second", id, fixed(3)))
		stalled := r.becomes(second, "Stalled=AlreadyManaged")
		r.Expect(message(stalled, "Stalled")).To(ContainSubstring("first"))
		r.Expect(r.writes()).To(BeEmpty())
	})

	eachSize(t, "[case-55] a cluster is not adopted while the operator cannot read whether another object manages it", func(t *testing.T, size size) {
		r := size.rig(t)
		r.kubernetesFails = true
		var failing atomic.Bool
		r.intercept.List = func(ctx context.Context, inner client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			if _, asks := list.(*v1alpha1.DatabricksClusterList); asks && failing.Load() {
				return apierrors.NewTooManyRequests("later", 1)
			}
			return inner.List(ctx, list, options...)
		}
		id := r.addForeignCluster(simulator.Seed{State: "RUNNING"})
		r.start()
		r.becomes(r.create(r.adopting("first", id, fixed(1))), "Ready=Running")
		failing.Store(true)
		second := r.create(r.adopting("second", id, fixed(3)))
		r.becomes(second, "Reconciling=RetryingAfterError")
		r.Expect(r.get(second).Status.ClusterID).To(BeEmpty())
		failing.Store(false)
		r.becomes(second, "Stalled=AlreadyManaged")
		r.Expect(r.writes()).To(BeEmpty())
	})

	for _, source := range []string{"JOB", "PIPELINE"} {
		eachSize(t, "[case-55] a cluster created by a "+source+" is not managed", func(t *testing.T, size size) {
			r := size.rig(t)
			id := r.addForeignCluster(simulator.Seed{State: "RUNNING", Source: source})
			r.start()
			r.becomes(r.create(r.adopting("adopted", id, fixed(1))), "Stalled=AlreadyManaged")
			r.Expect(r.writes()).To(BeEmpty())
		})
	}

	eachSize(t, "[case-37] a missing adopted cluster is not created again", func(t *testing.T, size size) {
		r := size.rig(t)
		id := r.addForeignCluster(simulator.Seed{State: "RUNNING"})
		r.start()
		cluster := r.create(r.adopting("adopted", id, fixed(1)))
		r.becomes(cluster, "Ready=Running")
		r.Expect(r.workspace.DeleteElsewhere(id)).To(Succeed())
		r.becomes(cluster, "Stalled=ClusterPurged")
		r.Expect(r.writes()).To(BeEmpty())
	})
}
