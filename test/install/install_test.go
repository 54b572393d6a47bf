package install

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"
)

const (
	namespace      = "databricks-operator-system"
	serviceAccount = "databricks-operator-controller-manager"
	group          = "compute.databricks-operator.io"
	patience       = 30 * time.Second
)

var (
	// cluster is a client of an empty control plane, and operator one with the operator's
	// account.
	cluster, operator client.Client
	// warned collects the warnings of its API server.
	warned warnings
)

// warnings collects an API server's warnings.
type warnings struct {
	lock  sync.Mutex
	texts []string
}

// HandleWarningHeader implements rest.WarningHandler.
func (w *warnings) HandleWarningHeader(_ int, _, text string) {
	w.lock.Lock()
	defer w.lock.Unlock()

	w.texts = append(w.texts, text)
}

// drain returns the warnings since the last call.
func (w *warnings) drain() []string {
	w.lock.Lock()
	defer w.lock.Unlock()

	texts := w.texts
	w.texts = nil

	return texts
}

func TestMain(m *testing.M) {
	code, err := runOnControlPlane(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)

		code = 1
	}

	os.Exit(code)
}

func runOnControlPlane(m *testing.M) (code int, err error) {
	ctrl.SetLogger(logr.Discard())

	controlPlane := &envtest.Environment{BinaryAssetsDirectory: assets(), ControlPlaneStartTimeout: 4 * patience}

	config, err := controlPlane.Start()
	if err != nil {
		return 0, fmt.Errorf("starting a control plane: %w", err)
	}
	defer func() { err = errors.Join(err, controlPlane.Stop()) }()

	config.WarningHandler = &warned

	cluster, err = client.New(config, client.Options{})
	if err != nil {
		return 0, err
	}

	asOperator := rest.CopyConfig(config)
	asOperator.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:" + namespace + ":" + serviceAccount,
		Groups:   []string{"system:serviceaccounts", "system:authenticated"},
	}

	operator, err = client.New(asOperator, client.Options{})
	if err != nil {
		return 0, err
	}

	return m.Run(), nil
}

// assets returns the directory of the control plane's programs.
func assets() string {
	return cmp.Or(os.Getenv("KUBEBUILDER_ASSETS"), "../../bin/k8s")
}

// install applies dist/install.yaml once for all tests, document by document.
// Tests call it instead of TestMain, because Go's test cache ignores the files
// that TestMain reads.
var install = sync.OnceValue(func() error {
	documents, err := read("../../dist/install.yaml")
	if err != nil {
		return err
	}

	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()

	for _, document := range documents {
		if err := apply(ctx, document); err != nil {
			return fmt.Errorf("dist/install.yaml: %s %s is refused: %w", document.GetKind(), document.GetName(), err)
		}
	}

	return nil
})

// read returns the objects of a file.
func read(file string) ([]*unstructured.Unstructured, error) {
	content, err := os.ReadFile(filepath.Clean(file))
	if err != nil {
		return nil, err
	}

	objects, err := parse(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}

	return objects, nil
}

// parse splits YAML into objects. A duplicate key is an error.
func parse(content []byte) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured

	for reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content))); ; {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}

		if err != nil {
			return nil, err
		}

		text, err := yaml.YAMLToJSONStrict(document)
		if err != nil {
			return nil, err
		}

		if string(text) == "null" {
			continue
		}

		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(text); err != nil {
			return nil, err
		}

		objects = append(objects, object)
	}
}

// apply is `kubectl apply --server-side --validate=strict`: it rejects unknown
// and duplicate fields.
func apply(ctx context.Context, document *unstructured.Unstructured, options ...client.PatchOption) error {
	content, err := json.Marshal(document)
	if err != nil {
		return err
	}

	options = append(options, client.FieldOwner("install"), client.FieldValidation(metav1.FieldValidationStrict))

	return cluster.Patch(ctx, document.DeepCopy(), client.RawPatch(types.ApplyPatchType, content), options...)
}

// resources are the plural names of all kinds.
var resources = []string{"databricksclusters", "databricksclusterpolicies", "databricksinstancepools", "databricksworkspaces"}

func TestEveryCRDIsEstablished(t *testing.T) {
	for _, resource := range resources {
		t.Run(resource, func(t *testing.T) { expectEstablished(t, resource) })
	}
}

