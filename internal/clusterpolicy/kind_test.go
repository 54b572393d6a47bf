package clusterpolicy_test

import (
	"encoding/json"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/clusterpolicy"
	"github.com/databricks-operator/databricks-operator/internal/diff"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// specOf decodes a specification as the Kubernetes API does.
func specOf(t *testing.T, text string) *v1alpha1.DatabricksClusterPolicySpec {
	t.Helper()
	spec := &v1alpha1.DatabricksClusterPolicySpec{}
	NewWithT(t).Expect(json.Unmarshal([]byte(text), spec)).To(Succeed())
	return spec
}

func treeOf(t *testing.T, text string) diff.Tree {
	t.Helper()
	tree := diff.Tree{}
	NewWithT(t).Expect(json.Unmarshal([]byte(text), &tree)).To(Succeed())
	return tree
}

// declared returns a specification in the form of the API.
func declared(t *testing.T, text string) diff.Tree {
	t.Helper()
	tree, err := clusterpolicy.Kind.Fields.Declared(specOf(t, text))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return tree
}

// The rows follow the Cluster Policies API: which forms of a value are the same, and what
// becomes of a value that is no longer declared.
func TestFields(t *testing.T) {
	for name, row := range map[string]struct {
		spec, same, other string
		// cleared reports whether the removal of the field clears the remote value.
		cleared bool
	}{
		"name":                  {`{"name":"rules"}`, `{"name":"rules"}`, `{"name":"Rules"}`, false},
		"definition":            {`{"definition":{"b":{"type":"fixed","value":1},"a":{"type":"unlimited"}}}`, `{"definition":"{ \"a\": {\"type\":\"unlimited\"}, \"b\": {\"value\":1,\"type\":\"fixed\"} }"}`, `{"definition":"{\"a\":{\"type\":\"unlimited\"}}"}`, false},
		"policyFamilyID":        {`{"policyFamilyID":"job-cluster"}`, `{"policy_family_id":"job-cluster"}`, `{"policy_family_id":"personal-vm"}`, false},
		"overrides of a family": {`{"policyFamilyDefinitionOverrides":{"b":{"type":"fixed","value":1},"a":{"type":"unlimited"}}}`, `{"policy_family_definition_overrides":"{\"a\":{\"type\":\"unlimited\"},\"b\":{\"value\":1,\"type\":\"fixed\"}}"}`, `{"policy_family_definition_overrides":"{}"}`, true},
		"description":           {`{"description":"for all"}`, `{"description":"for all"}`, `{"description":"for some"}`, true},
		"maxClustersPerUser":    {`{"maxClustersPerUser":3}`, `{"max_clusters_per_user":3}`, `{"max_clusters_per_user":4}`, true},
		"libraries":             {`{"libraries":[{"pypi":{"package":"x"}},{"pypi":{"package":"y"}}]}`, `{"libraries":[{"pypi":{"package":"y"}},{"pypi":{"package":"x"}}]}`, `{"libraries":[{"pypi":{"package":"x"}}]}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			fields := clusterpolicy.Kind.Fields
			desired := declared(t, row.spec)
			g.Expect(fields.Compare(desired, treeOf(t, row.same))).To(BeEmpty(), "[case-101]")
			differ := fields.Compare(desired, treeOf(t, row.other))
			g.Expect(differ).To(HaveLen(1), "[case-104]")
			g.Expect(differ[0].Immutable).To(BeFalse())
			removed := fields.Removed(fields.Owned(desired), diff.Tree{}, treeOf(t, row.same))
			g.Expect(removed).To(HaveLen(map[bool]int{true: 1}[row.cleared]), "[case-102]")
		})
	}
}

func TestEveryFieldOfTheAPIHasARow(t *testing.T) {
	NewWithT(t).Expect(clusterpolicy.Kind.Fields.Names()).To(ConsistOf(
		"name", "definition", "policy_family_id", "policy_family_definition_overrides", "description", "max_clusters_per_user", "libraries"))
}

func TestView(t *testing.T) {
	g := NewWithT(t)
	policy := &v1alpha1.DatabricksClusterPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "rules"}}
	policy.Spec = *specOf(t, `{"policyID":"P1","name":"Rules","deletionPolicy":"Retain","accessControlList":[{"groupName":"users","permissionLevel":"CAN_USE"}]}`)
	policy.Status.PolicyID = "P2"
	object := clusterpolicy.Kind.View(policy)
	g.Expect(object.NamedID).To(Equal("P1"))
	g.Expect(object.DeclaredName).To(Equal("Rules"))
	g.Expect(object.Permissions).To(Equal([]diff.Permission{{GroupName: "users", PermissionLevel: "CAN_USE"}}))
	g.Expect(object.Spec.DeletionPolicy).To(Equal(v1alpha1.RemovalPolicyRetain))
	*object.ID, object.Status.Host = "P3", "https://example.cloud.databricks.com"
	g.Expect(policy.Status.PolicyID).To(Equal("P3"), "a view points into the object")
	g.Expect(policy.Status.Host).To(Equal("https://example.cloud.databricks.com"))
	g.Expect(clusterpolicy.Kind.View(&v1alpha1.DatabricksInstancePool{})).To(Equal(managed.Object{}), "an object of another kind")
}

func TestKind(t *testing.T) {
	g := NewWithT(t)
	kind := clusterpolicy.Kind
	g.Expect(kind.New()).To(BeAssignableToTypeOf(&v1alpha1.DatabricksClusterPolicy{}))
	g.Expect(kind.NewList()).To(BeAssignableToTypeOf(&v1alpha1.DatabricksClusterPolicyList{}))
	g.Expect(kind.Path("P1")).To(Equal("/compute/policies/P1"))
	g.Expect(kind.Levels).To(Equal(diff.Levels{"CAN_USE"}), "[case-119]")
	g.Expect(kind.Finalizer).NotTo(Equal(v1alpha1.FinalizerPool))
}

// An edit replaces everything, so the body keeps what the policy has beside the declared
// fields.
func TestTheBodyOfAnEdit(t *testing.T) {
	for name, row := range map[string]struct{ spec, remote, body string }{
		"[case-118] what is not declared stays": {
			`{"maxClustersPerUser":2}`,
			`{"policy_id":"P1","name":"rules","definition":"{}","description":"theirs","creator_user_name":"u","created_at_timestamp":1,"is_default":false}`,
			`{"policy_id":"P1","name":"rules","definition":"{}","description":"theirs","max_clusters_per_user":2}`,
		},
		"[case-118] the definition of a family is not sent": {
			`{"maxClustersPerUser":2}`,
			`{"policy_id":"P1","name":"rules","definition":"{}","policy_family_id":"job-cluster"}`,
			`{"policy_id":"P1","name":"rules","policy_family_id":"job-cluster","max_clusters_per_user":2}`,
		},
		"[case-118] an empty family is none": {
			`{"maxClustersPerUser":2}`,
			`{"policy_id":"P1","name":"rules","definition":"{}","policy_family_id":""}`,
			`{"policy_id":"P1","name":"rules","definition":"{}","policy_family_id":"","max_clusters_per_user":2}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			policy := &v1alpha1.DatabricksClusterPolicy{ObjectMeta: metav1.ObjectMeta{Finalizers: []string{v1alpha1.FinalizerPolicy}}}
			policy.Spec, policy.Status.PolicyID = *specOf(t, row.spec), "P1"
			in := managed.Input{Kind: clusterpolicy.Kind, Object: clusterpolicy.Kind.View(policy), Desired: declared(t, row.spec)}
			in.Object.Status.OwnedFields = in.Kind.Fields.Owned(in.Desired)
			in.Observed.Presence = managed.Present
			in.Observed.Remote = &managed.Remote{ID: "P1", Name: "rules", Tree: treeOf(t, row.remote), At: in.Now.Add(1), FromGet: true}
			in.Compared = managed.Compare(in)
			in.Attempts = in.Attempts.WithBase(in.Compared.Differences, in.Now.Add(1))
			edit, ok := managed.Make(in).Step.(managed.Edit)
			g.Expect(ok).To(BeTrue())
			g.Expect(edit.Body).To(Equal(treeOf(t, row.body)))
		})
	}
}
