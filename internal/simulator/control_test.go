package simulator_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

func TestEverythingIsControlledOverHTTP(t *testing.T) {
	b := newBench(t, simulator.Options{})
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

func TestControlSaysWhatItCannotDo(t *testing.T) {
	b := newBench(t, simulator.Options{}).as("")
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
		{http.MethodGet, "nothing", "", "GET /simulator/ lists what there is"},
	} {
		a := b.call(c.method, "/simulator/"+c.path, c.body)
		b.Expect(a.status).To(Equal(http.StatusBadRequest), c.path)
		b.Expect(a.raw).To(ContainSubstring(c.message), c.path)
	}
	b.Expect(b.call(http.MethodGet, "/simulator/", "").raw).To(ContainSubstring("/simulator/clusters/{id}/purge"))
}

func TestTheLogIsBounded(t *testing.T) {
	b := newBench(t, simulator.Options{LogSize: 10})
	for range 40 {
		b.ok(http.MethodGet, listPath, "")
	}
	log := b.s.Requests()
	b.Expect(log).To(HaveLen(10))
	b.Expect(log[9].Sequence).To(BeEquivalentTo(40))
	b.Expect(b.s.RequestsAfter(38)).To(HaveLen(2))
}