func expectEstablished(t *testing.T, resource string) {
	t.Helper()
	g := NewWithT(t)
	g.Expect(install()).To(Succeed())

	crd := &unstructured.Unstructured{}
	crd.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})

	g.Eventually(func(g Gomega) {
		g.Expect(cluster.Get(t.Context(), client.ObjectKey{Name: resource + "." + group}, crd)).To(Succeed())

		conditions, _, err := unstructured.NestedSlice(crd.Object, "status", "conditions")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(conditions).To(ContainElement(And(HaveKeyWithValue("type", "Established"), HaveKeyWithValue("status", "True"))))
	}).WithTimeout(patience).Should(Succeed())

	for _, condition := range []string{"NonStructuralSchema", "KubernetesAPIApprovalPolicyConformant"} {
		g.Expect(crd.Object["status"]).NotTo(HaveKeyWithValue("conditions",
			ContainElement(And(HaveKeyWithValue("type", condition), HaveKeyWithValue("status", "True")))))
	}
}

func TestEverySampleIsAccepted(t *testing.T) {
	g := NewWithT(t)
	g.Expect(install()).To(Succeed())

	files, err := filepath.Glob("../../config/samples/*.yaml")
	g.Expect(err).NotTo(HaveOccurred())

	namespaces := map[string]bool{}

	for _, file := range files {
		if filepath.Base(file) == "kustomization.yaml" {
			continue
		}

		samples, err := read(file)
		g.Expect(err).NotTo(HaveOccurred())

		for _, sample := range samples {
			if sample.GetNamespace() == "" && sample.GetKind() != "Namespace" && sample.GetKind() != "DatabricksWorkspace" {
				sample.SetNamespace("default")
			}

			if name := sample.GetNamespace(); name != "" && !namespaces[name] {
				namespaces[name] = true
				home := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
				g.Expect(client.IgnoreAlreadyExists(cluster.Create(t.Context(), home))).To(Succeed())
			}

			g.Eventually(apply).WithArguments(t.Context(), sample, client.DryRunAll).WithTimeout(patience).
				Should(Succeed(), "%s: %s %s", file, sample.GetKind(), sample.GetName())
		}
	}
}

func TestThePodMeetsTheRestrictedStandard(t *testing.T) {
	t.Run("[S11]", func(t *testing.T) {
		g := NewWithT(t)
		g.Expect(install()).To(Succeed())

		home := &corev1.Namespace{}
		g.Expect(cluster.Get(t.Context(), client.ObjectKey{Name: namespace}, home)).To(Succeed())
		g.Expect(home.Labels).To(HaveKeyWithValue("pod-security.kubernetes.io/enforce", "restricted"))

		deployment := &appsv1.Deployment{}
		key := client.ObjectKey{Namespace: namespace, Name: "databricks-operator-controller-manager"}
		g.Expect(cluster.Get(t.Context(), key, deployment)).To(Succeed())

		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "manager", Labels: deployment.Spec.Template.Labels},
			Spec:       deployment.Spec.Template.Spec,
		}
		g.Expect(cluster.Create(t.Context(), pod.DeepCopy(), client.DryRunAll)).To(Succeed())

		// The standard does not require this.
		for _, container := range pod.Spec.Containers {
			g.Expect(container.SecurityContext.ReadOnlyRootFilesystem).To(HaveValue(BeTrue()))
		}

		// The namespace enforces the standard: a pod that violates it is
		// rejected.
		pod.Spec.SecurityContext.SeccompProfile = nil
		err := cluster.Create(t.Context(), pod, client.DryRunAll)
		g.Expect(apierrors.IsForbidden(err)).To(BeTrue(), "without seccomp: %v", err)
	})
}

// Go's memory limit is 5 to 10 % below the container's, as its guide
// recommends, for memory that Go does not count. The test sets the variables
// like Kubernetes.
func TestGoMemoryLimitIsBelowTheContainerLimit(t *testing.T) {
	g := NewWithT(t)
	g.Expect(install()).To(Succeed())

	deployment := &appsv1.Deployment{}
	key := client.ObjectKey{Namespace: namespace, Name: "databricks-operator-controller-manager"}
	g.Expect(cluster.Get(t.Context(), key, deployment)).To(Succeed())

	manager := deployment.Spec.Template.Spec.Containers[0]
	limit := manager.Resources.Limits.Memory()
	values := map[string]string{}

	for _, variable := range manager.Env {
		value := variable.Value
		for name, known := range values {
			value = strings.ReplaceAll(value, "$("+name+")", known)
		}

		if from := variable.ValueFrom; from != nil && from.ResourceFieldRef != nil {
			g.Expect(from.ResourceFieldRef.Resource).To(Equal("limits.memory"))
			divisor := from.ResourceFieldRef.Divisor
			value = strconv.FormatInt((limit.Value()+divisor.Value()-1)/divisor.Value(), 10)
		}

		values[variable.Name] = value
	}

	toldGo, err := strconv.ParseInt(values["GOMEMLIMIT"], 10, 64)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(float64(toldGo) / float64(limit.Value())).To(BeNumerically("~", 0.93, 0.03))
}

