package controller_test

import (
	"context"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

func TestDeletion(t *testing.T) {
	t.Parallel()
	withPolicy := func(policy v1alpha1.DeletionPolicy) func(*v1alpha1.DatabricksClusterSpec) {
		return func(s *v1alpha1.DatabricksClusterSpec) { s.DeletionPolicy = policy }
	}

	eachSize(t, "[case-40] Delete deletes the cluster permanently, confirms that, and removes the finalizer", func(t *testing.T, size size) {
		r := size.rig(t)
		r.start()
		cluster := r.becomes(r.create(r.small("scratch")), "Ready=Running")
		r.remove(cluster)
		r.gone(cluster)
		r.Expect(r.live()).To(BeEmpty())
		r.Expect(r.writes()).To(Equal([]string{"create", "permanent-delete"}))
		r.Eventually(func() []string { return r.events(cluster) }).Should(ContainElement("Deleted"))
	})

	eachSize(t, "[case-40] the finalizer stays until a GET confirms that the cluster is deleted", func(t *testing.T, size size) {
		r := size.rig(t)
		r.workspace.AddFault(simulator.Fault{Name: "blind", Endpoint: "clusters/get", Status: http.StatusInternalServerError})
		r.start()
		cluster := r.create(r.small("scratch"))
		r.Eventually(func() string { return r.get(cluster).Status.ClusterID }).ShouldNot(BeEmpty())
		r.remove(cluster)
		r.Eventually(r.live).Should(BeEmpty())
		r.lists(4)
		r.Expect(r.get(cluster).Name).NotTo(BeEmpty(), "absence from a list does not confirm a deletion")
		r.workspace.ClearFaults()
		r.gone(cluster)
	})

	eachSize(t, "[case-41] a pinned cluster is unpinned first", func(t *testing.T, size size) {
		r := size.rig(t)
		r.start()
		cluster := r.becomes(r.create(r.small("scratch")), "Ready=Running")
		r.pinElsewhere(cluster.Status.ClusterID)
		r.remove(cluster)
		r.gone(cluster)
		r.Expect(r.live()).To(BeEmpty())
		r.Expect(r.writes()).To(Equal([]string{"create", "pin", "unpin", "permanent-delete"}))
	})

	eachSize(t, "[case-41] without the permission to unpin the deletion is blocked, with the remedy", func(t *testing.T, size size) {
		r := size.rig(t)
		r.start()
		cluster := r.becomes(r.create(r.small("scratch")), "Ready=Running")
		r.pinElsewhere(cluster.Status.ClusterID)
		r.workspace.AddFault(simulator.Fault{Endpoint: "clusters/unpin", Status: http.StatusForbidden, ErrorCode: "PERMISSION_DENIED", Message: "Only admins may unpin."})
		r.remove(cluster)
		blocked := r.becomes(cluster, "Stalled=DeletionBlocked")
		r.Expect(message(blocked, "Stalled")).To(And(ContainSubstring("Only admins may unpin."), ContainSubstring("deletionPolicy: Retain")))
		r.Expect(blocked.Finalizers).To(ContainElement(v1alpha1.FinalizerCluster))
		r.Consistently(func() int { return len(r.workspace.RequestsTo("clusters/unpin")) }).Should(Equal(1))

		r.edit(cluster, func(c *v1alpha1.DatabricksCluster) { c.Spec.DeletionPolicy = v1alpha1.DeletionPolicyRetain })
		r.gone(cluster)
		r.Expect(r.live()).To(HaveLen(1))
	})

	eachSize(t, "[case-42] Terminate terminates the cluster and does not delete it", func(t *testing.T, size size) {
		r := size.rig(t)
		r.start()
		cluster := r.becomes(r.create(r.small("scratch", withPolicy(v1alpha1.DeletionPolicyTerminate))), "Ready=Running")
		r.remove(cluster)
		r.gone(cluster)
		r.Expect(r.writes()).To(Equal([]string{"create", "delete"}))
		r.Expect(r.live()).To(HaveLen(1))
		r.Eventually(func() string { return string(r.live()[0].State) }).Should(Equal("TERMINATED"))
	})

	eachSize(t, "[case-42] Retain does not change the cluster, and reports that", func(t *testing.T, size size) {
		r := size.rig(t)
		r.start()
		cluster := r.becomes(r.create(r.small("scratch", withPolicy(v1alpha1.DeletionPolicyRetain))), "Ready=Running")
		r.remove(cluster)
		r.gone(cluster)
		r.Expect(r.writes()).To(Equal([]string{"create"}))
		r.Expect(string(r.live()[0].State)).To(Equal("RUNNING"))
		r.Eventually(func() []string { return r.events(cluster) }).Should(ContainElement("Retained"))
	})

	for _, tagged := range []bool{true, false} {
		name := map[bool]string{true: "found by its tag", false: "learned by repeating its token"}[tagged]
		eachSize(t, "[case-43] deleted while the create is in flight, the cluster is "+name+" and deleted", func(t *testing.T, size size) {
			r := size.rig(t)
			r.options.OwnerTag = tagged
			r.workspace.AddFault(simulator.Fault{Endpoint: "clusters/create", When: simulator.After, Times: 1, Drop: true})
			r.start()
			cluster := r.create(r.small("scratch"))
			r.Eventually(func() int { return len(r.live()) }).Should(Equal(1))
			r.remove(cluster)
			r.gone(cluster)
			r.Expect(r.live()).To(BeEmpty())
			r.Expect(r.workspace.Clusters()).To(HaveLen(1))
		})
	}

	eachSize(t, "[case-43] deleted after a create that never arrived, no cluster is created", func(t *testing.T, size size) {
		r := size.rig(t)
		r.workspace.AddFault(simulator.Fault{Endpoint: "clusters/create", Times: 1, Drop: true})
		r.start()
		cluster := r.create(r.small("scratch"))
		r.Eventually(func() int { return len(r.workspace.RequestsTo("clusters/create")) }).Should(Equal(1))
		r.remove(cluster)
		r.gone(cluster)
		r.Expect(r.workspace.Clusters()).To(BeEmpty())
	})

	eachSize(t, "[case-44] without credentials the deletion reports the remedy, and completes with it", func(t *testing.T, size size) {
		r := size.rig(t)
		r.withShortGrace()
		r.ownNamespaceSuffers = true
		r.start()
		cluster := r.becomes(r.create(r.small("scratch")), "Ready=Running")
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: defaultSecret, Namespace: r.namespace}}
		r.Expect(r.api.Delete(t.Context(), secret)).To(Succeed())
		r.becomes(cluster, "Ready!=CredentialsNotReady")
		r.remove(cluster)
		stalled := r.becomes(cluster, "Stalled=CredentialsInvalid")
		r.Expect(message(stalled, "Stalled")).To(ContainSubstring("deletionPolicy: Retain"))

		r.edit(cluster, func(c *v1alpha1.DatabricksCluster) { c.Spec.DeletionPolicy = v1alpha1.DeletionPolicyRetain })
		r.gone(cluster)
		r.Expect(r.live()).To(HaveLen(1))
	})

	eachSize(t, "[case-44] a Secret that is created again lets the deletion continue", func(t *testing.T, size size) {
		r := size.rig(t)
		r.ownNamespaceSuffers = true
		r.start()
		cluster := r.becomes(r.create(r.small("scratch")), "Ready=Running")
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: defaultSecret, Namespace: r.namespace}}
		r.Expect(r.api.Delete(t.Context(), secret)).To(Succeed())
		r.becomes(cluster, "Ready!=CredentialsNotReady")
		r.remove(cluster)
		r.putSecret(defaultSecret, r.workspace.URL, simulator.DefaultToken)
		r.gone(cluster)
		r.Expect(r.live()).To(BeEmpty())
	})

	t.Run("[case-45] an object that never had a cluster is deleted without credentials", func(t *testing.T) {
		r := newRig(t)
		r.start()
		cluster := r.create(r.small("scratch", func(s *v1alpha1.DatabricksClusterSpec) {
			s.Connection = &v1alpha1.Connection{SecretRef: &v1alpha1.LocalSecretReference{Name: "nowhere"}}
		}))
		r.becomes(cluster, "Reconciling=CredentialsNotReady")
		r.remove(cluster)
		r.gone(cluster)
		r.Expect(r.workspace.Requests()).To(BeEmpty())
	})

	t.Run("a protected object keeps its cluster until the protection is removed", func(t *testing.T) {
		r := newRig(t)
		r.start()
		cluster := r.becomes(r.create(r.small("scratch", func(s *v1alpha1.DatabricksClusterSpec) { s.DeletionProtection = true })), "Ready=Running")
		r.remove(cluster)
		r.becomes(cluster, "Stalled=DeletionBlocked")
		r.edit(cluster, func(c *v1alpha1.DatabricksCluster) { c.Spec.DeletionProtection = false })
		r.gone(cluster)
		r.Expect(r.live()).To(BeEmpty())
	})
}

