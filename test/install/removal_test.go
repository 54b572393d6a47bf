package install

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// The kinds that these tests remove or keep.
var (
	definitionKind = schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"}
	policyKind     = schema.GroupVersionKind{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "ValidatingAdmissionPolicy"}
	clusterKind    = schema.GroupVersionKind{Group: group, Version: "v1alpha1", Kind: "DatabricksCluster"}
)

// environment is a control plane of one test, which installs and uninstalls the
// operator with the commands of docs/install.md.
type environment struct {
	client.Client

	t *testing.T
	// config connects as an administrator, and kubeconfig is for commands.
	config     *rest.Config
	kubeconfig string
	// audited is the audit log of the API server.
	audited string
}

func newEnvironment(t *testing.T) *environment {
	t.Helper()
	g := NewWithT(t)

	controlPlane := &envtest.Environment{BinaryAssetsDirectory: assets(), ControlPlaneStartTimeout: 4 * patience}
	audited := audit(t, controlPlane)
	config, err := controlPlane.Start()
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { g.Expect(controlPlane.Stop()).To(Succeed()) })

	w := &environment{t: t, config: config, kubeconfig: filepath.Join(t.TempDir(), "kubeconfig"), audited: audited}
	g.Expect(os.WriteFile(w.kubeconfig, controlPlane.KubeConfig, 0o600)).To(Succeed())

	w.Client, err = client.New(config, client.Options{})
	g.Expect(err).NotTo(HaveOccurred())

	// A control plane creates these objects after its start.
	g.Eventually(func() error {
		return w.Get(t.Context(), client.ObjectKey{Name: "default"}, &corev1.Namespace{})
	}).WithTimeout(patience).Should(Succeed())

	return w
}

func kubectl() string {
	path, err := filepath.Abs(filepath.Join(assets(), "kubectl"))
	if err != nil {
		panic(err)
	}

	return path
}

// command returns a command that runs in the root of the repository, for this
// control plane.
func (w *environment) command(name string, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(w.t.Context(), name, arguments...)
	command.Dir = repository
	command.Env = append(os.Environ(), "KUBECONFIG="+w.kubeconfig, "HOME="+filepath.Dir(w.kubeconfig))

	return command
}

// make runs a target without rebuilding the tools.
func (w *environment) make(target, kubectl string, variables ...string) *exec.Cmd {
	tools := filepath.Dir(tool(w.t, "kustomize"))
	arguments := []string{target, "-o", filepath.Join(tools, "kustomize"), "BIN=" + tools, "KUBECTL=" + kubectl}

	return w.command("make", append(arguments, variables...)...)
}

// helm runs helm for the release.
func (w *environment) helm(verb string, arguments ...string) {
	w.t.Helper()

	run(w.t, w.command(tool(w.t, "helm"), append([]string{verb, "databricks-operator", "--namespace", namespace}, arguments...)...))
}

// newCluster creates an object with the operator's finalizer.
func (w *environment) newCluster(namespace string) *unstructured.Unstructured {
	w.t.Helper()

	object := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"namespace": namespace, "name": "etl", "finalizers": []any{group + "/cluster"}},
		"spec": map[string]any{
			"sparkVersion":           "16.4.x-scala2.12",
			"nodeTypeID":             "Standard_D4ds_v5",
			"numWorkers":             int64(2),
			"autoterminationMinutes": int64(10000),
		},
	}}
	object.SetGroupVersionKind(clusterKind)

	// The API server serves a new kind with a delay.
	NewWithT(w.t).Eventually(func() error {
		return client.IgnoreAlreadyExists(w.Create(w.t.Context(), object.DeepCopy()))
	}).WithTimeout(patience).Should(Succeed())

	return object
}

// definition returns a CRD.
func definition(resource string) *unstructured.Unstructured {
	crd := &unstructured.Unstructured{}
	crd.SetGroupVersionKind(definitionKind)
	crd.SetName(resource + "." + group)

	return crd
}

// expectUntouched fails if the object is deleted or being deleted.
func (w *environment) expectUntouched(object *unstructured.Unstructured) {
	w.t.Helper()
	g := NewWithT(w.t)

	now := object.DeepCopy()
	g.Expect(w.Get(w.t.Context(), client.ObjectKeyFromObject(object), now)).To(Succeed())
	g.Expect(now.GetDeletionTimestamp()).To(BeNil(), "deletionTimestamp of %s %s", object.GetKind(), object.GetName())
}

