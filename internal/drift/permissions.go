package drift

import (
	"github.com/databricks/databricks-sdk-go/service/compute"
	"github.com/databricks/databricks-sdk-go/service/iam"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/diff"
)

// Permission is one direct entry of a cluster's access control list.
type Permission = compute.ClusterAccessControlRequest

// levels are the permission levels of a cluster.
var levels = diff.Levels{iam.PermissionLevelCanAttachTo, iam.PermissionLevelCanRestart, iam.PermissionLevelCanManage}

// DirectPermissions returns the permissions of the cluster itself, without the
// inherited ones.
func DirectPermissions(entries []compute.ClusterAccessControlResponse) []Permission {
	shared := make([]iam.AccessControlResponse, 0, len(entries))
	for _, entry := range entries {
		converted := iam.AccessControlResponse{
			UserName: entry.UserName, GroupName: entry.GroupName, ServicePrincipalName: entry.ServicePrincipalName,
		}
		for _, permission := range entry.AllPermissions {
			converted.AllPermissions = append(converted.AllPermissions, iam.Permission{
				Inherited: permission.Inherited, PermissionLevel: iam.PermissionLevel(permission.PermissionLevel),
			})
		}
		shared = append(shared, converted)
	}
	return ofCluster(levels.Direct(shared))
}

// Permissions returns the desired direct permissions of a cluster: the declared ones,
// and those that the operator has now, by its user name. Without the latter, the
// operator could not correct a wrong declaration.
func Permissions(declared []v1alpha1.AccessControl, direct []Permission, operator string) []Permission {
	var desired []diff.Permission
	for _, entry := range declared {
		desired = append(desired, diff.Permission{
			UserName: entry.UserName, GroupName: entry.GroupName, ServicePrincipalName: entry.ServicePrincipalName,
			PermissionLevel: iam.PermissionLevel(entry.PermissionLevel),
		})
	}
	return ofCluster(levels.Desired(desired, ofAnyKind(direct), operator))
}

// SamePermissions reports whether two lists, both sorted by principal, are equal.
func SamePermissions(a, b []Permission) bool { return diff.SamePermissions(ofAnyKind(a), ofAnyKind(b)) }

// ofAnyKind returns permissions in the type that all kinds share.
func ofAnyKind(permissions []Permission) []diff.Permission {
	var shared []diff.Permission
	for _, entry := range permissions {
		shared = append(shared, diff.Permission{
			UserName: entry.UserName, GroupName: entry.GroupName, ServicePrincipalName: entry.ServicePrincipalName,
			PermissionLevel: iam.PermissionLevel(entry.PermissionLevel),
		})
	}
	return shared
}

// ofCluster is the inverse of ofAnyKind.
func ofCluster(permissions []diff.Permission) []Permission {
	var own []Permission
	for _, entry := range permissions {
		own = append(own, Permission{
			UserName: entry.UserName, GroupName: entry.GroupName, ServicePrincipalName: entry.ServicePrincipalName,
			PermissionLevel: compute.ClusterPermissionLevel(entry.PermissionLevel),
		})
	}
	return own
}
