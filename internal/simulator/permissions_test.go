package simulator_test

import (
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

func permissions(id string) string { return "/api/2.0/permissions/clusters/" + id }

func TestPutReplacesPermissionsAndPatchMergesThem(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	for _, name := range []string{"u@x", "app"} {
		b.Expect(b.s.AddPrincipal("", simulator.Principal{UserName: name})).To(Succeed())
	}
	b.Expect(b.s.AddGroup("", "g")).To(Succeed())
	id := b.create("one")
	inherited := map[string]any{"group_name": "admins", "all_permissions": []any{map[string]any{
		"permission_level": "CAN_MANAGE", "inherited": true, "inherited_from_object": []any{"/clusters/"},
	}}}
	direct := func(kind, name, level string) map[string]any {
		return map[string]any{kind: name, "display_name": name, "all_permissions": []any{
			map[string]any{"permission_level": level, "inherited": false},
		}}
	}
	got := b.ok(http.MethodGet, permissions(id), "")
	b.Expect(got).To(fields(map[string]any{"object_id": "/clusters/" + id, "object_type": "cluster"}))
	b.Expect(got["access_control_list"]).To(ConsistOf(inherited))

	got = b.ok(http.MethodPut, permissions(id), `{"access_control_list":[{"user_name":"u@x","permission_level":"CAN_ATTACH_TO"},{"group_name":"g","permission_level":"CAN_RESTART"}]}`)
	b.Expect(got["access_control_list"]).To(Equal([]any{direct("user_name", "u@x", "CAN_ATTACH_TO"), direct("group_name", "g", "CAN_RESTART"), inherited}))
	got = b.ok(http.MethodPatch, permissions(id), `{"access_control_list":[{"user_name":"u@x","permission_level":"CAN_MANAGE"},{"service_principal_name":"app","permission_level":"CAN_RESTART"}]}`)
	b.Expect(got["access_control_list"]).To(Equal([]any{
		direct("user_name", "u@x", "CAN_MANAGE"), direct("group_name", "g", "CAN_RESTART"), direct("service_principal_name", "app", "CAN_RESTART"), inherited,
	}))
	got = b.ok(http.MethodPut, permissions(id), `{"access_control_list":[]}`)
	b.Expect(got["access_control_list"]).To(ConsistOf(inherited))

	b.expectError(http.MethodPut, permissions(id), `{"access_control_list":[{"permission_level":"CAN_MANAGE"}]}`, 400, "INVALID_PARAMETER_VALUE", "Exactly one of")
	b.expectError(http.MethodPut, permissions(id), `{"access_control_list":[{"user_name":"u","permission_level":"CAN_FLY"}]}`, 400, "INVALID_PARAMETER_VALUE", "CAN_FLY")
	b.Expect(b.ok(http.MethodGet, permissions(id)+"/permissionLevels", "")["permission_levels"]).To(HaveLen(3))
	b.Expect(b.s.Purge(id)).To(Succeed())
	b.expectError(http.MethodGet, permissions(id), "", 400, "INVALID_STATE", "Cannot access cluster")
}

func TestPermissionLevels(t *testing.T) {
	b := newHarness(t, twoPrincipals())
	app := b.as("app-token")
	id := b.running("one")
	post := func(verb string) int {
		return app.call(http.MethodPost, "/api/2.1/clusters/"+verb, `{"cluster_id":"`+id+`"}`).status
	}
	get := func() int { return app.call(http.MethodGet, "/api/2.1/clusters/get?cluster_id="+id, "").status }
	grant := func(level string) {
		b.ok(http.MethodPatch, permissions(id), `{"access_control_list":[{"service_principal_name":"app-1","permission_level":"`+level+`"}]}`)
	}
	b.Expect([]int{get(), post("restart"), post("permanent-delete"), post("pin")}).To(Equal([]int{403, 403, 403, 403}))
	grant("CAN_ATTACH_TO")
	b.Expect([]int{get(), post("restart"), post("permanent-delete"), post("pin")}).To(Equal([]int{200, 403, 403, 403}))
	grant("CAN_RESTART")
	b.Expect([]int{get(), post("restart"), post("permanent-delete"), post("pin")}).To(Equal([]int{200, 200, 403, 403}))
	grant("CAN_MANAGE")
	b.Expect([]int{post("pin"), post("permanent-delete")}).To(Equal([]int{403, 200}))
}

func TestUnknownPrincipalIsRejected(t *testing.T) {
	b := newHarness(t, twoPrincipals())
	id := b.create("one")
	body := func(kind, name string) string {
		return `{"access_control_list":[{"` + kind + `":"` + name + `","permission_level":"CAN_RESTART"}]}`
	}
	put := func(kind, name string) { b.ok(http.MethodPut, permissions(id), body(kind, name)) }
	put("user_name", "admin@example.com")
	put("service_principal_name", "app-1")
	put("group_name", "users")
	for kind, shown := range map[string]string{"user_name": "UserName", "group_name": "GroupName", "service_principal_name": "ServicePrincipalName"} {
		b.expectError(http.MethodPatch, permissions(id), body(kind, "nope"), 404, "RESOURCE_DOES_NOT_EXIST", "Principal: "+shown+"(nope) does not exist")
	}
	b.expectError(http.MethodPut, permissions(id), body("user_name", "app-1"), 404, "RESOURCE_DOES_NOT_EXIST", "UserName(app-1)")
	b.Expect(b.ok(http.MethodGet, permissions(id), "")["access_control_list"]).To(HaveLen(2)) // the rejected request changed nothing
	b.s.SetBehaviour(simulator.Behaviour{UnknownPrincipalIsInvalid: true})
	b.expectError(http.MethodPut, permissions(id), body("user_name", "x@y"), 400, "INVALID_PARAMETER_VALUE", "Principal: UserName(x@y) does not exist")
	b.s.SetBehaviour(simulator.Behaviour{AnyPrincipalExists: true})
	put("user_name", "x@y")
	b.s.SetBehaviour(simulator.Behaviour{})
	b.Expect(b.s.AddGroup("", "data")).To(Succeed())
	put("group_name", "data")
	b.Expect(b.s.RemoveGroup("", "data")).To(Succeed())
	b.Expect(b.s.RemovePrincipal("", "app-1")).To(Succeed())
	b.expectError(http.MethodPut, permissions(id), body("group_name", "data"), 404, "RESOURCE_DOES_NOT_EXIST", "")
	b.as("app-token").expectError(http.MethodGet, listPath, "", 401, "UNAUTHENTICATED", "")
}

func TestTierWithoutPermissions(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	id := b.create("one")
	for rule, refusal := range map[simulator.PermissionsRule]struct {
		status        int
		code, message string
	}{
		simulator.PermissionsFail:      {500, "INTERNAL_ERROR", "FEATURE_DISABLED: ACLs for cluster are disabled or not available in this tier"},
		simulator.PermissionsForbidden: {403, "PERMISSION_DENIED", "ACL is not supported in your workspace."},
	} {
		b.s.SetBehaviour(simulator.Behaviour{Permissions: rule})
		b.expectError(http.MethodGet, permissions(id), "", refusal.status, refusal.code, refusal.message)
		b.expectError(http.MethodPut, permissions(id), `{"access_control_list":[]}`, refusal.status, refusal.code, refusal.message)
		b.expectError(http.MethodGet, permissions(id)+"/permissionLevels", "", refusal.status, refusal.code, refusal.message)
		b.get(id)
	}
}

func TestPermissionOfAGroup(t *testing.T) {
	b := newHarness(t, simulator.Options{Workspaces: []simulator.Workspace{{Principals: []simulator.Principal{
		{UserName: "admin@x", Tokens: []string{simulator.DefaultToken}},
		{UserName: "member@x", Tokens: []string{"member"}, NotAdmin: true, Groups: []string{"data"}},
	}}}})
	id := b.create("one")
	b.as("member").expectError(http.MethodGet, "/api/2.1/clusters/get?cluster_id="+id, "", 403, "PERMISSION_DENIED", "")
	b.ok(http.MethodPut, permissions(id), `{"access_control_list":[{"group_name":"data","permission_level":"CAN_ATTACH_TO"}]}`)
	b.as("member").get(id)
}

func TestClusterLimitIsInvalidState(t *testing.T) {
	b := newHarness(t, simulator.Options{Behaviour: simulator.Behaviour{ClusterLimit: 1}})
	id := b.create("one")
	b.expectError(http.MethodPost, createPath, createBody, 400, "INVALID_STATE", "1 active clusters")
	b.verb("delete", id)
	b.advance(simulator.DefaultTimings().Terminate)
	b.create("two")
}

func TestCreatorManagesItsCluster(t *testing.T) {
	b := newHarness(t, twoPrincipals()).as("app-token")
	id := b.create("own")
	b.verb("permanent-delete", id)
}

func TestVisibilityAndPermissionToCreate(t *testing.T) {
	b := newHarness(t, simulator.Options{Workspaces: []simulator.Workspace{{Principals: []simulator.Principal{
		{UserName: "admin@x", Tokens: []string{simulator.DefaultToken}},
		{UserName: "shy@x", Tokens: []string{"shy"}, NotAdmin: true, SeesOwnOnly: true},
		{UserName: "poor@x", Tokens: []string{"poor"}, NotAdmin: true, MayNotCreate: true},
	}}}})
	id := b.create("admin's")
	b.as("shy").create("shy's")
	b.Expect(b.names(b.ok(http.MethodGet, listPath, ""))).To(HaveLen(2))
	b.Expect(b.names(b.as("shy").ok(http.MethodGet, listPath, ""))).To(Equal([]string{"shy's"}))
	b.as("shy").expectError(http.MethodGet, "/api/2.1/clusters/get?cluster_id="+id, "", 400, "INVALID_PARAMETER_VALUE", "does not exist")
	b.as("poor").expectError(http.MethodPost, createPath, createBody, 403, "PERMISSION_DENIED", "not authorized to create clusters")
}

func (b *harness) libraries(id string) []string {
	b.t.Helper()
	statuses, _ := b.ok(http.MethodGet, "/api/2.0/libraries/cluster-status?cluster_id="+id, "")["library_statuses"].([]any)
	var all []string
	for _, s := range statuses {
		fields, _ := s.(map[string]any)
		library, _ := fields["library"].(map[string]any)
		for kind, member := range library {
			name, _ := member.(string)
			if inner, ok := member.(map[string]any); ok {
				name, _ = inner["package"].(string)
			}
			status, _ := fields["status"].(string)
			all = append(all, kind+":"+name+"="+status)
		}
	}
	return all
}

func TestLibraryInstallationAndRemoval(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	id := b.running("one")
	change := func(verb, libraries string) {
		b.ok(http.MethodPost, "/api/2.0/libraries/"+verb, `{"cluster_id":"`+id+`","libraries":[`+libraries+`]}`)
	}
	change("install", `{"pypi":{"package":"numpy"}},{"jar":"/a.jar"}`)
	b.Expect(b.libraries(id)).To(Equal([]string{"pypi:numpy=PENDING", "jar:/a.jar=PENDING"}))
	b.advance(10 * time.Second)
	b.Expect(b.libraries(id)[0]).To(Equal("pypi:numpy=RESOLVING"))
	b.advance(10 * time.Second)
	b.Expect(b.libraries(id)[0]).To(Equal("pypi:numpy=INSTALLING"))
	b.advance(10 * time.Second)
	b.Expect(b.libraries(id)).To(Equal([]string{"pypi:numpy=INSTALLED", "jar:/a.jar=INSTALLED"}))

	change("uninstall", `{"pypi":{"package":"numpy"}},{"jar":"/unknown.jar"}`)
	b.Expect(b.libraries(id)).To(Equal([]string{"jar:/a.jar=INSTALLED", "pypi:numpy=UNINSTALL_ON_RESTART"}))
	b.verb("restart", id)
	b.advance(4 * time.Minute)
	b.Expect(b.libraries(id)).To(Equal([]string{"jar:/a.jar=PENDING"}))
	b.advance(30 * time.Second)
	b.Expect(b.libraries(id)).To(Equal([]string{"jar:/a.jar=INSTALLED"}))

	b.s.AddFault(simulator.Fault{Endpoint: "libraries/install", Times: 1, FailLibraries: "no such package"})
	change("install", `{"pypi":{"package":"nimpy"}}`)
	b.advance(30 * time.Second)
	b.Expect(b.libraries(id)).To(ContainElement("pypi:nimpy=FAILED"))
	a := b.call(http.MethodGet, "/api/2.0/libraries/all-cluster-statuses", "")
	b.Expect(a.raw).To(ContainSubstring(`"messages":["no such package"]`))
	b.expectError(http.MethodPost, "/api/2.0/libraries/install", `{"cluster_id":"`+id+`","libraries":[{"jar":"a","whl":"b"}]}`, 400, "INVALID_PARAMETER_VALUE", "Exactly one of")
}

func TestLibraryIsInstalledAtTheNextStart(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	id := b.terminated("one")
	b.ok(http.MethodPost, "/api/2.0/libraries/install", `{"cluster_id":"`+id+`","libraries":[{"whl":"/w.whl"}]}`)
	b.advance(time.Hour)
	b.Expect(b.libraries(id)).To(Equal([]string{"whl:/w.whl=PENDING"}))
	b.Expect(b.state(id)).To(Equal("TERMINATED"))
	b.verb("start", id)
	b.advance(6 * time.Minute)
	b.Expect(b.libraries(id)).To(Equal([]string{"whl:/w.whl=INSTALLED"}))

	copied := b.create("copy", `"clone_from":{"source_cluster_id":"`+id+`"}`)
	b.Expect(b.libraries(copied)).To(Equal([]string{"whl:/w.whl=PENDING"}))
}
