package install

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/databricks-operator/databricks-operator/test/programs"
)

// auditPolicy records who does what to which resource, and no bodies.
const auditPolicy = `{"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Metadata"}], "omitStages": ["RequestReceived"]}`

// account is the user name of the operator's service account.
const account = "system:serviceaccount:" + namespace + ":" + serviceAccount

// withoutRequest are the rights that no request shows.
var withoutRequest = []string{
	// The admission plugin OwnerReferencesPermissionEnforcement asks for it when the
	// operator writes a ConfigMap that an object controls.
	"update databricksclusters.compute.databricks-operator.io/finalizers",
	"update databricksclusterpolicies.compute.databricks-operator.io/finalizers",
	"update databricksinstancepools.compute.databricks-operator.io/finalizers",
	// Events are counted up in the first one only for one version of an object.
	"patch events.events.k8s.io",
	// The informers use a watch that begins with a list, and list where the API server
	// lacks that feature.
	"list databricksclusterpolicies.compute.databricks-operator.io",
	"list databricksinstancepools.compute.databricks-operator.io",
	"list databricksworkspaces.compute.databricks-operator.io",
}

// audit lets an API server write an audit log, and returns its path.
func audit(t *testing.T, controlPlane *envtest.Environment) string {
	t.Helper()

	directory := t.TempDir()
	policy, events := filepath.Join(directory, "policy.yaml"), filepath.Join(directory, "audit.log")
	NewWithT(t).Expect(os.WriteFile(policy, []byte(auditPolicy), 0o600)).To(Succeed())
	controlPlane.ControlPlane.GetAPIServer().Configure().
		Set("audit-policy-file", policy).Set("audit-log-path", events).
		Set("enable-admission-plugins", "OwnerReferencesPermissionEnforcement")

	return events
}

