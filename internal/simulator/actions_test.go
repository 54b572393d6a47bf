package simulator_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// clusterIn creates a cluster and brings it into a state with the operations of
// the API.
func (b *harness) clusterIn(state string) string {
	b.t.Helper()
	var id string
	switch state {
	case "PENDING":
		id = b.create("one")
	case "RUNNING":
		id = b.running("one")
	case "RESTARTING":
		id = b.running("one")
		b.verb("restart", id)
	case "RESIZING":
		id = b.running("one")
		b.ok(http.MethodPost, "/api/2.1/clusters/resize", `{"cluster_id":"`+id+`","num_workers":2}`)
	case "TERMINATING":
		id = b.running("one")
		b.verb("delete", id)
	default:
		id = b.terminated("one")
	}
	b.Expect(b.state(id)).To(Equal(state))
	return id
}

// The state after each operation in each state, or "!" and the state that the
// error names.
func TestEveryOperationInEveryState(t *testing.T) {
	edit := `,"cluster_name":"two",` + small + `,"num_workers":1}`
	for verb, c := range map[string]struct {
		more string
		in   map[string]string
	}{
		"edit": {edit, map[string]string{
			"PENDING": "!Pending", "RUNNING": "RESTARTING", "RESTARTING": "!Restarting",
			"RESIZING": "!Resizing", "TERMINATING": "!Terminating", "TERMINATED": "TERMINATED",
		}},
		"update": {`,"update_mask":"cluster_name","cluster":{"cluster_name":"two"}}`, map[string]string{
			"PENDING": "!Pending", "RUNNING": "RESTARTING", "RESTARTING": "!Restarting",
			"RESIZING": "!Resizing", "TERMINATING": "!Terminating", "TERMINATED": "TERMINATED",
		}},
		"resize": {`,"num_workers":3}`, map[string]string{
			"PENDING": "!Pending", "RUNNING": "RESIZING", "RESTARTING": "!Restarting",
			"RESIZING": "!Resizing", "TERMINATING": "!Terminating", "TERMINATED": "!Terminated",
		}},
		"start": {"}", map[string]string{
			"PENDING": "!Pending", "RUNNING": "!Running", "RESTARTING": "!Restarting",
			"RESIZING": "!Resizing", "TERMINATING": "!Terminating", "TERMINATED": "PENDING",
		}},
		"restart": {"}", map[string]string{
			"PENDING": "!Pending", "RUNNING": "RESTARTING", "RESTARTING": "!Restarting",
			"RESIZING": "!Resizing", "TERMINATING": "!Terminating", "TERMINATED": "!Terminated",
		}},
		"delete": {"}", map[string]string{
			"PENDING": "TERMINATING", "RUNNING": "TERMINATING", "RESTARTING": "TERMINATING",
			"RESIZING": "TERMINATING", "TERMINATING": "TERMINATING", "TERMINATED": "TERMINATED",
		}},
		"change-owner": {`,"owner_username":"other@example.com"}`, map[string]string{
			"PENDING": "!Pending", "RUNNING": "!Running", "RESTARTING": "!Restarting",
			"RESIZING": "!Resizing", "TERMINATING": "!Terminating", "TERMINATED": "TERMINATED",
		}},
		"pin": {"}", map[string]string{
			"PENDING": "PENDING", "RUNNING": "RUNNING", "RESTARTING": "RESTARTING",
			"RESIZING": "RESIZING", "TERMINATING": "TERMINATING", "TERMINATED": "TERMINATED",
		}},
		"unpin": {"}", map[string]string{
			"PENDING": "PENDING", "RUNNING": "RUNNING", "RESTARTING": "RESTARTING",
			"RESIZING": "RESIZING", "TERMINATING": "TERMINATING", "TERMINATED": "TERMINATED",
		}},
		"permanent-delete": {"}", map[string]string{
			"PENDING": "gone", "RUNNING": "gone", "RESTARTING": "gone",
			"RESIZING": "gone", "TERMINATING": "gone", "TERMINATED": "gone",
		}},
	} {
		for state, want := range c.in {
			t.Run(verb+" in "+state, func(t *testing.T) {
				b := newHarness(t, simulator.Options{})
				id := b.clusterIn(state)
				path, body := "/api/2.1/clusters/"+verb, `{"cluster_id":"`+id+`"`+c.more
				if named, refusal := strings.CutPrefix(want, "!"); refusal {
					b.expectError(http.MethodPost, path, body, 400, "INVALID_STATE", "Cluster "+id+" is in unexpected state "+named+".")
					b.Expect(b.state(id)).To(Equal(state))
					return
				}
				b.Expect(b.ok(http.MethodPost, path, body)).To(BeEmpty())
				if want == "gone" {
					b.expectError(http.MethodGet, "/api/2.1/clusters/get?cluster_id="+id, "", 400, "INVALID_PARAMETER_VALUE", "does not exist")
					return
				}
				b.Expect(b.state(id)).To(Equal(want))
			})
		}
	}
}

