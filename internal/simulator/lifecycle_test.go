package simulator_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

func TestLifecycleFromPendingToPurged(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	id := b.create("life", `"autotermination_minutes":120`)

	pending := b.get(id)
	b.Expect(pending).To(HaveKeyWithValue("state", "PENDING"))
	b.Expect(pending).To(HaveKeyWithValue("state_message", "Finding instances for new nodes, acquiring more instances if necessary"))
	b.Expect(pending).NotTo(HaveKey("driver"))
	b.Expect(pending).To(HaveKeyWithValue("terminated_time", json.Number("0")))

	b.advance(5 * time.Minute)
	running := b.get(id)
	b.Expect(running).To(HaveKeyWithValue("state", "RUNNING"))
	b.Expect(running).To(HaveKeyWithValue("state_message", ""))
	b.Expect(running).To(HaveKey("driver"))
	b.Expect(running["executors"]).To(HaveLen(1))
	b.Expect(running).NotTo(HaveKey("termination_reason"))

	b.advance(2 * time.Hour)
	b.Expect(b.state(id)).To(Equal("TERMINATING"))
	b.advance(time.Minute)
	ended := b.get(id)
	b.Expect(ended).To(HaveKeyWithValue("state", "TERMINATED"))
	b.Expect(ended).To(HaveKeyWithValue("state_message", "Inactive cluster terminated (inactive for 120 minutes)."))
	b.Expect(ended["termination_reason"]).To(Equal(map[string]any{
		"code": "INACTIVITY", "type": "SUCCESS", "parameters": map[string]any{"inactivity_duration_min": "120"},
	}))
	b.Expect(ended).NotTo(HaveKey("driver"))
	b.Expect(ended).NotTo(HaveKey("executors"))
	b.Expect(ended["spark_context_id"]).To(Equal(running["spark_context_id"]))

	b.advance(30 * 24 * time.Hour)
	b.expectError(http.MethodGet, "/api/2.1/clusters/get?cluster_id="+id, "", 400, "INVALID_STATE",
		"Cannot access cluster "+id+" that was terminated or unpinned more than 30 days ago.")
	b.Expect(b.ok(http.MethodGet, "/api/2.1/clusters/list", "")).To(BeEmpty())
}

// A transition has its due time, not the time of the next access.
func TestTransitionsHaveTheirDueTimes(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	id := b.create("late", `"autotermination_minutes":10`)
	b.advance(24 * time.Hour)
	ended := b.get(id)
	b.Expect(ended).To(HaveKeyWithValue("terminated_time", millis(start.Add(16*time.Minute))))
	b.Expect(ended).To(HaveKeyWithValue("last_restarted_time", millis(start.Add(5*time.Minute))))
	b.Expect(ended).To(HaveKeyWithValue("start_time", millis(start)))
}

func TestActivityDelaysAutotermination(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	id := b.running("busy", `"autotermination_minutes":10`)
	b.advance(9 * time.Minute)
	b.Expect(b.s.Touch(id)).To(Succeed())
	b.advance(9 * time.Minute)
	b.Expect(b.state(id)).To(Equal("RUNNING"))
	b.advance(time.Minute)
	b.Expect(b.state(id)).To(Equal("TERMINATING"))
}

func TestPinnedClustersAreRetained(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	id := b.terminated("kept")
	b.verb("pin", id)
	b.advance(90 * 24 * time.Hour)
	b.Expect(b.state(id)).To(Equal("TERMINATED"))
	b.verb("unpin", id)
	b.advance(29 * 24 * time.Hour)
	b.Expect(b.state(id)).To(Equal("TERMINATED"))
	b.advance(24 * time.Hour)
	b.expectError(http.MethodGet, "/api/2.1/clusters/get?cluster_id="+id, "", 400, "INVALID_STATE", "Cannot access cluster")
}

