package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/diff"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/target"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/workspace"
)

// examineItem looks at the policy or the pool of an object, and at what its specification
// names.
func examineItem(ctx context.Context, object target.Object, work *workspace.Workspace) []Finding {
	kind := object.Kind.Listed
	check := object.Kind.Short
	items, err := work.Items(ctx, kind.Collection)
	if err != nil {
		return []Finding{notChecked(check, "not looked at: %s", err)}
	}
	findings := examinePoolNames(ctx, object, work)
	id := object.CurrentID()
	if id == "" {
		return append(findings, examineItemName(object, items)...)
	}
	at := slices.IndexFunc(items, func(item databricks.Item) bool { return item.ID == id })
	if at < 0 {
		return append(findings, problem(check, nil, "%s is not among the %d that this principal may use in %s", id, len(items), work.Host()))
	}
	finding := passed(check, "%s is %q", id, items[at].Name)
	var tree diff.Tree
	if err := json.Unmarshal(items[at].JSON, &tree); err == nil && kind.Usability != nil {
		if verdict := kind.Usability(tree); verdict.Reason != "" {
			finding = problem(check, remedy(object, verdict.Reason), "%s: %s: %s", id, verdict.Reason, verdict.Message)
		}
	}
	return append(findings, finding)
}

// examineItemName returns whether the name of what will be created is free.
func examineItemName(object target.Object, items []databricks.Item) []Finding {
	kind := object.Kind.Listed
	view := kind.View(object.Resource)
	wanted := kind.Collection.NameKey(view.TargetName())
	for _, item := range items {
		if kind.Collection.NameKey(item.Name) == wanted && !view.Spec.AdoptByName {
			return []Finding{problem("name", remedy(object, v1alpha1.ReasonNameTaken),
				"the %s %s has the name %q already: adopt it with spec.adoptByName or spec.%s, or choose another",
				kind.Noun, item.ID, item.Name, kind.IDField)}
		}
	}
	return nil
}

// examinePoolNames looks at the node type and the runtimes that a pool names.
func examinePoolNames(ctx context.Context, object target.Object, work *workspace.Workspace) []Finding {
	pool, isPool := object.Resource.(*v1alpha1.DatabricksInstancePool)
	if !isPool {
		return nil
	}
	var findings []Finding
	if id := pool.Spec.NodeTypeID; id != "" {
		types, err := work.NodeTypes(ctx)
		isListed := slices.ContainsFunc(types, func(listed compute.NodeType) bool { return listed.NodeTypeId == id })
		switch {
		case err != nil:
			findings = append(findings, notChecked("node type", "not looked at: %s", err))
		case !isListed:
			findings = append(findings, problem("node type", []string{"databricks clusters list-node-types"}, "the workspace does not have %s", id))
		default:
			findings = append(findings, passed("node type", "the workspace has %s", id))
		}
	}
	for _, key := range pool.Spec.PreloadedSparkVersions {
		findings = append(findings, examineRuntime(ctx, key, work))
	}
	return findings
}

// examineItemRights looks at the permission of the operator's principal on a policy or a
// pool.
func examineItemRights(ctx context.Context, object target.Object, work *workspace.Workspace, me databricks.Principal) []Finding {
	id, kind := object.CurrentID(), object.Kind.Listed
	if id == "" || object.IsObserving() {
		return nil
	}
	if _, err := work.ItemPermissions(ctx, kind.Collection, id); err != nil {
		text := fmt.Sprintf("%s may not read the permissions on the %s %s, so it may not manage it: %s", me.UserName, kind.Noun, id, err)
		if object.Kind == target.Policy {
			return []Finding{problem("rights", nil, "%s; policies are managed by administrators of the workspace", text)}
		}
		return []Finding{problem("rights", []string{grantOn("instance-pools", id, me.UserName)}, "%s", text)}
	}
	return []Finding{passed("rights", "%s may manage the %s", me.UserName, kind.Noun)}
}

// grantOn returns the command that gives a principal the right to manage an object.
func grantOn(objects, id, principal string) string {
	member := "service_principal_name"
	if strings.Contains(principal, "@") {
		member = "user_name"
	}
	list := fmt.Sprintf(`{"access_control_list":[{%q:%q,"permission_level":"CAN_MANAGE"}]}`, member, principal)
	return fmt.Sprintf("databricks permissions update %s %s --json '%s'", objects, id, list)
}