func TestInvalidStateHasTheObservedDetail(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	id := b.running("one")
	a := b.call(http.MethodPost, "/api/2.1/clusters/start", `{"cluster_id":"`+id+`"}`)
	b.Expect(a.body["details"]).To(ConsistOf(map[string]any{
		"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "CM_API_ERROR_SOURCE_CALLER_ERROR", "domain": "",
	}))
}

func TestDocumentedNoOpsAreOptional(t *testing.T) {
	b := newHarness(t, simulator.Options{Behaviour: simulator.Behaviour{StartIsNoOp: true, RestartIsNoOp: true}})
	id := b.create("one")
	b.verb("start", id)
	b.verb("restart", id)
	b.Expect(b.state(id)).To(Equal("PENDING"))
}

func TestUnknownClustersDoNotExistForAnyOperation(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	for _, verb := range []string{"start", "restart", "delete", "permanent-delete", "pin", "unpin", "events"} {
		b.expectError(http.MethodPost, "/api/2.1/clusters/"+verb, `{"cluster_id":"0101-120000-nothing1"}`,
			400, "INVALID_PARAMETER_VALUE", "Cluster 0101-120000-nothing1 does not exist")
	}
	b.expectError(http.MethodPost, "/api/2.1/clusters/start", `{}`, 400, "INVALID_PARAMETER_VALUE", "Missing required field: cluster_id")
	b.s.SetBehaviour(simulator.Behaviour{MissingIsNotFound: true})
	b.expectError(http.MethodGet, "/api/2.1/clusters/get?cluster_id=x", "", 404, "RESOURCE_DOES_NOT_EXIST", "Cluster x does not exist")
}

func TestPinnedClusterCannotBeDeleted(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	id := b.create("one")
	b.verb("pin", id)
	b.verb("pin", id)
	b.expectError(http.MethodPost, "/api/2.1/clusters/permanent-delete", `{"cluster_id":"`+id+`"}`, 400, "INVALID_PARAMETER_VALUE", "unpin the cluster first")
	b.verb("unpin", id)
	b.verb("permanent-delete", id)
	b.expectError(http.MethodPost, "/api/2.1/clusters/permanent-delete", `{"cluster_id":"`+id+`"}`, 400, "INVALID_PARAMETER_VALUE", "does not exist")
}

func TestPinsAreLimited(t *testing.T) {
	b := newHarness(t, simulator.Options{Behaviour: simulator.Behaviour{PinLimit: 1}})
	b.verb("pin", b.create("one"))
	b.expectError(http.MethodPost, "/api/2.1/clusters/pin", `{"cluster_id":"`+b.create("two")+`"}`, 400, "INVALID_PARAMETER_VALUE", "more than 1")
}

func TestJobClustersCannotBeEdited(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	id, err := b.s.AddCluster(simulator.Seed{Source: "JOB", State: simulator.Running, Spec: map[string]any{"cluster_name": "job-1"}})
	b.Expect(err).NotTo(HaveOccurred())
	b.expectError(http.MethodPost, "/api/2.1/clusters/edit", `{"cluster_id":"`+id+`",`+small+`,"num_workers":1}`,
		400, "INVALID_PARAMETER_VALUE", "Cannot edit cluster "+id+" created by JobLauncher")
}

func TestIdempotencyTokenIsValidWhileItsClusterIsActive(t *testing.T) {
	const token = `"idempotency_token":"t-1"`
	b := newHarness(t, simulator.Options{})
	first := b.create("one", token)
	b.Expect(b.create("body ignored", token)).To(Equal(first))
	b.advance(5 * time.Minute)
	b.Expect(b.create("one", token)).To(Equal(first))
	b.verb("delete", first)
	b.advance(time.Minute)

	b.s.SetBehaviour(simulator.Behaviour{TokenOfTerminated: simulator.TokenReturns})
	b.Expect(b.create("one", token)).To(Equal(first))
	b.s.SetBehaviour(simulator.Behaviour{TokenOfTerminated: simulator.TokenFails})
	b.expectError(http.MethodPost, "/api/2.1/clusters/create", `{`+small+`,"num_workers":1,`+token+`}`, 409, "RESOURCE_ALREADY_EXISTS", first)
	b.s.SetBehaviour(simulator.Behaviour{})
	second := b.create("one", token)
	b.Expect(second).NotTo(Equal(first))
	b.verb("permanent-delete", second)
	b.Expect(b.create("one", token)).NotTo(Equal(second))

	b.expectError(http.MethodPost, "/api/2.1/clusters/create", `{`+small+`,"num_workers":1,"idempotency_token":"`+strings.Repeat("x", 65)+`"}`,
		400, "INVALID_PARAMETER_VALUE", "64 characters")
}

