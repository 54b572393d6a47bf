package diff

import (
	"cmp"
	"slices"
	"strings"

	"github.com/databricks/databricks-sdk-go/service/iam"
)

// Permission is one direct entry of the access control list of an object. The type is that
// of the Permissions API, which all kinds of objects share.
type Permission = iam.AccessControlRequest

// Levels are the permission levels of a kind in ascending order; each includes those
// before it. An unknown level counts as the highest, so that it is never lowered.
type Levels []iam.PermissionLevel

// Direct returns the permissions of the object itself, without the inherited ones, sorted
// by principal.
func (l Levels) Direct(entries []iam.AccessControlResponse) []Permission {
	var direct []Permission
	for _, entry := range entries {
		own := Permission{UserName: entry.UserName, GroupName: entry.GroupName, ServicePrincipalName: entry.ServicePrincipalName}
		for _, permission := range entry.AllPermissions {
			if !permission.Inherited {
				own.PermissionLevel = l.higher(own.PermissionLevel, permission.PermissionLevel)
			}
		}
		if own.PermissionLevel != "" {
			direct = append(direct, own)
		}
	}
	return sortByPrincipal(direct)
}

// Desired returns the desired direct permissions of an object, sorted by principal: the
// declared ones, and those that the operator has now, by its user name. Without the
// latter, the operator could not correct a wrong declaration.
func (l Levels) Desired(declared, direct []Permission, operator string) []Permission {
	desired := slices.Clone(declared)
	for _, own := range direct {
		if operator == "" || !strings.EqualFold(own.UserName, operator) && !strings.EqualFold(own.ServicePrincipalName, operator) {
			continue
		}
		i := slices.IndexFunc(desired, func(entry Permission) bool { return principalOf(entry) == principalOf(own) })
		if i < 0 {
			desired = append(desired, own)
		} else {
			desired[i].PermissionLevel = l.higher(desired[i].PermissionLevel, own.PermissionLevel)
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

// higher returns the level that includes the other.
func (l Levels) higher(a, b iam.PermissionLevel) iam.PermissionLevel {
	order := func(level iam.PermissionLevel) int {
		if i := slices.Index(l, level); i >= 0 || level == "" {
			return i
		}
		return len(l)
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
