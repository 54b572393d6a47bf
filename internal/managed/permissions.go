package managed

import (
	"github.com/databricks/databricks-sdk-go/service/iam"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/diff"
)

// Permissions returns the declared permissions of an object in the form of the API; nil if
// none are declared, and empty for an empty list, which removes all of them. entry returns
// the principal and the level of one entry.
func Permissions[T any](declared []T, entry func(T) (v1alpha1.Principal, string)) []diff.Permission {
	if declared == nil {
		return nil
	}
	permissions := make([]diff.Permission, 0, len(declared))
	for _, one := range declared {
		principal, level := entry(one)
		permissions = append(permissions, diff.Permission{
			UserName: principal.UserName, GroupName: principal.GroupName, ServicePrincipalName: principal.ServicePrincipalName,
			PermissionLevel: iam.PermissionLevel(level),
		})
	}
	return permissions
}
