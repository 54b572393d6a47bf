package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/target"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/workspace"
)

// examineRemote looks at the workspace: with the object's own credential if the user
// permits it, else as the user.
func (d *Doctor) examineRemote(ctx context.Context, object target.Object, found credential, host string) []Finding {
	if d.CredentialUse == UseCredential {
		if found.config == nil {
			return []Finding{{Check: "credential", Status: Unknown, Text: "not used: it is not in a Secret of this namespace that you may read"}}
		}
		work, err := d.With(*found.config)
		if err != nil {
			return []Finding{{Check: "credential", Status: Problem, Text: err.Error(), Commands: found.renew}}
		}
		return d.asOperator(ctx, object, work, found)
	}
	work, err := d.Own(ctx)
	switch {
	case err != nil:
		return []Finding{{Check: "workspace", Status: Unknown, Text: "not looked at: " + err.Error()}}
	case host != "" && work.Host() != host:
		finding := notChecked("workspace", "not looked at: your Databricks configuration is for %s, and the object's workspace is %s", work.Host(), host)
		finding.Commands = []string{fmt.Sprintf("kubectl dbc doctor -n %s %s --host %s", object.GetNamespace(), object.GetName(), host)}
		return []Finding{finding}
	}
	me, err := work.Me(ctx)
	if err != nil {
		return []Finding{{Check: "workspace", Status: Unknown, Text: "not looked at: it does not accept your own credential: " + err.Error()}}
	}
	findings := []Finding{{Check: "workspace", Status: OK, Text: "looked at as " + me.UserName + ", which is you and not the operator"}}
	if object.Cluster == nil {
		return append(findings, examineItem(ctx, object, work)...)
	}
	findings = append(findings, examineCluster(ctx, object, work)...)
	return append(findings, examineNames(ctx, object.Cluster, work)...)
}

// asOperator looks at the workspace with the credential of the object.
func (d *Doctor) asOperator(ctx context.Context, object target.Object, work *workspace.Workspace, found credential) []Finding {
	me, err := work.Me(ctx)
	switch databricks.ClassOf(err) {
	case "":
	case databricks.ClassUnauthenticated:
		return []Finding{problem("credential", found.renew, "the workspace does not accept it (wrong, expired or revoked): %s", err)}
	case databricks.ClassForbidden:
		return []Finding{problem("credential", found.renew, "its principal may not use the workspace, or its token lacks a scope: %s", err)}
	default:
		return []Finding{{Check: "credential", Status: Problem, Text: err.Error()}}
	}
	findings := []Finding{{Check: "credential", Status: OK, Text: "the workspace accepts it as " + me.UserName}}
	if object.Cluster == nil {
		findings = append(findings, examineItem(ctx, object, work)...)
		return append(findings, examineItemRights(ctx, object, work, me)...)
	}
	findings = append(findings, examineCluster(ctx, object, work)...)
	findings = append(findings, examineRights(ctx, object, work, me)...)
	return append(findings, examineNames(ctx, object.Cluster, work)...)
}

// examineCluster looks at the cluster of an object.
func examineCluster(ctx context.Context, object target.Object, work *workspace.Workspace) []Finding {
	id := object.CurrentID()
	if id == "" {
		return nil
	}
	cluster, err := work.Get(ctx, id)
	switch databricks.ClassOf(err) {
	case "":
	case databricks.ClassMissing:
		return []Finding{{Check: "cluster", Status: Problem, Text: fmt.Sprintf("%s has no cluster %s that this principal can see", work.Host(), id)}}
	default:
		return []Finding{{Check: "cluster", Status: Unknown, Text: fmt.Sprintf("%s was not looked at: %s", id, err)}}
	}
	details := cluster.Details
	finding := Finding{Check: "cluster", Status: OK, Text: fmt.Sprintf("%s is %s", id, details.State)}
	if details.StateMessage != "" {
		finding.Text += ": " + details.StateMessage
	}
	reason, isDown := details.TerminationReason, details.State == compute.StateTerminated
	if isDown && reason != nil && reason.Type != compute.TerminationReasonTypeSuccess {
		finding.Status = Problem
		finding.Text = fmt.Sprintf("%s was terminated: %s (%s)%s", id, reason.Code, reason.Type, parameters(reason.Parameters))
		finding.Commands = remedy(object, v1alpha1.ReasonTerminatedUnexpectedly)
	}
	return []Finding{finding}
}

