package simulator_test

import (
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

func permissions(id string) string { return "/api/2.0/permissions/clusters/" + id }

func TestGrantsAreReplacedByPutAndMergedByPatch(t *testing.T) {
	b := newBench(t, simulator.Options{})
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

	b.refused(http.MethodPut, permissions(id), `{"access_control_list":[{"permission_level":"CAN_MANAGE"}]}`, 400, "INVALID_PARAMETER_VALUE", "Exactly one of")
	b.refused(http.MethodPut, permissions(id), `{"access_control_list":[{"user_name":"u","permission_level":"CAN_FLY"}]}`, 400, "INVALID_PARAMETER_VALUE", "CAN_FLY")
	b.Expect(b.ok(http.MethodGet, permissions(id)+"/permissionLevels", "")["permission_levels"]).To(HaveLen(3))
	b.Expect(b.s.Purge(id)).To(Succeed())
	b.refused(http.MethodGet, permissions(id), "", 400, "INVALID_STATE", "Cannot access cluster")
}

func TestWhatAGrantAllows(t *testing.T) {
	b := newBench(t, twoPrincipals())
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

func TestACreatorManagesItsCluster(t *testing.T) {
	b := newBench(t, twoPrincipals()).as("app-token")
	id := b.create("own")
	b.verb("permanent-delete", id)
}

func TestVisibilityAndTheRightToCreate(t *testing.T) {
	b := newBench(t, simulator.Options{Workspaces: []simulator.Workspace{{Principals: []simulator.Principal{
		{UserName: "admin@x", Tokens: []string{simulator.DefaultToken}},
		{UserName: "shy@x", Tokens: []string{"shy"}, NotAdmin: true, SeesOwnOnly: true},
		{UserName: "poor@x", Tokens: []string{"poor"}, NotAdmin: true, MayNotCreate: true},
	}}}})
	id := b.create("admin's")
	b.as("shy").create("shy's")
	b.Expect(b.names(b.ok(http.MethodGet, listPath, ""))).To(HaveLen(2))
	b.Expect(b.names(b.as("shy").ok(http.MethodGet, listPath, ""))).To(Equal([]string{"shy's"}))
	b.as("shy").refused(http.MethodGet, "/api/2.1/clusters/get?cluster_id="+id, "", 400, "INVALID_PARAMETER_VALUE", "does not exist")
	b.as("poor").refused(http.MethodPost, createPath, createBody, 403, "PERMISSION_DENIED", "not authorized to create clusters")
}

func (b *bench) libraries(id string) []string {
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

func TestLibrariesComeAndGo(t *testing.T) {
	b := newBench(t, simulator.Options{})
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
	b.refused(http.MethodPost, "/api/2.0/libraries/install", `{"cluster_id":"`+id+`","libraries":[{"jar":"a","whl":"b"}]}`, 400, "INVALID_PARAMETER_VALUE", "Exactly one of")
}

func TestALibraryWaitsForTheNextStart(t *testing.T) {
	b := newBench(t, simulator.Options{})
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
