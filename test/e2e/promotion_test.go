package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// promoted returns the objects of a folder of examples/promotion, and the clusters of them.
func promoted(t *testing.T, stage string) (manifests []byte, objects []client.Object, clusters []*v1alpha1.DatabricksCluster) {
	t.Helper()
	g := NewWithT(t)
	command := exec.CommandContext(t.Context(), filepath.Join("..", "..", "bin", "kustomize"), "build", filepath.Join("..", "..", "examples", "promotion", stage))
	command.Stderr = os.Stderr
	manifests, err := command.Output()
	g.Expect(err).NotTo(HaveOccurred())
	for document := range bytes.SplitSeq(manifests, []byte("\n---\n")) {
		object := &unstructured.Unstructured{}
		g.Expect(yaml.Unmarshal(document, object)).To(Succeed())
		if object.GetKind() != v1alpha1.ClusterKind {
			objects = append(objects, object)
			continue
		}
		cluster := &v1alpha1.DatabricksCluster{}
		g.Expect(yaml.UnmarshalStrict(document, cluster)).To(Succeed())
		objects, clusters = append(objects, cluster), append(clusters, cluster)
	}
	return manifests, objects, clusters
}

// The example settles in two workspaces, in each of which it has other ids.
func TestPromotion(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	tokens := map[string]string{"dev": "dapi-dev", "prod": "dapi-prod"}
	options := simulator.Options{Timings: &simulator.Timings{}}
	for _, stage := range []string{"dev", "prod"} {
		options.Workspaces = append(options.Workspaces, simulator.Workspace{
			Name:       stage,
			Principals: []simulator.Principal{{UserName: simulator.DefaultUser, Tokens: []string{tokens[stage]}}},
		})
	}
	service, err := simulator.Start(t.Context(), options)
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { g.Expect(service.Close()).To(Succeed()) })
	authority := filepath.Join(t.TempDir(), "ca.pem")
	g.Expect(os.WriteFile(authority, service.CAPEM, 0o600)).To(Succeed())

	start(t, "data-dev,data-prod",
		"--allowed-hosts="+service.URL, "--databricks-ca-file="+authority, "--poll-interval-active=200ms", "--leader-elect=false")
	for stage, token := range tokens {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "data-" + stage}}
		g.Expect(api.Create(t.Context(), namespace)).To(Succeed())
		g.Expect(api.Create(t.Context(), &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: "databricks-credentials", Namespace: namespace.Name},
			StringData: map[string]string{"DATABRICKS_HOST": service.URL, "DATABRICKS_TOKEN": token},
		})).To(Succeed())
		manifests, objects, clusters := promoted(t, stage)
		g.Expect(string(manifests)).NotTo(MatchRegexp(`(policy|Pool|cluster)ID:`), "no id is in a manifest")
		for _, object := range objects {
			g.Expect(api.Create(t.Context(), object)).To(Succeed())
		}
		for _, cluster := range clusters {
			g.Eventually(func() string { return readiness(t.Context(), cluster) }).Should(Equal("True Running"), cluster.Name)
		}
		etl := &v1alpha1.DatabricksCluster{}
		g.Expect(api.Get(t.Context(), client.ObjectKey{Namespace: namespace.Name, Name: "etl"}, etl)).To(Succeed())
		policy, pool := &v1alpha1.DatabricksClusterPolicy{}, &v1alpha1.DatabricksInstancePool{}
		g.Expect(api.Get(t.Context(), client.ObjectKey{Namespace: namespace.Name, Name: "etl"}, policy)).To(Succeed())
		g.Expect(api.Get(t.Context(), client.ObjectKey{Namespace: namespace.Name, Name: "workers"}, pool)).To(Succeed())
		g.Expect(etl.Status.Resolved).To(And(
			HaveField("PolicyID", policy.Status.PolicyID), HaveField("InstancePoolID", pool.Status.PoolID), HaveField("SparkVersion", "18.x-scala2.13")))
	}
}