// parameters returns the message in the parameters of a termination.
func parameters(of map[string]string) string {
	for _, name := range []string{"databricks_error_message", "azure_error_message", "aws_error_message", "gcp_error_message"} {
		if of[name] != "" {
			return ": " + of[name]
		}
	}
	return ""
}

// examineRights looks at the permission of the operator's principal on the cluster.
func examineRights(ctx context.Context, object target.Object, work *workspace.Workspace, me databricks.Principal) []Finding {
	id := object.CurrentID()
	if id == "" || object.IsObserving() {
		return nil
	}
	entries, err := work.Permissions(ctx, id)
	if err != nil {
		return []Finding{{
			Check: "rights", Status: Problem, Text: fmt.Sprintf("%s may not read the permissions on %s, so it lacks CAN_MANAGE: %s", me.UserName, id, err),
			Commands: []string{grantOn("clusters", id, me.UserName)},
		}}
	}
	for _, permission := range drift.DirectPermissions(entries) {
		isMe := strings.EqualFold(permission.UserName, me.UserName) || strings.EqualFold(permission.ServicePrincipalName, me.UserName)
		if isMe && permission.PermissionLevel == compute.ClusterPermissionLevelCanManage {
			return []Finding{{Check: "rights", Status: OK, Text: me.UserName + " has CAN_MANAGE on the cluster"}}
		}
	}
	// Reading permissions needs CAN_MANAGE, which may come from a group.
	return []Finding{{Check: "rights", Status: OK, Text: me.UserName + " may manage the cluster by a group or as an administrator"}}
}

// examineNames looks at the policies, pools and runtimes that a specification names.
func examineNames(ctx context.Context, object *v1alpha1.DatabricksCluster, work *workspace.Workspace) []Finding {
	var findings []Finding
	spec := &object.Spec
	if spec.PolicyID != "" || spec.PolicyName != "" {
		policies, err := work.Policies(ctx)
		findings = append(findings, examineName("policy", spec.PolicyID, spec.PolicyName, policies, err))
	}
	for _, pool := range []struct{ check, id, name string }{
		{"pool", spec.InstancePoolID, spec.InstancePoolName},
		{"driver pool", spec.DriverInstancePoolID, spec.DriverInstancePoolName},
	} {
		if pool.id == "" && pool.name == "" {
			continue
		}
		pools, err := work.InstancePools(ctx)
		findings = append(findings, examineName(pool.check, pool.id, pool.name, pools, err))
	}
	if spec.SparkVersion != "" {
		findings = append(findings, examineRuntime(ctx, spec.SparkVersion, work))
	}
	return findings
}

// examineName returns whether a policy or a pool is visible. names are by id.
func examineName(check, id, name string, names map[string]string, err error) Finding {
	if err != nil {
		return Finding{Check: check, Status: Unknown, Text: "not looked at: " + err.Error()}
	}
	if id != "" {
		if found, visible := names[id]; visible {
			return Finding{Check: check, Status: OK, Text: fmt.Sprintf("%s is %q", id, found)}
		}
		return Finding{Check: check, Status: Problem, Text: fmt.Sprintf("%s is not among the %d that this principal may use", id, len(names))}
	}
	var ids []string
	for other, found := range names {
		if found == name {
			ids = append(ids, other)
		}
	}
	slices.Sort(ids)
	switch len(ids) {
	case 0:
		return Finding{Check: check, Status: Problem, Text: fmt.Sprintf("none of the %d that this principal may use has the name %q", len(names), name)}
	case 1:
		return Finding{Check: check, Status: OK, Text: fmt.Sprintf("%q is %s", name, ids[0])}
	default:
		return problem(check, nil, "%d have the name %q: %s; set the field with the id", len(ids), name, strings.Join(ids, ", "))
	}
}

func examineRuntime(ctx context.Context, key string, work *workspace.Workspace) Finding {
	versions, err := work.SparkVersions(ctx)
	if err != nil {
		return Finding{Check: "runtime", Status: Unknown, Text: "not looked at: " + err.Error()}
	}
	for _, version := range versions {
		if version.Key == key {
			return Finding{Check: "runtime", Status: OK, Text: version.Name}
		}
	}
	return Finding{
		Check: "runtime", Status: Unknown, Text: key + " is not listed by the workspace; it may be special or no longer supported",
		Commands: []string{"databricks clusters spark-versions"},
	}
}
