package cluster

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// Each row changes one thing that a write which cannot be undone depends on.
func TestAnIrreversibleWriteNeedsTheSameIntent(t *testing.T) {
	decided := func() *v1alpha1.DatabricksCluster {
		cluster := &v1alpha1.DatabricksCluster{}
		cluster.UID, cluster.Generation = "uid", 1
		cluster.Finalizers = []string{v1alpha1.FinalizerCluster}
		cluster.Status.ClusterID = "id"
		return cluster
	}
	NewWithT(t).Expect(sameIntent(decided(), decided())).To(BeTrue())
	for name, change := range map[string]func(*v1alpha1.DatabricksCluster){
		"another object":      func(c *v1alpha1.DatabricksCluster) { c.UID = "other" },
		"another generation":  func(c *v1alpha1.DatabricksCluster) { c.Generation = 2 },
		"deleted":             func(c *v1alpha1.DatabricksCluster) { now := metav1.Now(); c.DeletionTimestamp = &now },
		"without a finalizer": func(c *v1alpha1.DatabricksCluster) { c.Finalizers = nil },
		"retained":            func(c *v1alpha1.DatabricksCluster) { c.Spec.DeletionPolicy = v1alpha1.DeletionPolicyRetain },
		"protected":           func(c *v1alpha1.DatabricksCluster) { c.Spec.DeletionProtection = true },
		"another cluster":     func(c *v1alpha1.DatabricksCluster) { c.Status.ClusterID = "other" },
		"another request": func(c *v1alpha1.DatabricksCluster) {
			c.Annotations = map[string]string{v1alpha1.AnnotationRequest: "restart@2"}
		},
		"taken over": func(c *v1alpha1.DatabricksCluster) {
			c.Annotations = map[string]string{v1alpha1.AnnotationTakeOver: "other"}
		},
	} {
		t.Run("[R20] [case-92] "+name, func(t *testing.T) {
			now := decided()
			change(now)
			NewWithT(t).Expect(sameIntent(decided(), now)).To(BeFalse())
		})
	}
}

func TestTheOlderOfTwoObjectsKeepsTheCluster(t *testing.T) {
	g := NewWithT(t)
	a, b := &v1alpha1.DatabricksCluster{}, &v1alpha1.DatabricksCluster{}
	a.UID, b.UID = "1", "2"
	g.Expect(older(a, b)).To(BeTrue(), "[case-83] of one age, the first by UID")
	g.Expect(older(b, a)).To(BeFalse(), "[case-83] and only that one")
	a.CreationTimestamp = metav1.Unix(2, 0)
	b.CreationTimestamp = metav1.Unix(1, 0)
	g.Expect(older(a, b)).To(BeFalse(), "[case-83] the age comes before the UID")
	g.Expect(older(b, a)).To(BeTrue())
}
