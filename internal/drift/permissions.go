package drift

import (
	"cmp"
	"slices"
	"strings"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// Permission is one direct entry of a cluster's access control list.
type Permission = compute.ClusterAccessControlRequest

// levels of permission: each includes those before it.
var levels = []compute.ClusterPermissionLevel{
	compute.ClusterPermissionLevelCanAttachTo, compute.ClusterPermissionLevelCanRestart, compute.ClusterPermissionLevelCanManage,
}

// DirectPermissions are those of the cluster itself, without what is inherited.
func DirectPermissions(entries []compute.ClusterAccessControlResponse) []Permission {
	var direct []Permission
	for _, entry := range entries {
		grant := Permission{UserName: entry.UserName, GroupName: entry.GroupName, ServicePrincipalName: entry.ServicePrincipalName}
		for _, permission := range entry.AllPermissions {
			if !permission.Inherited {
				grant.PermissionLevel = higher(grant.PermissionLevel, permission.PermissionLevel)
			}
		}
		if grant.PermissionLevel != "" {
			direct = append(direct, grant)
		}
	}
	return byPrincipal(direct)
}

// Permissions are the direct grants that a cluster is to have: the declared ones, and
// what the operator itself, by its user name, has now. Without it nobody could
// correct a mistake.
func Permissions(declared []v1alpha1.AccessControl, direct []Permission, operator string) []Permission {
	var wanted []Permission
	for _, entry := range declared {
		wanted = append(wanted, Permission{
			UserName: entry.UserName, GroupName: entry.GroupName, ServicePrincipalName: entry.ServicePrincipalName,
			PermissionLevel: compute.ClusterPermissionLevel(entry.PermissionLevel),
		})
	}
	for _, own := range direct {
		if operator == "" || !strings.EqualFold(own.UserName, operator) && !strings.EqualFold(own.ServicePrincipalName, operator) {
			continue
		}
		i := slices.IndexFunc(wanted, func(entry Permission) bool { return principalOf(entry) == principalOf(own) })
		if i < 0 {
			wanted = append(wanted, own)
		} else {
			wanted[i].PermissionLevel = higher(wanted[i].PermissionLevel, own.PermissionLevel)
		}
	}
	return byPrincipal(wanted)
}

// SamePermissions tells that two lists grant the same.
func SamePermissions(a, b []Permission) bool {
	return slices.EqualFunc(a, b, func(a, b Permission) bool {
		return principalOf(a) == principalOf(b) && a.PermissionLevel == b.PermissionLevel
	})
}

// principalOf tells one principal from another. User names are e-mail addresses,
// which Databricks may answer in lower case.
func principalOf(grant Permission) string {
	switch {
	case grant.UserName != "":
		return "user " + strings.ToLower(grant.UserName)
	case grant.GroupName != "":
		return "group " + grant.GroupName
	default:
		return "service principal " + strings.ToLower(grant.ServicePrincipalName)
	}
}

// higher is the level that includes the other. One that is not known is taken
// for the highest: it is not to be taken for what it is not.
func higher(a, b compute.ClusterPermissionLevel) compute.ClusterPermissionLevel {
	rank := func(level compute.ClusterPermissionLevel) int {
		if i := slices.Index(levels, level); i >= 0 || level == "" {
			return i
		}
		return len(levels)
	}
	if rank(b) > rank(a) {
		return b
	}
	return a
}

func byPrincipal(grants []Permission) []Permission {
	slices.SortFunc(grants, func(a, b Permission) int { return cmp.Compare(principalOf(a), principalOf(b)) })
	return grants
}