func TestOperatorHasExactlyTheRequiredPermissions(t *testing.T) {
	everywhere := func(verb, group, resource string) authorizationv1.ResourceAttributes {
		return authorizationv1.ResourceAttributes{Verb: verb, Group: group, Resource: resource}
	}
	own := func(verb, group, resource string) authorizationv1.ResourceAttributes {
		return authorizationv1.ResourceAttributes{Verb: verb, Group: group, Resource: resource, Namespace: namespace}
	}
	token := func(namespace, account string) authorizationv1.ResourceAttributes {
		return authorizationv1.ResourceAttributes{
			Verb: "create", Resource: "serviceaccounts", Subresource: "token", Namespace: namespace, Name: account,
		}
	}
	lease := func(verb, name string) authorizationv1.ResourceAttributes {
		return authorizationv1.ResourceAttributes{
			Verb: verb, Group: "coordination.k8s.io", Resource: "leases", Namespace: namespace, Name: name,
		}
	}
	shared := authorizationv1.ResourceAttributes{Verb: "patch", Group: group, Resource: "databricksworkspaces", Subresource: "status"}
	status := authorizationv1.ResourceAttributes{Verb: "patch", Group: group, Resource: "databricksclusters", Subresource: "status"}

	for _, c := range []struct {
		may bool
		do  authorizationv1.ResourceAttributes
	}{
		{true, everywhere("list", group, "databricksclusters")},
		{true, everywhere("watch", group, "databricksclusters")},
		{true, everywhere("patch", group, "databricksclusters")},
		{true, status},
		{true, everywhere("list", group, "databricksclusterpolicies")},
		{true, everywhere("watch", group, "databricksclusterpolicies")},
		{true, everywhere("patch", group, "databricksclusterpolicies")},
		{true, everywhere("list", group, "databricksinstancepools")},
		{true, everywhere("watch", group, "databricksinstancepools")},
		{true, everywhere("patch", group, "databricksinstancepools")},
		{true, everywhere("get", "", "secrets")},
		{true, everywhere("create", "events.k8s.io", "events")},
		{true, everywhere("create", "authentication.k8s.io", "tokenreviews")},
		{true, everywhere("get", "", "namespaces")},
		{true, everywhere("watch", group, "databricksworkspaces")},
		{true, shared},
		{true, token(namespace, serviceAccount)},
		{true, own("create", "coordination.k8s.io", "leases")},
		{true, lease("get", "databricks-operator."+group)},
		{true, lease("update", "databricks-operator."+group)},
		{false, lease("get", "another")},
		{false, lease("update", "another")},
		{false, own("update", "coordination.k8s.io", "leases")},
		{false, own("list", "coordination.k8s.io", "leases")},
		{false, everywhere("get", "", "configmaps")},
		{false, everywhere("create", "", "configmaps")},
		{false, everywhere("patch", "", "configmaps")},
		{false, own("create", "", "configmaps")},
		{false, everywhere("list", "", "secrets")},
		{false, everywhere("watch", "", "secrets")},
		{false, own("list", "", "secrets")},
		{false, everywhere("create", "", "secrets")},
		{false, everywhere("patch", "", "secrets")},
		{false, everywhere("create", group, "databricksclusters")},
		{false, everywhere("update", group, "databricksclusters")},
		{false, everywhere("delete", group, "databricksclusters")},
		{false, everywhere("create", group, "databricksclusterpolicies")},
		{false, everywhere("delete", group, "databricksclusterpolicies")},
		{false, everywhere("create", group, "databricksinstancepools")},
		{false, everywhere("delete", group, "databricksinstancepools")},
		{false, everywhere("get", "", "pods")},
		{false, everywhere("list", "", "namespaces")},
		{false, everywhere("watch", "", "namespaces")},
		{false, everywhere("patch", group, "databricksworkspaces")},
		{false, token(namespace, "default")},
		{false, token("team-a", "etl")},
		{false, token("kube-system", "admin")},
		{false, everywhere("update", "coordination.k8s.io", "leases")},
		{false, everywhere("*", "*", "*")},
	} {
		name := fmt.Sprintf("[S2] %s %s/%s.%s %s in %q: %t", c.do.Verb, c.do.Resource, c.do.Subresource, c.do.Group, c.do.Name, c.do.Namespace, c.may)
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(install()).To(Succeed())

			// The API server applies a new role with a delay.
			g.Eventually(mayDo).WithArguments(t.Context(), c.do).WithTimeout(patience).Should(Equal(c.may))
		})
	}
}