func TestUpdateChangesOnlyMaskedFields(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	id := b.terminated("one", `"autoscale":{"min_workers":1,"max_workers":4}`, `"custom_tags":{"a":"1","b":"2"}`, `"autotermination_minutes":30`)
	update := func(body string) {
		b.ok(http.MethodPost, "/api/2.1/clusters/update", `{"cluster_id":"`+id+`",`+body+`}`)
	}

	update(`"update_mask":"autoscale.max_workers,custom_tags,autotermination_minutes","cluster":{"autoscale":{"max_workers":6},"custom_tags":{"c":"3"},"cluster_name":"ignored"}`)
	spec, _ := b.get(id)["spec"].(map[string]any)
	b.Expect(spec["autoscale"]).To(BeComparableTo(map[string]any{"min_workers": number("1"), "max_workers": number("6")}))
	b.Expect(spec["custom_tags"]).To(Equal(map[string]any{"c": "3"}))
	b.Expect(spec).NotTo(HaveKey("autotermination_minutes"))
	b.Expect(spec).To(HaveKeyWithValue("cluster_name", "one"))

	update(`"update_mask":"num_workers,autoscale","cluster":{"num_workers":0}`)
	spec, _ = b.get(id)["spec"].(map[string]any)
	b.Expect(spec).To(HaveKeyWithValue("num_workers", number("0")))
	b.Expect(spec).NotTo(HaveKey("autoscale"))

	b.expectError(http.MethodPost, "/api/2.1/clusters/update", `{"cluster_id":"`+id+`","update_mask":"colour","cluster":{}}`, 400, "INVALID_PARAMETER_VALUE", `"colour" is not a field`)
	b.expectError(http.MethodPost, "/api/2.1/clusters/update", `{"cluster_id":"`+id+`","cluster":{}}`, 400, "INVALID_PARAMETER_VALUE", "Missing required field: update_mask")
}

func TestEditReplacesTheWholeSpecification(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	id := b.terminated("one", `"custom_tags":{"a":"1"}`, `"autotermination_minutes":30`)
	b.ok(http.MethodPost, "/api/2.1/clusters/edit", `{"cluster_id":"`+id+`",`+small+`,"num_workers":2}`)
	got := b.get(id)
	b.Expect(got).To(HaveKeyWithValue("cluster_name", ""))
	b.Expect(got).NotTo(HaveKey("custom_tags"))
	b.Expect(got).To(HaveKeyWithValue("autotermination_minutes", number("0")))
	b.Expect(got["spec"]).NotTo(HaveKey("cluster_id"))
}

func TestOptionsOfEdit(t *testing.T) {
	b := newHarness(t, simulator.Options{Behaviour: simulator.Behaviour{IdenticalEditIsNoOp: true, SizeEditResizes: true}})
	id := b.running("one")
	same := `{"cluster_id":"` + id + `","cluster_name":"one",` + small
	b.ok(http.MethodPost, "/api/2.1/clusters/edit", same+`,"num_workers":1}`)
	b.Expect(b.state(id)).To(Equal("RUNNING"))
	b.ok(http.MethodPost, "/api/2.1/clusters/edit", same+`,"num_workers":2}`)
	b.Expect(b.state(id)).To(Equal("RESIZING"))
}

func TestChangeOwnerIsForAdministrators(t *testing.T) {
	b := newHarness(t, twoPrincipals())
	id := b.terminated("one")
	b.expectError(http.MethodPost, "/api/2.1/clusters/change-owner", `{"cluster_id":"`+id+`"}`, 400, "INVALID_PARAMETER_VALUE", "owner_username")
	b.ok(http.MethodPost, "/api/2.1/clusters/change-owner", `{"cluster_id":"`+id+`","owner_username":"new@example.com"}`)
	b.Expect(b.get(id)).To(HaveKeyWithValue("creator_user_name", "new@example.com"))
}

func TestUpdateOfOtherFieldsKeepsTheSizeOfAResize(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	id := b.running("one")
	b.ok(http.MethodPost, "/api/2.1/clusters/resize", `{"cluster_id":"`+id+`","num_workers":3}`)
	b.advance(simulator.DefaultTimings().Resize)
	update := func(body string) {
		b.ok(http.MethodPost, "/api/2.1/clusters/update", `{"cluster_id":"`+id+`",`+body+`}`)
		b.advance(simulator.DefaultTimings().Restart)
	}
	update(`"update_mask":"custom_tags","cluster":{"custom_tags":{"a":"b"}}`)
	got := b.get(id)
	b.Expect(got).To(HaveKeyWithValue("num_workers", number("3")))
	b.Expect(got["executors"]).To(HaveLen(3))
	b.Expect(got["spec"]).To(HaveKeyWithValue("num_workers", number("1")))
	b.Expect(b.s.TagElsewhere(id, "c", "d")).To(Succeed())
	b.Expect(b.get(id)).To(HaveKeyWithValue("num_workers", number("3")))
	update(`"update_mask":"num_workers,autoscale","cluster":{"autoscale":{"min_workers":1,"max_workers":2}}`)
	b.Expect(b.get(id)).NotTo(HaveKey("num_workers"))
	b.ok(http.MethodPost, "/api/2.1/clusters/edit", `{"cluster_id":"`+id+`",`+small+`,"num_workers":2}`)
	b.Expect(b.get(id)).To(HaveKeyWithValue("num_workers", number("2")))
}
