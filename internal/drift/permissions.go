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

// levels are the permission levels in ascending order; each includes those before it.
var levels = []compute.ClusterPermissionLevel{
	compute.ClusterPermissionLevelCanAttachTo, compute.ClusterPermissionLevelCanRestart, compute.ClusterPermissionLevelCanManage,
}

// DirectPermissions returns the permissions of the cluster itself, without the
// inherited ones.
func DirectPermissions(entries []compute.ClusterAccessControlResponse) []Permission {
	var direct []Permission
	for _, entry := range entries {
		own := Permission{UserName: entry.UserName, GroupName: entry.GroupName, ServicePrincipalName: entry.ServicePrincipalName}
		for _, permission := range entry.AllPermissions {
			if !permission.Inherited {
				own.PermissionLevel = higher(own.PermissionLevel, permission.PermissionLevel)
			}
		}
		if own.PermissionLevel != "" {
			direct = append(direct, own)
		}
	}
	return sortByPrincipal(direct)
}

// Permissions returns the desired direct permissions of a cluster: the declared ones,
// and those that the operator has now, by its user name. Without the latter, the
// operator could not correct a wrong declaration.
func Permissions(declared []v1alpha1.AccessControl, direct []Permission, operator string) []Permission {
	var desired []Permission
	for _, entry := range declared {
		desired = append(desired, Permission{
			UserName: entry.UserName, GroupName: entry.GroupName, ServicePrincipalName: entry.ServicePrincipalName,
			PermissionLevel: compute.ClusterPermissionLevel(entry.PermissionLevel),
		})
	}
	for _, own := range direct {
		if operator == "" || !strings.EqualFold(own.UserName, operator) && !strings.EqualFold(own.ServicePrincipalName, operator) {
			continue
		}
		i := slices.IndexFunc(desired, func(entry Permission) bool { return principalOf(entry) == principalOf(own) })
		if i < 0 {
			desired = append(desired, own)
		} else {
			desired[i].PermissionLevel = higher(desired[i].PermissionLevel, own.PermissionLevel)
		}
	}
	return sortByPrincipal(desired)
}

// SamePermissions reports whether two lists, both sorted by principal, are equal.
func SamePermissions(a, b []Permission) bool {
	return slices.EqualFunc(a, b, func(a, b Permission) bool {
		return principalOf(a) == principalOf(b) && a.PermissionLevel == b.PermissionLevel
	})
}

// principalOf returns a key that is equal for the same principal. User names are
// e-mail addresses, which Databricks may return in lower case.
func principalOf(permission Permission) string {
	switch {
	case permission.UserName != "":
		return "user " + strings.ToLower(permission.UserName)
	case permission.GroupName != "":
		return "group " + permission.GroupName
	default:
		return "service principal " + strings.ToLower(permission.ServicePrincipalName)
	}
}

// higher returns the level that includes the other. An unknown level counts as the
// highest, so that it is never lowered.
func higher(a, b compute.ClusterPermissionLevel) compute.ClusterPermissionLevel {
	order := func(level compute.ClusterPermissionLevel) int {
		if i := slices.Index(levels, level); i >= 0 || level == "" {
			return i
		}
		return len(levels)
	}
	if order(b) > order(a) {
		return b
	}
	return a
}

func sortByPrincipal(permissions []Permission) []Permission {
	slices.SortFunc(permissions, func(a, b Permission) int { return cmp.Compare(principalOf(a), principalOf(b)) })
	return permissions
}
