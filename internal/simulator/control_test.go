package simulator_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

func TestControlAPI(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	outside := b.as("")

	added := outside.ok(http.MethodPost, "/simulator/clusters", `{"state":"RUNNING","spec":{"cluster_name":"theirs","autotermination_minutes":60}}`)
	id, _ := added["cluster_id"].(string)
	b.Expect(b.get(id)).To(fields(map[string]any{"state": "RUNNING", "cluster_source": "UI"}))
	on := "/simulator/clusters/" + id
	outside.ok(http.MethodPost, on+"/edit", `{"cluster_name":"renamed"}`)
	b.Expect(outside.ok(http.MethodGet, on, "")).To(HaveKeyWithValue("cluster_name", "renamed"))
	outside.ok(http.MethodPost, "/simulator/clock", `{"advance":"50m"}`)
	outside.ok(http.MethodPost, on+"/touch", "")
	outside.ok(http.MethodPost, "/simulator/clock", `{"advance":"50m"}`)
	b.Expect(b.state(id)).To(Equal("RUNNING"))
	outside.ok(http.MethodPost, on+"/state", `{"state":"UNKNOWN"}`)
	b.Expect(b.state(id)).To(Equal("UNKNOWN"))
	outside.ok(http.MethodPost, on+"/end", `{"code":"DRIVER_UNREACHABLE","type":"SERVICE_FAULT"}`)
	b.Expect(b.state(id)).To(Equal("TERMINATED"))
	outside.ok(http.MethodPost, on+"/purge", "")
	b.Expect(outside.call(http.MethodPost, on+"/delete", "").raw).To(ContainSubstring("there is no cluster"))

	name, _ := outside.ok(http.MethodPost, "/simulator/faults", `{"endpoint":"clusters/list","status":503,"delay":"1ms","launch":{"code":"X","type":"CLOUD_FAILURE"}}`)["name"].(string)
	b.Expect(b.call(http.MethodGet, listPath, "").status).To(Equal(503))
	b.Expect(outside.call(http.MethodGet, "/simulator/faults", "").raw).To(ContainSubstring(`"delay":"1ms"`))
	outside.ok(http.MethodDelete, "/simulator/faults/"+name, "")
	b.ok(http.MethodGet, listPath, "")

	outside.ok(http.MethodPut, "/simulator/limits", `[{"endpoint":"clusters/list","rate":0.001,"retry_after":"seconds"}]`)
	b.ok(http.MethodGet, listPath, "")
	b.Expect(b.call(http.MethodGet, listPath, "").header.Get("Retry-After")).To(Equal("1000"))
	outside.ok(http.MethodPut, "/simulator/limits", `[]`)

	outside.ok(http.MethodPut, "/simulator/behaviour", `{"start_is_no_op":true,"unseen_by_get":"1h"}`)
	b.Expect(outside.ok(http.MethodGet, "/simulator/behaviour", "")).To(fields(map[string]any{"start_is_no_op": true, "unseen_by_get": "1h0m0s"}))
	b.Expect(b.s.Behaviour().UnseenByGet.Hours()).To(BeEquivalentTo(1))
	outside.ok(http.MethodPut, "/simulator/behaviour", `{}`)
	outside.ok(http.MethodPatch, "/simulator/timings", `{"launch":"0s"}`)
	b.Expect(outside.ok(http.MethodGet, "/simulator/timings", "")).To(fields(map[string]any{"launch": "0s", "restart": "4m0s"}))
	b.Expect(b.state(b.create("quick", `"custom_tags":{"databricks-operator-owner":"me"}`))).To(Equal("RUNNING"))
	b.Expect(outside.ok(http.MethodGet, "/simulator/owners", "")).To(HaveKeyWithValue("me", number("1")))

	outside.ok(http.MethodPost, "/simulator/tokens", `{"user_name":"`+simulator.DefaultUser+`","token":"second"}`)
	b.as("second").ok(http.MethodGet, listPath, "")
	outside.ok(http.MethodDelete, "/simulator/tokens", `{"token":"second"}`)
	b.Expect(b.as("second").call(http.MethodGet, listPath, "").status).To(Equal(401))

	var log []simulator.Entry
	b.Expect(json.Unmarshal([]byte(outside.call(http.MethodGet, "/simulator/requests?endpoint=clusters/create", "").raw), &log)).To(Succeed())
	b.Expect(log).To(HaveLen(1))
	b.Expect(log[0].Owner).To(Equal("me"))
	b.Expect(string(log[0].Body)).To(ContainSubstring(`"num_workers":1`))
	outside.ok(http.MethodDelete, "/simulator/requests", "")
	b.Expect(strings.TrimSpace(outside.call(http.MethodGet, "/simulator/requests?after=0", "").raw)).To(Equal("[]"))
	b.Expect(outside.call(http.MethodGet, "/simulator/clusters", "").raw).To(ContainSubstring("renamed"))
}

