package cli

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/target"
)

// TestOneObjectHoldsACluster: of several objects with one cluster in their status only the
// oldest is free to manage it, and objects that only observe, that have no finalizer or that
// are bound to another workspace hold none.
func TestOneObjectHoldsACluster(t *testing.T) {
	began := time.Date(2026, time.November, 28, 0, 0, 0, 0, time.UTC)
	bound := func(name string, age time.Duration, change func(*v1alpha1.DatabricksCluster)) *v1alpha1.DatabricksCluster {
		cluster := &v1alpha1.DatabricksCluster{ObjectMeta: metav1.ObjectMeta{
			Namespace: "team", Name: name, UID: types.UID(name), Finalizers: []string{v1alpha1.FinalizerCluster},
			CreationTimestamp: metav1.NewTime(began.Add(-age)),
		}}
		cluster.Status.ClusterID, cluster.Status.Host = "c-1", "https://a"
		change(cluster)
		return cluster
	}
	none := func(*v1alpha1.DatabricksCluster) {}
	older, newer, twin := bound("older", time.Hour, none), bound("newer", 0, none), bound("twin", time.Hour, none)
	reader := fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		older, newer, twin,
		bound("observing", 2*time.Hour, func(c *v1alpha1.DatabricksCluster) { c.Spec.ManagementPolicy = v1alpha1.ManagementPolicyObserve }),
		bound("released", 2*time.Hour, func(c *v1alpha1.DatabricksCluster) { c.Finalizers = nil }),
		bound("elsewhere", 2*time.Hour, func(c *v1alpha1.DatabricksCluster) { c.Status.Host = "https://b" }),
		bound("another", 2*time.Hour, func(c *v1alpha1.DatabricksCluster) { c.Status.ClusterID = "c-2" }),
	).Build()
	for name, row := range map[string]struct {
		asks *v1alpha1.DatabricksCluster
		// holders are those that may be named; "" is none.
		holders []string
	}{
		"the oldest":                            {older, []string{""}},
		"one of the same age with a larger uid": {twin, []string{"team/older"}},
		"a newer one":                           {newer, []string{"team/older", "team/twin"}},
		"one without a status":                  {bound("fresh", 3*time.Hour, func(c *v1alpha1.DatabricksCluster) { c.Status.ClusterID = "" }), []string{"team/older", "team/twin", "team/newer"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			held, err := newHolders(reader).of(t.Context(), target.Of(row.asks), "c-1", "https://a")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(row.holders).To(ContainElement(held))
		})
	}
}
