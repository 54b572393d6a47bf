package simulator_test

import (
	"net/http"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

func TestOtherUserBypassesLogFaultsAndLimits(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	id := b.running("one", `"custom_tags":{"a":"1"}`)
	b.Expect(b.s.AddGroup("", "data")).To(Succeed())
	b.s.ClearRequests()
	b.s.SetLimits(simulator.Limit{Rate: 0.001, Burst: 1})
	b.s.AddFault(simulator.Fault{Name: "down", Status: 503})
	numpy := map[string]any{"pypi": map[string]any{"package": "numpy"}}
	timings := simulator.DefaultTimings()
	state := func() simulator.State { record, _ := b.s.Cluster(id); return record.State }

	b.Expect(b.s.ResizeElsewhere(id, 3)).To(Succeed())
	b.Expect(state()).To(Equal(simulator.Resizing))
	b.Expect(b.s.ResizeElsewhere(id, 4)).To(MatchError(ContainSubstring("INVALID_STATE")))
	b.advance(timings.Resize)
	b.Expect(b.s.TagElsewhere(id, "b", "2")).To(Succeed())
	b.Expect(b.s.UntagElsewhere(id, "a")).To(Succeed())
	b.Expect(b.s.SetPermissionsElsewhere(id, simulator.Permission{GroupName: "data", PermissionLevel: "CAN_RESTART"})).To(Succeed())
	b.Expect(b.s.SetPermissionsElsewhere(id, simulator.Permission{GroupName: "nope", PermissionLevel: "CAN_RESTART"})).To(MatchError(ContainSubstring("GroupName(nope)")))
	b.Expect(b.s.InstallElsewhere(id, numpy)).To(Succeed())
	b.Expect(b.s.UninstallElsewhere(id, numpy)).To(Succeed())
	b.Expect(b.s.PinElsewhere(id)).To(Succeed())
	b.Expect(b.s.RestartElsewhere(id)).To(Succeed())
	b.advance(timings.Restart)
	b.Expect(b.s.TerminateElsewhere(id)).To(Succeed())
	b.Expect(state()).To(Equal(simulator.Terminating))
	b.advance(timings.Terminate)
	b.Expect(b.s.StartElsewhere(id)).To(Succeed())
	b.Expect(b.s.CallElsewhere("clusters/edit", id, map[string]any{"colour": "blue"})).To(MatchError(ContainSubstring("colour")))
	b.Expect(b.s.CallElsewhere("clusters/fly", id, nil)).NotTo(Succeed())
	b.Expect(b.s.Requests()).To(BeEmpty())

	b.s.ClearFaults()
	b.s.SetLimits()
	got := b.get(id)
	b.Expect(got).To(fields(map[string]any{"custom_tags": map[string]any{"b": "2"}, "num_workers": number("3"), "state": "PENDING"}))
	b.Expect(got).To(HaveKey("pinned_by_user_name"))
	b.Expect(b.ok(http.MethodGet, permissions(id), "")["access_control_list"]).To(HaveLen(2))
	b.Expect(b.s.UnpinElsewhere(id)).To(Succeed())
	b.Expect(b.get(id)).NotTo(HaveKey("pinned_by_user_name"))
	events := b.ok(http.MethodPost, "/api/2.1/clusters/events", `{"cluster_id":"`+id+`","event_types":["RESIZING"]}`)["events"].([]any)
	b.Expect(within(t, events[0].(map[string]any), "details")).To(HaveKeyWithValue("user", simulator.OtherUser))
}
