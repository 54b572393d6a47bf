package install

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
	"github.com/databricks-operator/databricks-operator/test/programs"
)

// TestNamespacedOperatorWorks runs the operator as config/namespaced
// does: with its command line, and with the permissions of its service account.
func TestNamespacedOperatorWorks(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	w := newEnvironment(t)
	workspace, binaries := newWorkspace(t)

	for _, name := range []string{"team-a", "team-b"} {
		w.newNamespace(name, workspace.URL)
	}

	run(t, w.make("deploy", kubectl(), "OVERLAY=namespaced"))

	w.startOperator(binaries, workspace)

	ours, theirs := w.newCluster("team-a"), w.newCluster("team-b")
	g.Eventually(func() (string, error) {
		err := w.Get(t.Context(), client.ObjectKeyFromObject(ours), ours)
		state, _, _ := unstructured.NestedString(ours.Object, "status", "state")

		return state, err
	}).WithTimeout(2 * patience).Should(Equal("RUNNING"))

	g.Expect(w.Get(t.Context(), client.ObjectKeyFromObject(theirs), theirs)).To(Succeed())
	g.Expect(theirs.Object["status"]).NotTo(HaveKey("conditions"), "an object of a namespace that is not named")

	w.bind("output-configmap-writer", "team-a")
	w.edit(ours, `{"spec":{"outputConfigMap":{"name":"etl-cluster"}}}`)
	w.exercise(workspace, ours)
	w.expectDeletion(w.newListed("team-a")...)

	w.expectBounded(ours, theirs)

	// Deleting the CRD would delete clusters, so it needs a confirmation.
	w.expectDeletionRejected()
	run(t, w.command(kubectl(), "annotate", "crd", "databricksclusters."+group, group+"/confirm-deletion=true"))
	run(t, w.command(kubectl(), "delete", "--wait=false", "crd", "databricksclusters."+group))
	g.Eventually(func() bool {
		return apierrors.IsNotFound(w.Get(t.Context(), client.ObjectKeyFromObject(ours), ours))
	}).WithTimeout(2 * patience).Should(BeTrue())

	clusters, err := workspace.Clusters(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(clusters).To(And(Not(BeEmpty()), HaveEach(HaveField("Exists()", BeFalse()))))

	w.expectRightsAreUsed()
}

// expectBounded fails unless only the operator may write the status of an object of its
// namespaces, and its account nothing that it does not need, though its roles permit it
// [S16]. Objects of other namespaces are left to other operators.
func (w *environment) expectBounded(ours, theirs *unstructured.Unstructured) {
	w.t.Helper()
	g := NewWithT(w.t)

	status := client.RawPatch(types.MergePatchType, []byte(`{"status":{"stateMessage":"forged"}}`))
	err := w.Status().Patch(w.t.Context(), ours.DeepCopy(), status)
	g.Expect(err).To(MatchError(ContainSubstring("the status is written by the operator alone")))
	g.Expect(w.Status().Patch(w.t.Context(), theirs.DeepCopy(), status)).To(Succeed())

	config := rest.CopyConfig(w.config)
	config.Impersonate = rest.ImpersonationConfig{UserName: account}
	operator, err := client.New(config, client.Options{})
	g.Expect(err).NotTo(HaveOccurred())

	err = operator.Patch(w.t.Context(), ours.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"spec":{"numWorkers":7}}`)))
	g.Expect(err).To(MatchError(ContainSubstring("the operator may change only its finalizer")))

	stray := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ours.GetNamespace(), Name: "stray"}}
	err = operator.Create(w.t.Context(), stray)
	g.Expect(err).To(MatchError(ContainSubstring("only a ConfigMap that a DatabricksCluster controls")))
}

// startOperator runs the operator with the command line and the rights of its Deployment.
func (w *environment) startOperator(binaries programs.Binaries, workspace *programs.Simulator, flags ...string) {
	w.t.Helper()
	g := NewWithT(w.t)

	deployment := &appsv1.Deployment{}
	g.Expect(w.Get(w.t.Context(), client.ObjectKey{Namespace: namespace, Name: serviceAccount}, deployment)).To(Succeed())

	arguments := slices.Concat(deployment.Spec.Template.Spec.Containers[0].Args, []string{
		"--kubeconfig=" + w.asServiceAccount(), "--leader-election-namespace=" + namespace, // a pod gets these from Kubernetes
		"--operator-namespace=" + namespace, "--operator-service-account=" + serviceAccount,
		"--allowed-hosts=" + workspace.URL, "--databricks-ca-file=" + workspace.CAFile, "--poll-interval-active=200ms",
	}, flags)
	operator, err := programs.StartOperator(w.t.Context(), binaries.Manager, filepath.Join(w.t.TempDir(), "operator.log"), arguments...)
	g.Expect(err).NotTo(HaveOccurred())
	w.t.Cleanup(func() {
		operator.Kill()

		if w.t.Failed() {
			w.t.Logf("the end of the operator's log:\n%s", operator.Log.Tail(40))

			objects, _ := exec.CommandContext(context.Background(), kubectl(), "--kubeconfig="+w.kubeconfig, "get", "dbc,dbw", "-A", "-o", "yaml").CombinedOutput()
			w.t.Logf("the objects:\n%s", objects)
		}
	})
}

// newWorkspace starts a simulator with short transitions.
func newWorkspace(t *testing.T) (*programs.Simulator, programs.Binaries) {
	t.Helper()
	g := NewWithT(t)
	directory := t.TempDir()

	// The test cache must notice changes; see tool.
	for _, sources := range []string{"api", "cmd", "internal"} {
		g.Expect(filepath.WalkDir(filepath.Join(repository, sources), func(string, fs.DirEntry, error) error { return nil })).To(Succeed())
	}

	binaries, err := programs.Build(t.Context(), directory)
	g.Expect(err).NotTo(HaveOccurred())

	workspace, err := programs.StartSimulator(t.Context(), binaries.Simulator,
		filepath.Join(directory, "simulator.log"), filepath.Join(directory, "ca.pem"), "--time-scale=200")
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(workspace.Kill)

	return workspace, binaries
}

// newNamespace creates a namespace with the workspace's credentials.
func (w *environment) newNamespace(name, host string) {
	w.t.Helper()
	g := NewWithT(w.t)

	g.Expect(w.Create(w.t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})).To(Succeed())
	g.Expect(w.Create(w.t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "databricks-credentials", Namespace: name},
		StringData: map[string]string{"DATABRICKS_HOST": host, "DATABRICKS_TOKEN": simulator.DefaultToken},
	})).To(Succeed())
}

// asServiceAccount writes a kubeconfig of the operator's service account.
func (w *environment) asServiceAccount() string {
	w.t.Helper()
	g := NewWithT(w.t)

	config := clientcmdapi.NewConfig()
	config.CurrentContext = "operator"
	config.Contexts["operator"] = &clientcmdapi.Context{Cluster: "test", AuthInfo: "operator"}
	config.Clusters["test"] = &clientcmdapi.Cluster{Server: w.config.Host, CertificateAuthorityData: w.config.CAData}
	config.AuthInfos["operator"] = &clientcmdapi.AuthInfo{Token: w.token(namespace, serviceAccount)}

	file := filepath.Join(w.t.TempDir(), "operator.kubeconfig")
	content, err := clientcmd.Write(*config)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(os.WriteFile(file, content, 0o600)).To(Succeed())

	return file
}

// token returns a token of a service account.
func (w *environment) token(namespace, name string) string {
	w.t.Helper()

	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: new(int64(time.Hour.Seconds()))}}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	NewWithT(w.t).Expect(w.SubResource("token").Create(w.t.Context(), account, request)).To(Succeed())

	return request.Status.Token
}
