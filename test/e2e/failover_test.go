package e2e

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// The leader is killed, and an object is edited while there is no leader. The
// next leader handles this object first.
func TestLeaderIsKilled(t *testing.T) {
	t.Run("[P12] [R10] the next leader makes the pending change", func(t *testing.T) {
		t.Parallel()
		const (
			objects = 20
			lease   = 3 * time.Second
			// margin allows for busy machines: the target is 2 s.
			margin = 15 * time.Second
		)
		g := NewWithT(t)
		service := startSimulator(t)
		namespace := newNamespace(t, service.URL)
		flags := []string{
			"--allowed-hosts=" + service.URL, "--databricks-ca-file=" + service.CAFile, "--poll-interval-active=200ms",
			"--leader-elect", "--leader-election-namespace=" + namespace, "--leader-election-lease-duration=" + lease.String(),
		}
		leader := start(t, namespace, flags...)
		var clusters []*v1alpha1.DatabricksCluster
		for i := range objects {
			object := newCluster(namespace, fmt.Sprintf("fleet-%02d", i))
			object.Spec.AutoterminationMinutes = new(int32(10_000))
			g.Expect(api.Create(t.Context(), object)).To(Succeed())
			clusters = append(clusters, object)
		}
		for _, object := range clusters {
			g.Eventually(func() string { return readiness(t.Context(), object) }).WithTimeout(2 * time.Minute).Should(Equal("True Running"))
		}
		start(t, namespace, flags...)
		before, err := service.Requests(t.Context())
		g.Expect(err).NotTo(HaveOccurred())

		leader.Kill()
		killed := time.Now()
		edited := clusters[objects-1]
		g.Expect(api.Patch(t.Context(), edited.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"numWorkers":3}}`)))).To(Succeed())
		var took time.Duration
		calls := map[string]int{}
		g.Eventually(func(g Gomega) {
			requests, err := service.Requests(t.Context())
			g.Expect(err).NotTo(HaveOccurred())
			took = time.Since(killed)
			clear(calls)
			for _, request := range requests[len(before):] {
				calls[request.Endpoint]++
			}
			g.Expect(calls).To(HaveKeyWithValue("clusters/resize", 1))
		}).WithTimeout(lease + margin).Should(Succeed())
		t.Logf("the first write came %.1f s after the leader was killed, with a lease of %s: %v", took.Seconds(), lease, calls)
		g.Expect(calls).To(HaveKeyWithValue("scim/me", 1))
		g.Expect(calls).NotTo(HaveKey("clusters/create"))
		g.Expect(service.Owners(t.Context())).To(HaveLen(objects))
	})
}
