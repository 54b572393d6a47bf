package drift_test

import (
	"testing"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/drift"
)

// The rules are those of every kind, see internal/diff; the levels are those of clusters.
func TestPermissionsOfAClusterHaveItsLevels(t *testing.T) {
	g := NewWithT(t)
	const attach, restart, manage = compute.ClusterPermissionLevelCanAttachTo, compute.ClusterPermissionLevelCanRestart, compute.ClusterPermissionLevelCanManage
	direct := drift.DirectPermissions([]compute.ClusterAccessControlResponse{
		{UserName: "me@example.com", AllPermissions: []compute.ClusterPermission{{PermissionLevel: attach}, {PermissionLevel: restart}}},
		{ServicePrincipalName: "0123", AllPermissions: []compute.ClusterPermission{{PermissionLevel: manage}, {PermissionLevel: restart}}},
		{GroupName: "users", AllPermissions: []compute.ClusterPermission{{PermissionLevel: attach}, {PermissionLevel: manage, Inherited: true}}},
	})
	group := drift.Permission{GroupName: "users", PermissionLevel: attach}
	principal := drift.Permission{ServicePrincipalName: "0123", PermissionLevel: manage}
	own := drift.Permission{UserName: "me@example.com", PermissionLevel: restart}
	g.Expect(direct).To(Equal([]drift.Permission{group, principal, own}))

	declared := []v1alpha1.AccessControl{
		{GroupName: "users", PermissionLevel: "CAN_ATTACH_TO"},
		{ServicePrincipalName: "0123", PermissionLevel: "CAN_MANAGE"},
		{UserName: "me@example.com", PermissionLevel: "CAN_ATTACH_TO"},
	}
	desired := drift.Permissions(declared, direct, "me@example.com")
	g.Expect(desired).To(Equal(direct), "the operator's own level is not lowered")
	g.Expect(drift.SamePermissions(desired, direct)).To(BeTrue())
	g.Expect(drift.SamePermissions(drift.Permissions(declared, direct, ""), direct)).To(BeFalse())
}