func TestRestartLosesStateAndChangesTheContext(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	id := b.running("again")
	before := b.get(id)
	b.advance(time.Hour)
	at := b.s.Clock().Now()
	b.verb("restart", id)
	b.Expect(b.state(id)).To(Equal("RESTARTING"))
	b.advance(4 * time.Minute)
	after := b.get(id)
	b.Expect(after).To(HaveKeyWithValue("state", "RUNNING"))
	b.Expect(after).To(HaveKeyWithValue("last_state_loss_time", millis(at)))
	b.Expect(after["spark_context_id"]).NotTo(Equal(before["spark_context_id"]))
	b.Expect(after["start_time"]).To(Equal(before["start_time"]))
}

func TestResizeChangesTheTargetAtOnceAndTheNodesLater(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	id := b.running("grow")
	b.ok(http.MethodPost, "/api/2.1/clusters/resize", `{"cluster_id":"`+id+`","num_workers":4}`)
	resizing := b.get(id)
	b.Expect(resizing).To(HaveKeyWithValue("state", "RESIZING"))
	b.Expect(resizing).To(HaveKeyWithValue("num_workers", json.Number("4")))
	b.Expect(resizing["executors"]).To(HaveLen(1))
	b.Expect(resizing["spec"]).To(HaveKeyWithValue("num_workers", json.Number("1")))
	b.advance(2 * time.Minute)
	resized := b.get(id)
	b.Expect(resized).To(HaveKeyWithValue("state", "RUNNING"))
	b.Expect(resized["executors"]).To(HaveLen(4))

	b.ok(http.MethodPost, "/api/2.1/clusters/resize", `{"cluster_id":"`+id+`","autoscale":{"min_workers":1,"max_workers":3}}`)
	b.advance(2 * time.Minute)
	scaling := b.get(id)
	b.Expect(scaling).NotTo(HaveKey("num_workers"))
	b.Expect(scaling["executors"]).To(HaveLen(3))
	b.Expect(b.s.Autoscale(id, 2)).To(Succeed())
	b.Expect(b.state(id)).To(Equal("RESIZING"))
	b.advance(2 * time.Minute)
	b.Expect(b.get(id)["executors"]).To(HaveLen(2))
}

func TestAutoscalingClusterStartsAtItsMinimum(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	id := b.running("auto", `"autoscale":{"min_workers":2,"max_workers":8}`)
	b.Expect(b.get(id)["executors"]).To(HaveLen(2))
}

func TestTimeScaleShortensAllDurations(t *testing.T) {
	b := newHarness(t, simulator.Options{TimeScale: 60})
	id := b.create("fast", `"autotermination_minutes":120`)
	b.advance(5 * time.Second)
	b.Expect(b.state(id)).To(Equal("RUNNING"))
	b.advance(2 * time.Minute)
	b.Expect(b.state(id)).To(Equal("TERMINATING"))
}

func TestZeroTimingsEndAtOnce(t *testing.T) {
	b := newHarness(t, simulator.Options{Timings: &simulator.Timings{Retention: time.Hour}})
	id := b.create("now")
	b.Expect(b.state(id)).To(Equal("RUNNING"))
	b.verb("delete", id)
	b.Expect(b.state(id)).To(Equal("TERMINATED"))
}

func TestRunningClockFollowsVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newHarness(t, simulator.Options{Clock: simulator.NewClock()})
		id := b.create("virtual")
		b.Expect(b.state(id)).To(Equal("PENDING"))
		<-time.After(5 * time.Minute)
		b.Expect(b.state(id)).To(Equal("RUNNING"))
	})
}

func TestUnknownStateIsKept(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	id := b.running("odd", `"autotermination_minutes":10`)
	b.Expect(b.s.SetState(id, "HIBERNATING", "asleep")).To(Succeed())
	b.advance(time.Hour)
	odd := b.get(id)
	b.Expect(odd).To(HaveKeyWithValue("state", "HIBERNATING"))
	b.Expect(odd).To(HaveKeyWithValue("state_message", "asleep"))
}

func millis(at time.Time) json.Number {
	data, _ := json.Marshal(at.UnixMilli())
	return json.Number(data)
}
