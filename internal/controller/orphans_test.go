package controller_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/controller"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// keptText is a controller.Options.UnusedConnections that outlives an operator.
type keptText struct {
	mu   sync.Mutex
	text string
}

func (k *keptText) Load(context.Context) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.text, nil
}

func (k *keptText) Save(_ context.Context, text string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.text = text
	return nil
}

// countsOrphans returns the number of orphans of the rig's workspace at the last search.
func (r *rig) countsOrphans() func() int64 {
	count := &atomic.Int64{}
	count.Store(-1)
	r.options.OnOrphans = func(byHost map[string]int) { count.Store(int64(byHost[r.workspace.URL])) }
	return count.Load
}

func retained(s *v1alpha1.DatabricksClusterSpec) {
	s.DeletionPolicy = v1alpha1.DeletionPolicyRetain
}

func TestOrphansOfAWorkspaceWithoutObjects(t *testing.T) {
	t.Parallel()
	t.Run("[case-95] the clusters of a workspace are reported after its last object is deleted, also after a restart", func(t *testing.T) {
		r := newRig(t)
		orphans := r.countsOrphans()
		r.options.UnusedConnections = &keptText{}
		cluster := r.running(retained)
		r.remove(cluster)
		r.gone(cluster)
		r.Eventually(orphans).Should(Equal(int64(1)))
		r.stop()
		r.start()
		r.Eventually(orphans).Should(Equal(int64(1)))
		r.Consistently(orphans).Should(Equal(int64(1)), "between two searches")
		r.Expect(r.workspace.DeleteElsewhere(cluster.Status.ClusterID)).To(Succeed())
		r.Eventually(orphans).Should(BeZero())
		r.Expect(r.writes()).To(BeEmpty())
	})

	t.Run("[case-95] [R18] twelve objects of three namespaces and two credentials", func(t *testing.T) {
		r := newRig(t, withStranger(simulator.Options{}))
		orphans := r.countsOrphans()
		r.options.UnusedConnections = &keptText{}
		namespaces := []string{r.namespace, r.newNamespace(), r.newNamespace()}
		r.tenants = append(r.tenants, namespaces[1:]...)
		r.putSecretIn(namespaces[1], defaultSecret, r.workspace.URL, simulator.DefaultToken)
		r.putSecretIn(namespaces[2], defaultSecret, r.workspace.URL, strangerToken)
		for _, namespace := range namespaces[1:] {
			watchStatuses(r, r.record, namespace)
		}
		r.start()
		var all []*v1alpha1.DatabricksCluster
		for i := range 12 {
			cluster := r.small(fmt.Sprintf("member-%02d", i), retained)
			cluster.Namespace = namespaces[i%3]
			all = append(all, r.create(cluster))
		}
		for _, cluster := range all {
			r.becomes(cluster, "Ready=Running")
		}
		for _, cluster := range all[:11] {
			r.remove(cluster)
			r.gone(cluster)
		}
		r.Eventually(orphans).Should(Equal(int64(11)))
		r.remove(all[11])
		r.gone(all[11])
		r.Eventually(orphans).Should(Equal(int64(12)), "no cluster counts twice, though two namespaces have the same credential")
		r.stop()
		r.start()
		r.Eventually(orphans).Should(Equal(int64(12)))
	})

	t.Run("[case-95] a Secret that is gone, or names another workspace, is not used", func(t *testing.T) {
		r := newRig(t)
		orphans := r.countsOrphans()
		cluster := r.running(retained)
		elsewhere := r.newWorkspace(simulator.Options{})
		r.hosts = append(r.hosts, elsewhere.URL)
		r.stop()
		r.start()
		r.putSecret(defaultSecret, elsewhere.URL, simulator.DefaultToken)
		r.becomes(cluster, "Stalled=HostChanged")
		r.remove(cluster)
		r.gone(cluster)
		r.Eventually(func() []string { return r.log.find("cannot be searched for clusters") }).
			Should(ContainElement(ContainSubstring("another workspace")))
		r.Consistently(orphans).Should(BeNumerically("<=", 0))
		r.Expect(elsewhere.RequestsTo("clusters/list")).To(BeEmpty())
	})

	t.Run("[case-95] a workspace that does not answer delays nothing else", func(t *testing.T) {
		r := newRig(t)
		orphans := r.countsOrphans()
		cluster := r.running(retained)
		r.workspace.AddFault(simulator.Fault{Endpoint: "clusters/list", Status: http.StatusServiceUnavailable})
		r.remove(cluster)
		r.gone(cluster)
		r.workspace.ClearRequests()
		r.Eventually(func() int { return len(r.workspace.RequestsTo("clusters/list")) }).Should(BeNumerically(">=", 1))
		second := r.create(r.small("second"))
		r.Eventually(func() string { return r.get(second).Status.ClusterID }).ShouldNot(BeEmpty())
		r.workspace.ClearFaults()
		r.Eventually(orphans).Should(Equal(int64(1)))
	})

	t.Run("[case-95] a DatabricksWorkspace that no object uses is listed, also after a restart", func(t *testing.T) {
		r := platform(t)
		orphans := r.countsOrphans()
		r.start()
		shared := r.share()
		cluster := r.create(r.small("scratch", usesWorkspace(shared.Name), retained))
		r.becomes(cluster, "Ready=Running")
		r.remove(cluster)
		r.gone(cluster)
		r.Eventually(orphans).Should(Equal(int64(1)))
		r.stop()
		r.start()
		r.Eventually(orphans).Should(Equal(int64(1)))
	})

	t.Run("[case-95] a connection ends with the search", func(t *testing.T) {
		r := newRig(t)
		orphans := r.countsOrphans()
		cluster := r.running(retained)
		r.remove(cluster)
		r.gone(cluster)
		r.Eventually(orphans).Should(Equal(int64(1)))
		r.Eventually(r.registry.Caches).Should(BeEmpty())
	})
}

func TestUnusedConnectionsInTheLease(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	api, err := client.New(kubernetes.Config, client.Options{})
	g.Expect(err).NotTo(HaveOccurred())
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "default", GenerateName: "operator-"}}
	lease.Spec.HolderIdentity = new("holder")
	kept := controller.LeaseAnnotation{Reader: api, Writer: api, Lease: client.ObjectKey{Namespace: "default", Name: "absent"}}
	_, err = kept.Load(t.Context())
	g.Expect(err).To(HaveOccurred())
	g.Expect(api.Create(t.Context(), lease)).To(Succeed())
	kept.Lease.Name = lease.Name

	g.Expect(kept.Load(t.Context())).To(BeEmpty())
	g.Expect(kept.Save(t.Context(), "[1]")).To(Succeed())
	g.Expect(kept.Load(t.Context())).To(Equal("[1]"))
	g.Expect(api.Get(t.Context(), kept.Lease, lease)).To(Succeed())
	g.Expect(lease.Spec.HolderIdentity).To(HaveValue(Equal("holder")))
	g.Expect(kept.Save(t.Context(), "")).To(Succeed())
	g.Expect(api.Get(t.Context(), kept.Lease, lease)).To(Succeed())
	g.Expect(lease.Annotations).To(BeEmpty())
}