// TestANamespaceOptsIntoOutputConfigMaps runs the command of docs/access.md.
func TestANamespaceOptsIntoOutputConfigMaps(t *testing.T) {
	g := NewWithT(t)
	g.Expect(install()).To(Succeed())

	g.Expect(cluster.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "output"}})).To(Succeed())
	g.Expect(cluster.Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: "output", Name: "databricks-operator-output"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "databricks-operator-output-configmap-writer"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: serviceAccount}},
	})).To(Succeed())

	for verb, may := range map[string]bool{"get": true, "create": true, "patch": true, "update": false, "delete": false, "list": false, "watch": false} {
		t.Run("[S2] [S16] "+verb, func(t *testing.T) {
			NewWithT(t).Eventually(mayDo).WithArguments(t.Context(),
				authorizationv1.ResourceAttributes{Verb: verb, Resource: "configmaps", Namespace: "output"},
			).WithTimeout(patience).Should(Equal(may))
		})
	}
}

// mayDo reports whether the operator's account has a permission.
func mayDo(ctx context.Context, do authorizationv1.ResourceAttributes) (bool, error) {
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User:               "system:serviceaccount:" + namespace + ":" + serviceAccount,
		Groups:             []string{"system:serviceaccounts", "system:authenticated"},
		ResourceAttributes: &do,
	}}
	err := cluster.Create(ctx, review)

	return review.Status.Allowed, err
}

func TestProtectedClusterIsNotDeleted(t *testing.T) {
	g := NewWithT(t)
	g.Expect(install()).To(Succeed())

	protected := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"namespace": "default", "name": "protected"},
		"spec": map[string]any{
			"sparkVersion":           "16.4.x-scala2.12",
			"nodeTypeID":             "Standard_D4ds_v5",
			"numWorkers":             int64(2),
			"autoterminationMinutes": int64(30),
			"deletionProtection":     true,
		},
	}}
	protected.SetGroupVersionKind(schema.GroupVersionKind{Group: group, Version: "v1alpha1", Kind: "DatabricksCluster"})

	// The API server applies a new policy with a delay.
	g.Eventually(func(g Gomega) {
		g.Expect(client.IgnoreAlreadyExists(cluster.Create(t.Context(), protected.DeepCopy()))).To(Succeed())

		err := cluster.Delete(t.Context(), protected.DeepCopy())
		g.Expect(apierrors.IsForbidden(err)).To(BeTrue(), "deleting: %v", err)
		g.Expect(err).To(MatchError(ContainSubstring("spec.deletionProtection is true: set it to false to delete protected")))
	}).WithTimeout(patience).Should(Succeed())

	released := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"deletionProtection":false}}`))
	g.Expect(cluster.Patch(t.Context(), protected.DeepCopy(), released)).To(Succeed())
	g.Expect(cluster.Delete(t.Context(), protected.DeepCopy())).To(Succeed())
}

func TestAWorkspaceInUseIsNotDeleted(t *testing.T) {
	t.Run("[case-88] its deletion is refused until it is confirmed", workspaceInUse)
}

func workspaceInUse(t *testing.T) {
	t.Helper()

	g := NewWithT(t)
	g.Expect(install()).To(Succeed())

	shared := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"name": "in-use"},
		"spec":     map[string]any{"host": "https://dbc-1.cloud.databricks.com", "secretRef": map[string]any{"name": "shared"}},
	}}
	shared.SetGroupVersionKind(schema.GroupVersionKind{Group: group, Version: "v1alpha1", Kind: "DatabricksWorkspace"})
	patch := func(text string) client.Patch { return client.RawPatch(types.MergePatchType, []byte(text)) }
	g.Expect(cluster.Create(t.Context(), shared.DeepCopy())).To(Succeed())
	uses := func(count int) {
		status := patch(fmt.Sprintf(`{"status":{"clusters":%d}}`, count))
		g.Eventually(func() error { return operator.Status().Patch(t.Context(), shared.DeepCopy(), status) }).WithTimeout(patience).Should(Succeed())
	}
	remove := func() error { return cluster.Delete(t.Context(), shared.DeepCopy(), client.DryRunAll) }

	uses(12)
	// The API server applies a new policy with a delay.
	g.Eventually(remove).WithTimeout(patience).Should(And(
		MatchError(ContainSubstring("12 DatabricksClusters use in-use")), MatchError(ContainSubstring("kubectl annotate dbw in-use "+group+"/confirm-deletion=true"))))

	g.Expect(cluster.Patch(t.Context(), shared.DeepCopy(), patch(`{"metadata":{"annotations":{"`+group+`/confirm-deletion":"true"}}}`))).To(Succeed())
	g.Expect(remove()).To(Succeed())
	g.Expect(cluster.Patch(t.Context(), shared.DeepCopy(), patch(`{"metadata":{"annotations":{"`+group+`/confirm-deletion":"yes"}}}`))).To(Succeed())
	g.Expect(remove()).NotTo(Succeed())

	uses(0)
	g.Expect(remove()).To(Succeed())
	g.Expect(cluster.Delete(t.Context(), shared.DeepCopy())).To(Succeed())
}