func TestControlAPIOfWorkspaces(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	outside := b.as("")
	id := b.running("one")

	outside.ok(http.MethodPost, "/simulator/tokens", `{"user_name":"`+simulator.DefaultUser+`","token":"reads","name":"a's","rights":{"read_only":true}}`)
	b.as("reads").expectError(http.MethodPost, createPath, createBody, 403, "PERMISSION_DENIED", "may only read")
	outside.ok(http.MethodPatch, "/simulator/tokens", `{"token":"reads","rights":{}}`)
	b.as("reads").ok(http.MethodPost, createPath, createBody)
	b.Expect(outside.call(http.MethodGet, "/simulator/requests", "").raw).To(ContainSubstring(`"token":"a's"`))

	outside.ok(http.MethodPost, "/simulator/principals", `{"user_name":"app","client_secret":"hidden-secret","federation":{"subject":"s"},"groups":["data"]}`)
	outside.ok(http.MethodPost, "/simulator/groups", `{"group_name":"web"}`)
	granted := `{"access_control_list":[{"group_name":"data","permission_level":"CAN_RESTART"},{"group_name":"web","permission_level":"CAN_RESTART"}]}`
	b.ok(http.MethodPut, permissions(id), granted)
	outside.ok(http.MethodDelete, "/simulator/groups", `{"group_name":"web"}`)
	b.Expect(b.call(http.MethodPut, permissions(id), granted).status).To(Equal(404))
	b.Expect(b.s.AddPrincipal("default", simulator.Principal{UserName: "other"})).To(Succeed())
	outside.ok(http.MethodDelete, "/simulator/principals", `{"user_name":"other"}`)

	policy, _ := outside.ok(http.MethodPost, "/simulator/policies", `{"name":"small","definition":"{}"}`)["policy_id"].(string)
	pool, _ := outside.ok(http.MethodPost, "/simulator/pools", `{"instance_pool_name":"warm","node_type_id":"i3.xlarge"}`)["instance_pool_id"].(string)
	b.ok(http.MethodPost, createPath, `{"policy_id":"`+policy+`","instance_pool_id":"`+pool+`","spark_version":"16.4.x-scala2.12","num_workers":1}`)
	shown := outside.call(http.MethodGet, "/simulator/workspaces", "").raw
	b.Expect(shown).To(And(ContainSubstring(`"instance_pool_name":"warm"`), ContainSubstring(`"user_name":"app"`), ContainSubstring(`"name":"small"`)))
	b.Expect(shown).NotTo(Or(ContainSubstring("hidden-secret"), ContainSubstring(simulator.DefaultToken), ContainSubstring("reads")))
	outside.ok(http.MethodDelete, "/simulator/policies/"+policy, "")
	outside.ok(http.MethodDelete, "/simulator/pools/"+pool, "")

	outside.ok(http.MethodPut, "/simulator/clusters/"+id+"/extra", `{"future":1}`)
	b.Expect(b.get(id)["spec"]).To(HaveKeyWithValue("future", number("1")))
	outside.ok(http.MethodPost, "/simulator/clusters/"+id+"/call/clusters/resize", `{"num_workers":2}`)
	b.Expect(b.state(id)).To(Equal("RESIZING"))
	b.Expect(outside.call(http.MethodPost, "/simulator/clusters/"+id+"/call/clusters/resize", `{"num_workers":3}`).raw).To(ContainSubstring("INVALID_STATE"))
	b.Expect(outside.ok(http.MethodPost, "/simulator/clock", `{"offset":"-15m"}`)).To(HaveKeyWithValue("offset", "-15m0s"))
	b.Expect(b.s.ClockOffset().Minutes()).To(BeEquivalentTo(-15))
}

