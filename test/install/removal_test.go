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

// kinds of what these tests remove, or must not.
var (
	definitionKind = schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"}
	policyKind     = schema.GroupVersionKind{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "ValidatingAdmissionPolicy"}
	clusterKind    = schema.GroupVersionKind{Group: group, Version: "v1alpha1", Kind: "DatabricksCluster"}
)

// world is a control plane of a test's own, to which it installs what it removes
// again, by the commands of docs/install.md.
type world struct {
	client.Client

	t *testing.T
	// config reaches it as an administrator, and kubeconfig is for commands.
	config     *rest.Config
	kubeconfig string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	g := NewWithT(t)

	controlPlane := &envtest.Environment{BinaryAssetsDirectory: assets(), ControlPlaneStartTimeout: 4 * patience}
	config, err := controlPlane.Start()
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { g.Expect(controlPlane.Stop()).To(Succeed()) })

	w := &world{t: t, config: config, kubeconfig: filepath.Join(t.TempDir(), "kubeconfig")}
	g.Expect(os.WriteFile(w.kubeconfig, controlPlane.KubeConfig, 0o600)).To(Succeed())

	w.Client, err = client.New(config, client.Options{})
	g.Expect(err).NotTo(HaveOccurred())

	// What a control plane makes a little after it is up.
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

// command is to be run at the top of the repository, for this control plane.
func (w *world) command(name string, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(w.t.Context(), name, arguments...)
	command.Dir = repository
	command.Env = append(os.Environ(), "KUBECONFIG="+w.kubeconfig, "HOME="+filepath.Dir(w.kubeconfig))

	return command
}

// make runs a target, without having the tools built again.
func (w *world) make(target, kubectl string, variables ...string) *exec.Cmd {
	tools := filepath.Dir(tool(w.t, "kustomize"))
	arguments := []string{target, "-o", filepath.Join(tools, "kustomize"), "BIN=" + tools, "KUBECTL=" + kubectl}

	return w.command("make", append(arguments, variables...)...)
}

// helm runs helm against the release.
func (w *world) helm(verb string, arguments ...string) {
	w.t.Helper()

	run(w.t, w.command(tool(w.t, "helm"), append([]string{verb, "databricks-operator", "--namespace", namespace}, arguments...)...))
}

// newCluster creates an object with the operator's finalizer.
func (w *world) newCluster(namespace string) *unstructured.Unstructured {
	w.t.Helper()

	object := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"namespace": namespace, "name": "etl", "finalizers": []any{group + "/cluster"}},
		"spec": map[string]any{
			"sparkVersion":           "16.4.x-scala2.12",
			"nodeTypeID":             "Standard_D4ds_v5",
			"numWorkers":             int64(2),
			"autoterminationMinutes": int64(30),
		},
	}}
	object.SetGroupVersionKind(clusterKind)

	// The API server serves a kind shortly after it was defined.
	NewWithT(w.t).Eventually(func() error {
		return client.IgnoreAlreadyExists(w.Create(w.t.Context(), object.DeepCopy()))
	}).WithTimeout(patience).Should(Succeed())

	return object
}

// definition is a CRD.
func definition(resource string) *unstructured.Unstructured {
	crd := &unstructured.Unstructured{}
	crd.SetGroupVersionKind(definitionKind)
	crd.SetName(resource + "." + group)

	return crd
}

// expectUntouched fails where the object is gone or going.
func (w *world) expectUntouched(object *unstructured.Unstructured) {
	w.t.Helper()
	g := NewWithT(w.t)

	now := object.DeepCopy()
	g.Expect(w.Get(w.t.Context(), client.ObjectKeyFromObject(object), now)).To(Succeed())
	g.Expect(now.GetDeletionTimestamp()).To(BeNil(), "deletionTimestamp of %s %s", object.GetKind(), object.GetName())
}

// expectGuarded fails unless the API server refuses to delete the CRDs, one by one
// and all at once.
func (w *world) expectGuarded() {
	w.t.Helper()

	for _, resource := range []string{"databricksclusters", "databricksworkspaces"} {
		crd := definition(resource)

		// The API server learns of a policy shortly after it was written. Until then
		// nothing may be deleted for good.
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

func TestUninstallingTheReleaseTakesNoClusterAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	chart, err := filepath.Abs(chart)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())

	// Helm takes over what kubectl installed.
	run(t, w.make("deploy", kubectl()))
	w.helm("install", chart, "--take-ownership")

	object := w.newCluster("default")
	w.expectGuarded()

	w.helm("uninstall")
	w.expectUntouched(object)
	w.expectGuarded()

	// It comes back to what it left, also with other values.
	w.helm("install", chart, "--set", "watchNamespaces={default},metrics.enabled=false")
	w.helm("upgrade", chart, "--set", "replicas=2")
	w.helm("upgrade", chart, "--set", "crds.install=false")
	w.expectGuarded()
	w.expectUntouched(object)
	w.helm("uninstall")

	t.Run("the CRDs go when no object is left", func(t *testing.T) { w.expectUninstall(t, object) })
}

func TestUndeployingTakesNoClusterAway(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	w := newWorld(t)

	run(t, w.make("deploy", kubectl()))
	object := w.newCluster("default")
	w.expectGuarded()

	// Nobody finishes the deletion of a namespace here, so nobody may wait for it.
	impatient := filepath.Join(t.TempDir(), "kubectl")
	script := fmt.Sprintf("#!/bin/sh\nexec %s \"$@\" --wait=false\n", kubectl())
	g.Expect(os.WriteFile(impatient, []byte(script), 0o700)).To(Succeed())
	run(t, w.make("undeploy", impatient))

	deployments := &metav1.PartialObjectMetadataList{}
	deployments.SetGroupVersionKind(schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "DeploymentList"})
	g.Expect(w.List(t.Context(), deployments, client.InNamespace(namespace))).To(Succeed())
	g.Expect(deployments.Items).To(BeEmpty())
	w.expectUntouched(object)
	w.expectGuarded()

	t.Run("the CRDs go when no object is left", func(t *testing.T) { w.expectUninstall(t, object) })
}

// expectUninstall runs `make uninstall` with and without an object.
func (w *world) expectUninstall(t *testing.T, object *unstructured.Unstructured) {
	t.Helper()
	g := NewWithT(t)

	said, err := w.make("uninstall", kubectl()).CombinedOutput()
	g.Expect(err).To(HaveOccurred())
	g.Expect(string(said)).To(And(ContainSubstring("etl"), ContainSubstring("kubectl delete databricksclusters --all --all-namespaces")))
	w.expectUntouched(object)
	w.expectGuarded()

	// There is no operator to end the deletion.
	g.Expect(w.Delete(t.Context(), object.DeepCopy())).To(Succeed())
	g.Expect(w.Patch(t.Context(), object.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)))).
		To(Succeed())
	run(t, w.make("uninstall", kubectl()))

	guard := &unstructured.Unstructured{}
	guard.SetGroupVersionKind(policyKind)
	guard.SetName("databricks-operator-crd-deletion")

	for _, gone := range []*unstructured.Unstructured{definition("databricksclusters"), definition("databricksworkspaces"), guard} {
		g.Expect(apierrors.IsNotFound(w.Get(t.Context(), client.ObjectKeyFromObject(gone), gone))).To(BeTrue(), gone.GetName())
	}

	// And again, as of a cluster that never had them.
	run(t, w.make("uninstall", kubectl()))
}
