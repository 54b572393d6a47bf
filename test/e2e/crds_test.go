package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/crds"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
	"github.com/databricks-operator/databricks-operator/test/controlplane"
	"github.com/databricks-operator/databricks-operator/test/programs"
)

const crdsOfThisVersion = "../../config/crd/bases"

// olderCRDs writes the CRDs without some fields of the status of a DatabricksCluster to a
// directory.
func olderCRDs(t *testing.T, fields ...string) (directory string) {
	t.Helper()
	g := NewWithT(t)
	directory = t.TempDir()
	files, err := filepath.Glob(filepath.Join(crdsOfThisVersion, "*.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(files).To(HaveLen(4))
	for _, file := range files {
		content, err := os.ReadFile(file)
		g.Expect(err).NotTo(HaveOccurred())
		var crd apiextensionsv1.CustomResourceDefinition
		g.Expect(yaml.Unmarshal(content, &crd)).To(Succeed())
		if crd.Spec.Names.Kind == v1alpha1.ClusterKind {
			for _, field := range fields {
				delete(crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["status"].Properties, field)
			}
		}
		content, err = yaml.Marshal(crd)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(os.WriteFile(filepath.Join(directory, filepath.Base(file)), content, 0o600)).To(Succeed())
	}
	return directory
}

// With CRDs that are older than the manager, which would drop what a creation depends on,
// nothing is reconciled, and everything once they are upgraded.
func TestCRDsOlderThanTheManager(t *testing.T) {
	t.Run("[case-96] [R18] twelve objects in three namespaces wait without a write until the CRDs are upgraded", func(t *testing.T) {
		t.Parallel()
		const objects = 12
		g := NewWithT(t)
		service := startSimulator(t)
		directory := olderCRDs(t, "creation", "resolved")
		own, err := controlplane.Start(func(e *envtest.Environment) { e.CRDDirectoryPaths = []string{directory} })
		g.Expect(err).NotTo(HaveOccurred())
		t.Cleanup(func() { g.Expect(own.Stop()).To(Succeed()) })
		reader, err := client.New(own.Config, client.Options{Scheme: own.Scheme})
		g.Expect(err).NotTo(HaveOccurred())
		content, err := own.Kubeconfig()
		g.Expect(err).NotTo(HaveOccurred())
		config := filepath.Join(t.TempDir(), "kubeconfig")
		g.Expect(os.WriteFile(config, content, 0o600)).To(Succeed())

		var all []*v1alpha1.DatabricksCluster
		for i := range objects {
			namespace := fmt.Sprintf("team-%d", i%3)
			if i < 3 {
				g.Expect(reader.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})).To(Succeed())
				g.Expect(reader.Create(t.Context(), &corev1.Secret{
					ObjectMeta: metav1.ObjectMeta{Name: "databricks-credentials", Namespace: namespace},
					StringData: map[string]string{"DATABRICKS_HOST": service.URL, "DATABRICKS_TOKEN": simulator.DefaultToken},
				})).To(Succeed())
			}
			all = append(all, newCluster(namespace, fmt.Sprintf("member-%d", i)))
			g.Expect(reader.Create(t.Context(), all[i])).To(Succeed())
		}
		probes := freeAddress(t)
		operator, err := programs.Start(builtBinaries(t).Manager, filepath.Join(t.TempDir(), "operator.log"), "--kubeconfig="+config,
			"--health-probe-bind-address="+probes, "--allowed-hosts="+service.URL, "--databricks-ca-file="+service.CAFile, "--poll-interval-active=200ms")
		g.Expect(err).NotTo(HaveOccurred())
		t.Cleanup(operator.Kill)
		ready := func() int { status, _ := httpGet(t, "http://"+probes+"/readyz", ""); return status }
		g.Eventually(func() string { return operator.Log.Tail(100) }).Should(And(
			ContainSubstring("nothing is reconciled until they are upgraded"),
			ContainSubstring("DatabricksCluster.status.creation"), ContainSubstring("DatabricksCluster.status.resolved"), ContainSubstring("Starting workers")))
		g.Consistently(func(g Gomega) {
			g.Expect(ready()).To(Equal(http.StatusInternalServerError))
			requests, err := service.Requests(t.Context())
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(requests).To(BeEmpty())
			for _, object := range all {
				now := &v1alpha1.DatabricksCluster{}
				g.Expect(reader.Get(t.Context(), client.ObjectKeyFromObject(object), now)).To(Succeed())
				g.Expect(now.ResourceVersion).To(Equal(object.ResourceVersion), "an object is written to")
			}
		}).WithTimeout(5 * time.Second).WithPolling(500 * time.Millisecond).Should(Succeed())

		_, err = envtest.InstallCRDs(own.Config, envtest.CRDInstallOptions{Paths: []string{crdsOfThisVersion}})
		g.Expect(err).NotTo(HaveOccurred())
		for _, object := range all {
			g.Eventually(func(g Gomega) {
				now := &v1alpha1.DatabricksCluster{}
				g.Expect(reader.Get(t.Context(), client.ObjectKeyFromObject(object), now)).To(Succeed())
				g.Expect(now.Status.Conditions).To(ContainElement(And(HaveField("Type", v1alpha1.ConditionReady), HaveField("Reason", v1alpha1.ReasonRunning))))
			}).WithTimeout(3*crds.Interval).Should(Succeed(), object.Name)
		}
		g.Expect(ready()).To(Equal(http.StatusOK))
		records, err := service.Clusters(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(records).To(HaveLen(objects))
	})
}
