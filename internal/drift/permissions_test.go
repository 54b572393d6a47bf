package drift_test

import (
	"testing"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/drift"
)

func TestPermissions(t *testing.T) {
	entry := func(user, group string, direct, inherited compute.ClusterPermissionLevel) compute.ClusterAccessControlResponse {
		made := compute.ClusterAccessControlResponse{UserName: user, GroupName: group}
		if direct != "" {
			made.AllPermissions = append(made.AllPermissions, compute.ClusterPermission{PermissionLevel: direct})
		}
		if inherited != "" {
			made.AllPermissions = append(made.AllPermissions, compute.ClusterPermission{PermissionLevel: inherited, Inherited: true})
		}
		return made
	}
	const attach, restart, manage = compute.ClusterPermissionLevelCanAttachTo, compute.ClusterPermissionLevelCanRestart, compute.ClusterPermissionLevelCanManage
	direct := drift.DirectPermissions([]compute.ClusterAccessControlResponse{
		entry("Me@example.com", "", manage, ""), entry("", "admins", "", manage), entry("", "users", attach, manage), entry("", "users2", restart, ""),
	})

	t.Run("inherited permissions do not count", func(t *testing.T) {
		NewWithT(t).Expect(direct).To(ConsistOf(
			drift.Permission{UserName: "Me@example.com", PermissionLevel: manage}, drift.Permission{GroupName: "users", PermissionLevel: attach}, drift.Permission{GroupName: "users2", PermissionLevel: restart},
		))
	})
	t.Run("the operator's own permission is kept and never lowered", func(t *testing.T) {
		g := NewWithT(t)
		own := drift.Permission{UserName: "Me@example.com", PermissionLevel: manage}
		g.Expect(drift.Permissions(nil, direct, "me@example.com")).To(ConsistOf(own))
		lowered := []v1alpha1.AccessControl{{UserName: "me@example.com", PermissionLevel: "CAN_ATTACH_TO"}}
		g.Expect(drift.SamePermissions(drift.Permissions(lowered, direct, "me@example.com"), []drift.Permission{own})).To(BeTrue())
		g.Expect(drift.Permissions(nil, direct, "")).To(BeEmpty())
	})
	t.Run("order and the case of addresses make no difference, levels do", func(t *testing.T) {
		g := NewWithT(t)
		declared := []v1alpha1.AccessControl{{GroupName: "users2", PermissionLevel: "CAN_RESTART"}, {GroupName: "users", PermissionLevel: "CAN_ATTACH_TO"}}
		g.Expect(drift.SamePermissions(drift.Permissions(declared, direct, "ME@example.com"), direct)).To(BeTrue())
		declared[0].PermissionLevel = "CAN_MANAGE"
		g.Expect(drift.SamePermissions(drift.Permissions(declared, direct, "ME@example.com"), direct)).To(BeFalse())
	})
}
