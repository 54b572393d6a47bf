package clusterpolicy

import (
	"reflect"

	"github.com/databricks/databricks-sdk-go/service/iam"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/diff"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// fields lists every field of the Cluster Policies API that a resource can own.
var fields = []diff.Field{
	{Name: "name", Kind: diff.Scalar, Removal: diff.KeepValue},
	{Name: "definition", Kind: diff.JSON, Removal: diff.KeepValue},
	{Name: "policy_family_id", Kind: diff.Scalar, Removal: diff.KeepValue},
	{Name: "policy_family_definition_overrides", Kind: diff.JSON, Removal: diff.ClearValue},
	{Name: "description", Kind: diff.Scalar, Removal: diff.ClearValue},
	{Name: "max_clusters_per_user", Kind: diff.Scalar, Removal: diff.ClearValue},
	{Name: "libraries", Kind: diff.Set, Removal: diff.ClearValue},
}

// Kind is the DatabricksClusterPolicy kind.
var Kind = &managed.Kind{
	Name: v1alpha1.PolicyKind, Noun: "policy",
	New:       func() managed.Resource { return &v1alpha1.DatabricksClusterPolicy{} },
	NewList:   func() managed.ListResource { return &v1alpha1.DatabricksClusterPolicyList{} },
	View:      view,
	Finalizer: v1alpha1.FinalizerPolicy,

	Collection: databricks.ClusterPolicies,
	Fields:     diff.NewTable(reflect.TypeFor[v1alpha1.DatabricksClusterPolicySpec](), fields),
	IDField:    "policyID", NameField: "name", WireID: "policy_id", WireName: "name",
	Levels:   diff.Levels{iam.PermissionLevelCanUse},
	ReadOnly: []string{"policy_id", "created_at_timestamp", "creator_user_name", "is_default"},
	Editable: editable, UsersNoun: "clusters",
	Path: func(id string) string { return "/compute/policies/" + id },
}

func view(resource managed.Resource) managed.Object {
	policy, ok := resource.(*v1alpha1.DatabricksClusterPolicy)
	if !ok {
		return managed.Object{}
	}
	return managed.Object{
		Resource: policy,
		Spec:     &policy.Spec.ManagementSpec, Status: &policy.Status.ManagementStatus,
		ID: &policy.Status.PolicyID, NamedID: policy.Spec.PolicyID,
		DeclaredName: policy.Spec.Name, Declared: &policy.Spec,
		Permissions: managed.Permissions(policy.Spec.AccessControlList, func(entry v1alpha1.PolicyAccessControl) (v1alpha1.Principal, string) {
			return entry.Principal, string(entry.PermissionLevel)
		}),
	}
}

// editable returns what an edit keeps of a policy. A policy of a family has the definition
// of the family, which the API refuses beside the family.
func editable(kept diff.Tree) diff.Tree {
	if family, _ := kept.At("policy_family_id"); family != nil && family != "" {
		delete(kept, "definition")
	}
	return kept
}