// pinElsewhere pins a cluster, as an administrator does in the UI.
func (r *rig) pinElsewhere(id string) {
	r.t.Helper()
	r.call(http.MethodPost, "/api/2.1/clusters/pin", `{"cluster_id": "`+id+`"}`)
}

// A read that arrives while a deletion is evaluated is used, although the cache notifies
// no object of a read that it has returned.
func TestAReadArrivesDuringTheEvaluationOfADeletion(t *testing.T) {
	r := newRig(t)
	reads := func() int {
		return len(r.workspace.RequestsTo("clusters/get")) + len(r.workspace.RequestsTo("clusters/list"))
	}
	// Pass 1 requests the read and reports the deletion. The read lasts until pass 2, which
	// changes nothing.
	r.workspace.AddFault(simulator.Fault{Endpoint: "clusters/get", When: simulator.After, Delay: 200 * time.Millisecond})
	cluster := r.small("scratch")
	var armed atomic.Bool
	r.intercept.List = func(ctx context.Context, inner client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
		// The search for another object with the same cluster is between two looks at the
		// cache. cluster is not read here: its creation writes it meanwhile.
		reported := slices.Contains(conditions(r.get(r.small("scratch"))), "Reconciling=Deleting")
		if len(options) == 2 && reported && armed.CompareAndSwap(true, false) {
			before := reads()
			// The cache makes a second read only after it has handled the first one.
			r.Eventually(func() int { return reads() - before }).Should(BeNumerically(">=", 2))
		}
		return inner.List(ctx, list, options...)
	}
	r.start()
	r.becomes(r.create(cluster), "Ready=Running")
	armed.Store(true)
	r.remove(cluster)
	r.gone(cluster)
	r.Expect(armed.Load()).To(BeFalse())
	r.Expect(r.live()).To(BeEmpty(), "[case-40]")
}
