package drift

import (
	"cmp"
	"slices"
	"strings"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// Grant is one direct entry of a cluster's access control list.
type Grant = compute.ClusterAccessControlRequest

// levels of permission: each includes those before it.
var levels = []compute.ClusterPermissionLevel{
	compute.ClusterPermissionLevelCanAttachTo, compute.ClusterPermissionLevelCanRestart, compute.ClusterPermissionLevelCanManage,
}

// DirectGrants are those of the cluster itself, without what is inherited.
func DirectGrants(entries []compute.ClusterAccessControlResponse) []Grant {
	var direct []Grant
	for _, entry := range entries {
		grant := Grant{UserName: entry.UserName, GroupName: entry.GroupName, ServicePrincipalName: entry.ServicePrincipalName}
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

// Grants are the direct grants that a cluster is to have: the declared ones, and
// what the operator itself, by its user name, has now. Without it nobody could
// mend a mistake.
func Grants(declared []v1alpha1.AccessControl, direct []Grant, operator string) []Grant {
	var wanted []Grant
	for _, entry := range declared {
		wanted = append(wanted, Grant{
			UserName: entry.UserName, GroupName: entry.GroupName, ServicePrincipalName: entry.ServicePrincipalName,
			PermissionLevel: compute.ClusterPermissionLevel(entry.PermissionLevel),
		})
	}
	for _, own := range direct {
		if operator == "" || !strings.EqualFold(own.UserName, operator) && !strings.EqualFold(own.ServicePrincipalName, operator) {
			continue
		}
		i := slices.IndexFunc(wanted, func(entry Grant) bool { return principalOf(entry) == principalOf(own) })
		if i < 0 {
			wanted = append(wanted, own)
		} else {
			wanted[i].PermissionLevel = higher(wanted[i].PermissionLevel, own.PermissionLevel)
		}
	}
	return byPrincipal(wanted)
}

// SameGrants tells that two lists grant the same.
func SameGrants(a, b []Grant) bool {
	return slices.EqualFunc(a, b, func(a, b Grant) bool {
		return principalOf(a) == principalOf(b) && a.PermissionLevel == b.PermissionLevel
	})
}

// principalOf tells one principal from another. User names are e-mail addresses,
// which Databricks may answer in lower case.
func principalOf(grant Grant) string {
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

func byPrincipal(grants []Grant) []Grant {
	slices.SortFunc(grants, func(a, b Grant) int { return cmp.Compare(principalOf(a), principalOf(b)) })
	return grants
}
