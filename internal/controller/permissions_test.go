package controller_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

func grants(all ...v1alpha1.AccessControl) specChange {
	return func(s *v1alpha1.DatabricksClusterSpec) {
		s.AccessControlList = append([]v1alpha1.AccessControl{}, all...)
	}
}

func toGroup(name string, level v1alpha1.PermissionLevel) v1alpha1.AccessControl {
	return v1alpha1.AccessControl{GroupName: name, PermissionLevel: level}
}

// withGroups adds groups to the workspace.
func (r *rig) withGroups(names ...string) *rig {
	for _, name := range names {
		r.Expect(r.workspace.AddGroup("", name)).To(Succeed())
	}
	return r
}

// granted returns the direct permissions on a cluster except the operator's own, as in
// the last response to a PUT.
func (r *rig) granted(id string) map[string]string {
	var answer struct {
		AccessControlList []struct {
			UserName       string `json:"user_name"`
			GroupName      string `json:"group_name"`
			AllPermissions []struct {
				PermissionLevel string `json:"permission_level"`
				Inherited       bool   `json:"inherited"`
			} `json:"all_permissions"`
		} `json:"access_control_list"`
	}
	r.Expect(json.Unmarshal([]byte(r.call(http.MethodGet, "/api/2.0/permissions/clusters/"+id, "")), &answer)).To(Succeed())
	direct := map[string]string{}
	for _, entry := range answer.AccessControlList {
		for _, permission := range entry.AllPermissions {
			if !permission.Inherited {
				direct[entry.UserName+entry.GroupName] = permission.PermissionLevel
			}
		}
	}
	return direct
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	eachSize(t, "[case-54] unset permissions are not read", func(t *testing.T, size size) {
		r := size.rig(t)
		r.cacheOptions.Deep = 200 * time.Millisecond
		r.running()
		r.Consistently(func() int {
			return len(r.workspace.RequestsTo("permissions/get")) + len(r.workspace.RequestsTo("permissions/set"))
		}).Should(BeZero())
	})

	eachSize(t, "[case-54] the direct permissions become the list and the operator's own; inherited ones are ignored; [] leaves only the operator's own", func(t *testing.T, size size) {
		r := size.rig(t).withGroups("old", "engineers")
		cluster := r.running()
		id := cluster.Status.ClusterID
		r.call(http.MethodPatch, "/api/2.0/permissions/clusters/"+id, `{"access_control_list": [
			{"user_name": "`+simulator.DefaultUser+`", "permission_level": "CAN_MANAGE"}, {"group_name": "old", "permission_level": "CAN_RESTART"}]}`)
		r.workspace.ClearRequests()

		r.editSpec(cluster, grants(toGroup("engineers", "CAN_RESTART"), toGroup("users", "CAN_ATTACH_TO")))
		r.Eventually(func() int { return len(r.workspace.RequestsTo("permissions/set")) }).Should(Equal(1))
		r.becomes(cluster, "Ready=Running")
		r.inSync(cluster)
		r.Expect(r.granted(id)).To(Equal(map[string]string{simulator.DefaultUser: "CAN_MANAGE", "engineers": "CAN_RESTART", "users": "CAN_ATTACH_TO"}))

		r.editSpec(cluster, grants(toGroup("engineers", "CAN_MANAGE")))
		r.Eventually(func() map[string]string { return r.granted(id) }).Should(Equal(map[string]string{simulator.DefaultUser: "CAN_MANAGE", "engineers": "CAN_MANAGE"}))
		r.editSpec(cluster, grants())
		r.Eventually(func() map[string]string { return r.granted(id) }).Should(Equal(map[string]string{simulator.DefaultUser: "CAN_MANAGE"}))
		r.inSync(cluster)
		r.editSpec(cluster, func(s *v1alpha1.DatabricksClusterSpec) { s.AccessControlList = nil })
		r.inSync(cluster)
		r.workspace.ClearRequests()
		r.stop()
		r.start()
		r.Consistently(func() int { return len(r.workspace.RequestsTo("permissions/set")) }).Should(BeZero())
		r.Expect(r.writes()).To(BeEmpty())
	})

	eachSize(t, "[case-54] after a restart of the operator applied permissions are not written; permissions of other actors are removed at the slow interval", func(t *testing.T, size size) {
		r := size.rig(t).withGroups("engineers", "intruders")
		cluster := r.running(grants(toGroup("engineers", "CAN_RESTART")))
		id := cluster.Status.ClusterID
		r.Expect(r.granted(id)).To(HaveKeyWithValue("engineers", "CAN_RESTART"))
		r.stop()
		r.workspace.ClearRequests()
		r.start()
		r.Consistently(func() int { return len(r.workspace.RequestsTo("permissions/get")) }).Should(BeZero())
		r.stop()
		r.cacheOptions.Deep = 300 * time.Millisecond
		r.start()
		r.call(http.MethodPatch, "/api/2.0/permissions/clusters/"+id, `{"access_control_list": [{"group_name": "intruders", "permission_level": "CAN_MANAGE"}]}`)
		r.Eventually(func() map[string]string { return r.granted(id) }).ShouldNot(HaveKey("intruders"))
		r.becomes(cluster, "Ready=Running")
	})

	eachSize(t, "[case-54] a refusal stalls the object with its text, is not repeated, and delays no other step", func(t *testing.T, size size) {
		r := size.rig(t).withGroups("analysts")
		r.workspace.AddFault(simulator.Fault{Endpoint: "permissions/set", Status: http.StatusBadRequest, ErrorCode: "INVALID_PARAMETER_VALUE", Message: "Principal: GroupName(unknown) does not exist"})
		r.start()
		cluster := r.create(r.small("scratch", grants(toGroup("unknown", "CAN_RESTART")), libraries(pypi("a==1"))))
		stalled := r.becomes(cluster, "Stalled=InvalidSpec")
		r.Expect(message(stalled, "Stalled")).To(ContainSubstring("GroupName(unknown)"))
		r.Eventually(r.changes).Should(ContainElement("libraries/install"))
		r.Consistently(func() int { return len(r.workspace.RequestsTo("permissions/set")) }).Should(Equal(1))
		r.workspace.ClearFaults()
		r.editSpec(cluster, grants(toGroup("analysts", "CAN_RESTART")))
		r.Eventually(func() map[string]string { return r.granted(r.get(cluster).Status.ClusterID) }).Should(HaveKey("analysts"))
	})

	eachSize(t, "[case-54] permissions that may not be read are reported", func(t *testing.T, size size) {
		r := size.rig(t).withGroups("engineers")
		r.workspace.AddFault(simulator.Fault{Endpoint: "permissions/get", Status: http.StatusForbidden, ErrorCode: "PERMISSION_DENIED", Message: "no Manage permission"})
		r.start()
		cluster := r.create(r.small("scratch", grants(toGroup("engineers", "CAN_RESTART"))))
		r.becomes(cluster, "Stalled=PermissionDenied")
		r.Expect(r.workspace.RequestsTo("permissions/set")).To(BeEmpty())
	})
}