// expectDeletionRejected fails unless the API server rejects the deletion of the CRDs,
// one by one and all at once.
func (w *environment) expectDeletionRejected() {
	w.t.Helper()

	for _, resource := range resources {
		crd := definition(resource)

		// The API server applies a new policy with a delay. Until then nothing
		// may be deleted for real.
		NewWithT(w.t).Eventually(func(g Gomega) {
			for _, options := range [][]client.DeleteOption{{client.DryRunAll}, nil} {
				err := w.Delete(w.t.Context(), crd.DeepCopy(), options...)
				g.Expect(apierrors.IsForbidden(err)).To(BeTrue(), "deleting: %v", err)
				g.Expect(err).To(MatchError(ContainSubstring("kubectl annotate crd %s %s/confirm-deletion=true", crd.GetName(), group)))
			}

			err := w.DeleteAllOf(w.t.Context(), crd.DeepCopy(), client.MatchingLabels{"app.kubernetes.io/component": "crd"})
			g.Expect(apierrors.IsForbidden(err)).To(BeTrue(), "deleting all: %v", err)
		}).WithTimeout(patience).Should(Succeed())

		w.expectUntouched(crd)
	}
}

func TestUninstallingTheReleaseDeletesNoCluster(t *testing.T) {
	t.Parallel()
	w := newEnvironment(t)
	chart, err := filepath.Abs(chart)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())

	// Helm adopts the objects that kubectl installed.
	run(t, w.make("deploy", kubectl()))
	w.helm("install", chart, "--take-ownership")

	object := w.newCluster("default")
	w.expectDeletionRejected()

	w.helm("uninstall")
	w.expectUntouched(object)
	w.expectDeletionRejected()

	// Helm adopts the remaining objects, also with other values.
	w.helm("install", chart, "--set", "watchNamespaces={default},metrics.enabled=false")
	w.helm("upgrade", chart, "--set", "replicas=2")
	w.helm("upgrade", chart, "--set", "crds.install=false")
	w.expectDeletionRejected()
	w.expectUntouched(object)
	w.helm("uninstall")

	t.Run("the CRDs go when no object is left", func(t *testing.T) { w.expectUninstall(t, object) })
}

func TestUndeployingDeletesNoCluster(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	w := newEnvironment(t)

	run(t, w.make("deploy", kubectl()))
	object := w.newCluster("default")
	w.expectDeletionRejected()

	// No controller finishes the deletion of a namespace here, so kubectl must
	// not wait for it.
	kubectlWithoutWait := filepath.Join(t.TempDir(), "kubectl")
	script := fmt.Sprintf("#!/bin/sh\nexec %s \"$@\" --wait=false\n", kubectl())
	g.Expect(os.WriteFile(kubectlWithoutWait, []byte(script), 0o700)).To(Succeed())
	run(t, w.make("undeploy", kubectlWithoutWait))

	deployments := &metav1.PartialObjectMetadataList{}
	deployments.SetGroupVersionKind(schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "DeploymentList"})
	g.Expect(w.List(t.Context(), deployments, client.InNamespace(namespace))).To(Succeed())
	g.Expect(deployments.Items).To(BeEmpty())
	w.expectUntouched(object)
	w.expectDeletionRejected()

	t.Run("the CRDs go when no object is left", func(t *testing.T) { w.expectUninstall(t, object) })
}

// expectUninstall runs `make uninstall` with and without an object.
func (w *environment) expectUninstall(t *testing.T, object *unstructured.Unstructured) {
	t.Helper()
	g := NewWithT(t)

	said, err := w.make("uninstall", kubectl()).CombinedOutput()
	g.Expect(err).To(HaveOccurred())
	g.Expect(string(said)).To(And(ContainSubstring("etl"), ContainSubstring("kubectl delete databricksclusters --all --all-namespaces")))
	w.expectUntouched(object)
	w.expectDeletionRejected()

	// No operator finishes the deletion.
	g.Expect(w.Delete(t.Context(), object.DeepCopy())).To(Succeed())
	g.Expect(w.Patch(t.Context(), object.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)))).
		To(Succeed())
	run(t, w.make("uninstall", kubectl()))

	guard := &unstructured.Unstructured{}
	guard.SetGroupVersionKind(policyKind)
	guard.SetName("databricks-operator-crd-deletion")

	all := []*unstructured.Unstructured{guard}
	for _, resource := range resources {
		all = append(all, definition(resource))
	}

	for _, gone := range all {
		g.Expect(apierrors.IsNotFound(w.Get(t.Context(), client.ObjectKeyFromObject(gone), gone))).To(BeTrue(), gone.GetName())
	}

	// A second run succeeds on a cluster without the CRDs.
	run(t, w.make("uninstall", kubectl()))
}
