package diff_test

import (
	"testing"

	"github.com/databricks/databricks-sdk-go/service/iam"
	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/diff"
)

const (
	use    = iam.PermissionLevelCanUse
	view   = iam.PermissionLevelCanView
	manage = iam.PermissionLevelCanManage
)

var levels = diff.Levels{use, view, manage}

// entry returns an entry of an access control list with direct and inherited levels.
func entry(user, group string, direct, inherited []iam.PermissionLevel) iam.AccessControlResponse {
	made := iam.AccessControlResponse{UserName: user, GroupName: group}
	for _, level := range direct {
		made.AllPermissions = append(made.AllPermissions, iam.Permission{PermissionLevel: level})
	}
	for _, level := range inherited {
		made.AllPermissions = append(made.AllPermissions, iam.Permission{PermissionLevel: level, Inherited: true})
	}
	return made
}

func TestDirectPermissions(t *testing.T) {
	g := NewWithT(t)
	all := func(levels ...iam.PermissionLevel) []iam.PermissionLevel { return levels }
	direct := levels.Direct([]iam.AccessControlResponse{
		entry("", "users", all(use), all(manage)), entry("Me@example.com", "", all(view, manage, use), nil), entry("", "admins", nil, all(manage)),
		entry("", "others", all("CAN_DO_MORE", manage), nil),
	})
	g.Expect(direct).To(Equal([]diff.Permission{
		{GroupName: "others", PermissionLevel: "CAN_DO_MORE"}, {GroupName: "users", PermissionLevel: use}, {UserName: "Me@example.com", PermissionLevel: manage},
	}), "inherited levels do not count, the highest does, and an unknown one is the highest")
}

func TestTheOperatorKeepsItsPermission(t *testing.T) {
	g := NewWithT(t)
	own := diff.Permission{UserName: "Me@example.com", PermissionLevel: manage}
	direct := []diff.Permission{{GroupName: "me@example.com", PermissionLevel: use}, {UserName: "other", PermissionLevel: use}, own}
	g.Expect(levels.Desired(nil, direct, "me@EXAMPLE.com")).To(Equal([]diff.Permission{own}))
	g.Expect(levels.Desired(nil, direct, "")).To(BeEmpty())

	declared := []diff.Permission{{UserName: "me@example.com", PermissionLevel: use}, {GroupName: "a", PermissionLevel: view}}
	desired := levels.Desired(declared, direct, "me@example.com")
	g.Expect(diff.SamePermissions(desired, []diff.Permission{{GroupName: "a", PermissionLevel: view}, own})).To(BeTrue(), "%+v", desired)
	g.Expect(declared[0].PermissionLevel).To(Equal(use), "the declared list is not modified")

	unknown := []diff.Permission{{UserName: "me@example.com", PermissionLevel: "CAN_THIS"}}
	g.Expect(levels.Desired(unknown, []diff.Permission{{UserName: "me@example.com", PermissionLevel: "CAN_THAT"}}, "me@example.com")).
		To(Equal(unknown), "of two unknown levels the declared one stays")

	principal := []diff.Permission{{ServicePrincipalName: "0123-ABCD", PermissionLevel: manage}}
	g.Expect(levels.Desired(nil, principal, "0123-abcd")).To(Equal(principal))
}

func TestSamePermissionsComparesThePrincipalsAndTheLevels(t *testing.T) {
	user := diff.Permission{UserName: "data", PermissionLevel: view}
	group := diff.Permission{GroupName: "data", PermissionLevel: view}
	principal := diff.Permission{ServicePrincipalName: "data", PermissionLevel: view}
	lower := diff.Permission{UserName: "data", PermissionLevel: use}
	for i, one := range []diff.Permission{user, group, principal, lower} {
		for j, other := range []diff.Permission{user, group, principal, lower, {UserName: "other", PermissionLevel: view}, {ServicePrincipalName: "other", PermissionLevel: view}} {
			NewWithT(t).Expect(diff.SamePermissions([]diff.Permission{one}, []diff.Permission{other})).To(Equal(i == j), "%+v and %+v", one, other)
		}
		NewWithT(t).Expect(diff.SamePermissions([]diff.Permission{one}, nil)).To(BeFalse())
	}
	upper := diff.Permission{UserName: "DATA", PermissionLevel: view}
	NewWithT(t).Expect(diff.SamePermissions([]diff.Permission{user}, []diff.Permission{upper})).To(BeTrue())
}