func TestOptionsAreConfiguredByJSON(t *testing.T) {
	given := simulator.Options{Behaviour: simulator.Behaviour{StartIsNoOp: true}, Limits: []simulator.Limit{{Rate: 1000}}}
	g := NewWithT(t)
	options, err := given.Configured([]byte(`{
		"workspaces": [
			{"name": "a", "id": 1, "groups": ["data"], "principals": [{"user_name": "u@x", "tokens": ["dapi-simulator"], "scoped_tokens": [{"token": "t", "rights": {"read_only": true}}]}],
			 "policies": [{"policy_id": "P", "name": "p", "definition": "{}"}], "pools": [{"instance_pool_id": "pool", "node_type_id": "i3.xlarge"}]},
			{"name": "b", "id": 2}],
		"behaviour": {"rewrite_first_on_demand": true, "registry_password": "masked", "unseen_by_get": "1s"},
		"faults": [{"endpoint": "clusters/create", "status": 503, "delay": "1ms", "times": 1}],
		"timings": {"launch": "0s"}, "clock_offset": "1m"}`))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(options.Behaviour).To(Equal(simulator.Behaviour{
		StartIsNoOp: true, RewriteFirstOnDemand: true, RegistryPassword: simulator.SecretMasked, UnseenByGet: time.Second,
	}))
	g.Expect(options.Limits).To(HaveLen(1))
	b := newHarness(t, options)
	b.Expect(b.call(http.MethodPost, createPath, createBody).status).To(Equal(503))
	id := b.create("one")
	b.advance(time.Second)
	b.Expect(b.state(id)).To(Equal("RUNNING"))
	b.Expect(b.s.Timings().Restart).To(Equal(simulator.DefaultTimings().Restart))

	for config, message := range map[string]string{
		`{"workspace": []}`:                       `unknown field "workspace"`,
		`{"behaviour": {"no_such_switch": true}}`: `unknown field "no_such_switch"`,
		`{"workspaces": [{"name": "w", "policies": [{"name": "p", "definition": "{"}]}]}`: `policy "p" of workspace "w"`,
	} {
		_, err := options.Configured([]byte(config))
		g.Expect(err).To(MatchError(ContainSubstring(message)), config)
	}
	g.Expect(simulator.BehaviourNames()).To(ContainElements("rewrite_first_on_demand", "oauth_token_life", "cluster_limit"))
}

func TestControlAPIErrors(t *testing.T) {
	b := newHarness(t, simulator.Options{}).as("")
	for _, c := range []struct{ method, path, body, message string }{
		{http.MethodPost, "faults", `{"endpont":"x"}`, `unknown field \"endpont\"`},
		{http.MethodPost, "faults", `{"when":"during"}`, `when is \"during\"`},
		{http.MethodPost, "faults", `{"delay":"soon"}`, "is not a duration such as 1h30m"},
		{http.MethodDelete, "faults/x", "", `there is no fault \"x\"`},
		{http.MethodPost, "clock", `{}`, "advance must be a positive duration"},
		{http.MethodPost, "clusters", `{"workspace":"x"}`, `no workspace is named \"x\"`},
		{http.MethodPost, "clusters", `{"spec":{"autotermination_minutes":1}}`, "autotermination_minutes must be 0"},
		{http.MethodPost, "clusters/x/purge", "", `there is no cluster \"x\"`},
		{http.MethodPost, "clusters/x/state", "{}", "state is missing"},
		{http.MethodGet, "requests?after=x", "", `after is \"x\"`},
		{http.MethodGet, "nothing", "", "GET /simulator/ lists all operations"},
	} {
		a := b.call(c.method, "/simulator/"+c.path, c.body)
		b.Expect(a.status).To(Equal(http.StatusBadRequest), c.path)
		b.Expect(a.raw).To(ContainSubstring(c.message), c.path)
	}
	b.Expect(b.call(http.MethodGet, "/simulator/", "").raw).To(ContainSubstring("/simulator/clusters/{id}/purge"))
}

func TestTheLogIsBounded(t *testing.T) {
	b := newHarness(t, simulator.Options{LogSize: 10})
	for range 40 {
		b.ok(http.MethodGet, listPath, "")
	}
	log := b.s.Requests()
	b.Expect(log).To(HaveLen(10))
	b.Expect(log[9].Sequence).To(BeEquivalentTo(40))
	b.Expect(b.s.RequestsAfter(38)).To(HaveLen(2))
}