// event is a line of an audit log.
type event struct {
	Verb string `json:"verb"`
	User struct {
		Username string `json:"username"`
	} `json:"user"`
	Object struct {
		Group       string `json:"apiGroup"`
		Resource    string `json:"resource"`
		Subresource string `json:"subresource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
	} `json:"objectRef"`
	Annotations map[string]string `json:"annotations"`
}

// operatorEvents returns what the operator's account did to resources.
func (w *environment) operatorEvents() []event {
	w.t.Helper()
	g := NewWithT(w.t)

	file, err := os.Open(w.audited)
	g.Expect(err).NotTo(HaveOccurred())

	defer func() { _ = file.Close() }()

	var events []event

	for reader := bufio.NewReader(file); ; {
		line, err := reader.ReadBytes('\n')
		if err == io.EOF {
			return events // the last line may be incomplete
		}

		g.Expect(err).NotTo(HaveOccurred())

		var next event
		g.Expect(json.Unmarshal(line, &next)).To(Succeed())

		if next.User.Username == account && next.Object.Resource != "" {
			events = append(events, next)
		}
	}
}

// right names a right, such as "patch databricksclusters.compute.databricks-operator.io/status".
func right(verb, group, resource, subresource string) string {
	name := schema.GroupResource{Group: group, Resource: resource}.String()
	if subresource != "" {
		name += "/" + subresource
	}

	return verb + " " + name
}

// granted returns the rights that the bindings of the operator's account contain, for the
// whole cluster and for namespaces, each once.
func (w *environment) granted() []string {
	w.t.Helper()
	g := NewWithT(w.t)

	var rights []string

	grant := func(subjects []rbacv1.Subject, namespace string, role rbacv1.RoleRef) {
		if !slices.ContainsFunc(subjects, func(s rbacv1.Subject) bool { return s.Kind == "ServiceAccount" && s.Name == serviceAccount }) {
			return
		}

		var rules []rbacv1.PolicyRule

		if role.Kind == "ClusterRole" {
			bound := &rbacv1.ClusterRole{}
			g.Expect(w.Get(w.t.Context(), client.ObjectKey{Name: role.Name}, bound)).To(Succeed())
			rules = bound.Rules
		} else {
			bound := &rbacv1.Role{}
			g.Expect(w.Get(w.t.Context(), client.ObjectKey{Namespace: namespace, Name: role.Name}, bound)).To(Succeed())
			rules = bound.Rules
		}

		for _, rule := range rules {
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					resource, subresource, _ := strings.Cut(resource, "/")
					for _, verb := range rule.Verbs {
						rights = append(rights, right(verb, group, resource, subresource))
					}
				}
			}
		}
	}

	ofCluster, ofNamespaces := &rbacv1.ClusterRoleBindingList{}, &rbacv1.RoleBindingList{}
	g.Expect(w.List(w.t.Context(), ofCluster)).To(Succeed())
	g.Expect(w.List(w.t.Context(), ofNamespaces)).To(Succeed())

	for i := range ofCluster.Items {
		grant(ofCluster.Items[i].Subjects, "", ofCluster.Items[i].RoleRef)
	}

	for i := range ofNamespaces.Items {
		grant(ofNamespaces.Items[i].Subjects, ofNamespaces.Items[i].Namespace, ofNamespaces.Items[i].RoleRef)
	}

	slices.Sort(rights)

	return slices.Compact(rights)
}

// expectRightsAreUsed compares the rights of the operator's account with the audit log:
// the API server forbade no request, and the operator used each of its rights.
func (w *environment) expectRightsAreUsed() {
	w.t.Helper()
	g := NewWithT(w.t)

	for _, event := range w.operatorEvents() {
		g.Expect(event.Annotations).To(HaveKeyWithValue("authorization.k8s.io/decision", "allow"),
			"%s of %s %s/%s", event.Verb, event.Object.Resource, event.Object.Namespace, event.Object.Name)
	}

	needed := append(w.used(), withoutRequest...)
	unused := slices.DeleteFunc(w.granted(), func(right string) bool { return slices.Contains(needed, right) })
	g.Expect(unused).To(BeEmpty(), "rights that the operator did not use")
}

// exercise deletes an object's cluster in the workspace and waits for the next one, which
// changes the object's ConfigMap.
func (w *environment) exercise(workspace *programs.Simulator, object *unstructured.Unstructured) {
	w.t.Helper()
	g := NewWithT(w.t)

	w.becomesReady(object)

	cluster, _, err := unstructured.NestedString(object.Object, "status", "clusterID")
	g.Expect(err).NotTo(HaveOccurred())
	g.Eventually(w.used).WithTimeout(2 * patience).Should(ContainElement("create configmaps"))
	g.Expect(workspace.Do(w.t.Context(), http.MethodPost, "clusters/"+cluster+"/delete", map[string]any{}, nil)).To(Succeed())
	w.edit(object, `{"metadata":{"annotations":{"compute.databricks-operator.io/request":"reconcile@1"}}}`)
	g.Eventually(w.used).WithTimeout(2 * patience).Should(ContainElement("patch configmaps"))
	w.becomesReady(object)
}

// used returns the rights that the operator's account used so far.
func (w *environment) used() []string {
	w.t.Helper()

	var rights []string
	for _, event := range w.operatorEvents() {
		rights = append(rights, right(event.Verb, event.Object.Group, event.Object.Resource, event.Object.Subresource))
	}

	slices.Sort(rights)

	return slices.Compact(rights)
}

// bind lets the operator's account use a shipped ClusterRole in a namespace.
func (w *environment) bind(role, in string) {
	w.t.Helper()

	run(w.t, w.command(kubectl(), "create", "rolebinding", "databricks-operator-"+role, "--namespace="+in,
		"--clusterrole=databricks-operator-"+role, "--serviceaccount="+namespace+":"+serviceAccount))
}

// edit changes an object by a merge patch.
func (w *environment) edit(object client.Object, patch string) {
	w.t.Helper()

	NewWithT(w.t).Expect(w.Patch(w.t.Context(), object, client.RawPatch(types.MergePatchType, []byte(patch)))).To(Succeed())
}

// becomesReady waits until an object is Ready in its newest generation.
func (w *environment) becomesReady(object *unstructured.Unstructured) {
	w.t.Helper()

	NewWithT(w.t).Eventually(func(g Gomega) {
		g.Expect(w.Get(w.t.Context(), client.ObjectKeyFromObject(object), object)).To(Succeed())

		conditions, _, err := unstructured.NestedSlice(object.Object, "status", "conditions")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(conditions).To(ContainElement(And(
			HaveKeyWithValue("type", "Ready"), HaveKeyWithValue("status", "True"),
			HaveKeyWithValue("observedGeneration", object.GetGeneration()))))
	}).WithTimeout(2 * patience).Should(Succeed())
}

// TestTheOperatorUsesItsRights runs the operator as config/default does, through every
// feature that needs a right, and compares what the API server logs with the roles
// [S2, S16].
func TestTheOperatorUsesItsRights(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	w := newEnvironment(t)
	workspace, binaries := newWorkspace(t)

	g.Expect(workspace.Do(t.Context(), http.MethodPost, "principals", map[string]any{"user_name": "6f7c-app", "federation": map[string]any{}}, nil)).To(Succeed())
	run(t, w.make("deploy", kubectl()))

	metrics := freeAddress(t)
	w.startOperator(binaries, workspace, "--metrics-bind-address="+metrics)
	g.Eventually(scrape).WithArguments(t, metrics, w.token(namespace, serviceAccount)).WithTimeout(patience).
		Should(Equal(http.StatusForbidden), "an account without the role of the metrics' readers")

	// A shared workspace with the operator's own identity, for namespaces by their labels.
	shared := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": group + "/v1alpha1", "kind": "DatabricksWorkspace",
		"metadata": map[string]any{"name": "shared"},
		"spec": map[string]any{
			"host":              workspace.URL,
			"workloadIdentity":  map[string]any{"clientID": "6f7c-app"},
			"allowedNamespaces": map[string]any{"selector": map[string]any{"matchLabels": map[string]any{"team": "a"}}},
		},
	}}
	g.Expect(w.Create(t.Context(), shared)).To(Succeed())

	w.newNamespace("team-a", workspace.URL)
	w.edit(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team-a"}}, `{"metadata":{"labels":{"team":"a"}}}`)
	w.newNamespace("team-b", workspace.URL)
	w.newNamespace("team-c", workspace.URL)

	g.Expect(w.Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "team-b", Name: "etl"}})).To(Succeed())
	w.bind("token-requester", "team-b")
	w.bind("output-configmap-writer", "team-b")

	ours, theirs, plain := w.newCluster("team-a"), w.newCluster("team-b"), w.newCluster("team-c")
	w.edit(ours, `{"spec":{"connection":{"workspaceRef":{"name":"shared"}},"outputConfigMap":null}}`)
	w.edit(theirs, fmt.Sprintf(`{"spec":{"outputConfigMap":{"name":"etl-cluster"},
		"connection":{"workloadIdentity":{"host":%q,"clientID":"6f7c-app","serviceAccountName":"etl"}}}}`, workspace.URL))
	w.becomesReady(ours)
	w.becomesReady(theirs)
	w.becomesReady(plain)

	policy := w.newListed("DatabricksClusterPolicy", map[string]any{"definition": map[string]any{"num_workers": map[string]any{"type": "fixed", "value": int64(1)}}})
	pool := w.newListed("DatabricksInstancePool", map[string]any{"nodeTypeID": "Standard_D4ds_v5"})
	w.becomesReady(policy)
	w.becomesReady(pool)

	w.exercise(workspace, theirs)

	for _, object := range []client.Object{ours, theirs, plain, policy, pool} {
		g.Expect(w.Delete(t.Context(), object)).To(Succeed())
		g.Eventually(func() error {
			return w.Get(t.Context(), client.ObjectKeyFromObject(object), object)
		}).WithTimeout(2 * patience).ShouldNot(Succeed())
	}

	w.expectRightsAreUsed()
}

// newListed creates a policy or an instance pool in team-c.
func (w *environment) newListed(kind string, spec map[string]any) *unstructured.Unstructured {
	w.t.Helper()

	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": group + "/v1alpha1", "kind": kind,
		"metadata": map[string]any{"namespace": "team-c", "name": "audited"},
		"spec":     spec,
	}}
	NewWithT(w.t).Expect(w.Create(w.t.Context(), object)).To(Succeed())

	return object
}

// freeAddress returns an address of this machine that nothing listens on.
func freeAddress(t *testing.T) string {
	t.Helper()

	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())

	defer func() { _ = listener.Close() }()

	return listener.Addr().String()
}

// scrape asks for the metrics with a token, which the operator lets the API server review.
func scrape(t *testing.T, address, token string) (status int, err error) {
	t.Helper()

	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+address+"/metrics", http.NoBody)
	if err != nil {
		return 0, err
	}

	request.Header.Set("Authorization", "Bearer "+token)

	local := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // the operator signs its certificate itself

	answer, err := local.Do(request)
	if err != nil {
		return 0, err
	}

	return answer.StatusCode, answer.Body.Close()
}
