package install

import (
	"os/exec"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func TestTheChartIsLinted(t *testing.T) {
	for _, values := range [][]string{nil, {"--values", everything}} {
		arguments := append([]string{"lint", "--strict", chart, "--kube-version", "1.31.0"}, values...)

		said, err := exec.CommandContext(t.Context(), tool(t, "helm"), arguments...).CombinedOutput()
		if err != nil {
			t.Errorf("helm lint: %v\n%s", err, said)
		}
	}
}

func TestEveryVariantIsAccepted(t *testing.T) {
	g := NewWithT(t)
	g.Expect(install()).To(Succeed())

	foreign, err := read("testdata/prometheus-operator.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(applyAll(t.Context(), foreign)).To(Succeed())

	for _, name := range []string{"team-a", "team-b"} {
		home := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		g.Expect(client.IgnoreAlreadyExists(cluster.Create(t.Context(), home))).To(Succeed())
	}

	for _, variant := range variants() {
		t.Run(variant.name, func(t *testing.T) {
			warned.drain()

			for _, object := range variant.objects(t) {
				// The API server serves a new kind with a delay.
				NewWithT(t).Eventually(apply).
					WithArguments(t.Context(), object, client.DryRunAll, client.ForceOwnership).WithTimeout(patience).
					Should(Succeed(), "%s %s", object.GetKind(), object.GetName())

				if object.GetKind() == "Deployment" {
					expectRestricted(t, object)
				}
			}

			NewWithT(t).Expect(warned.drain()).To(BeEmpty(), "warnings")
		})
	}
}

// expectRestricted creates a Deployment's pod in a namespace that enforces the
// restricted standard.
func expectRestricted(t *testing.T, object *unstructured.Unstructured) {
	t.Helper()
	g := NewWithT(t)

	deployment := convert[appsv1.Deployment](t, object)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "manager", Labels: deployment.Spec.Template.Labels},
		Spec:       deployment.Spec.Template.Spec,
	}
	g.Expect(cluster.Create(t.Context(), pod, client.DryRunAll)).To(Succeed())
	g.Expect(pod.Spec.Containers).To(HaveEach(HaveField("SecurityContext.ReadOnlyRootFilesystem", HaveValue(BeTrue()))))
}

// convert converts an object to the Go type of its kind.
func convert[T any](t *testing.T, object *unstructured.Unstructured) *T {
	t.Helper()

	typed := new(T)
	NewWithT(t).Expect(runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, typed, true)).To(Succeed())

	return typed
}

func TestNamespacedOperatorHasNoClusterPermissions(t *testing.T) {
	for _, variant := range variants() {
		if !strings.Contains(variant.name, "namespaced") && variant.name != "helm every other value" {
			continue
		}

		t.Run("[S2] "+variant.name, func(t *testing.T) {
			g := NewWithT(t)
			watched := map[string]bool{}

			for _, object := range variant.objects(t) {
				switch object.GetKind() {
				case "ClusterRoleBinding":
					t.Errorf("a right on the whole cluster: %s", object.GetName())
				case "ClusterRole":
					// These roles are for users and have no binding.
					for _, rule := range convert[rbacv1.ClusterRole](t, object).Rules {
						g.Expect(rule.Resources).NotTo(ContainElement(Or(Equal("secrets"), Equal("*"))), object.GetName())
					}
				case "Role":
					for _, rule := range convert[rbacv1.Role](t, object).Rules {
						g.Expect(rule.Resources).NotTo(ContainElement(HavePrefix("databricksworkspaces")), object.GetName())
						g.Expect(rule.Verbs).NotTo(ContainElement("*"), object.GetName())

						for _, resource := range rule.Resources {
							watched[object.GetNamespace()] = watched[object.GetNamespace()] || resource == "secrets"
						}
					}
				}
			}

			g.Expect(watched).To(HaveKeyWithValue("team-a", true), "Secrets of a namespace that it works in")
			g.Expect(watched).To(HaveKeyWithValue(namespace, false), "Secrets of its own namespace")
		})
	}
}

func TestTheManifestIsTheDefaultOverlay(t *testing.T) {
	g := NewWithT(t)

	manifest, err := read("../../dist/install.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(manifest).To(Equal(kustomize(t, "default")), "run 'make manifests'")
}
