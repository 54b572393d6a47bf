package report

import (
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

// scheduled sets hours on every day, in UTC.
func scheduled(from, to string, atEnd v1alpha1.AtEnd) func(*v1alpha1.DatabricksClusterSpec) {
	return func(s *v1alpha1.DatabricksClusterSpec) {
		s.RunPolicy = v1alpha1.RunPolicyScheduled
		s.Schedule = &v1alpha1.Schedule{Up: []v1alpha1.WeeklySpan{{From: from, To: to}}, AtEnd: atEnd}
	}
}

// readAt reports a read of the cluster that began at a time.
func (h *history) readAt(at time.Time, state compute.State) *history {
	details := &compute.ClusterDetails{ClusterId: clusterID, State: state, StateMessage: "why", SparkContextId: 7, NumWorkers: 2}
	return h.observing(plan.Observation{Presence: managed.Present, Details: details, ReadAt: at})
}

func TestTheStatusOfASchedule(t *testing.T) {
	t.Parallel()
	evening := time.Date(2026, time.March, 18, 11, 0, 0, 0, time.UTC)
	morning := time.Date(2026, time.March, 19, 8, 0, 0, 0, time.UTC)
	t.Run("outside of the hours", func(t *testing.T) {
		t.Parallel()
		g := NewWithT(t)
		h := newHistory().edited(scheduled("08:00", "11:00", "")).created().readAt(noon, compute.StateTerminated)
		g.Expect(h.readiness()).To(Equal("True TerminatedBySchedule"))
		shown := h.cluster.Status.Schedule
		g.Expect(shown.Up).To(HaveValue(BeFalse()))
		g.Expect(shown.NextTransitionTime.Time).To(BeTemporally("==", morning))
		g.Expect(shown.LastTransitionTime.Time).To(BeTemporally("==", evening))
	})
	t.Run("not yet terminated", func(t *testing.T) {
		t.Parallel()
		g := NewWithT(t)
		h := newHistory().edited(scheduled("08:00", "11:00", "")).created().readAt(noon, compute.StateRunning)
		g.Expect(h.cluster.Status.Schedule.LastTransitionTime).To(BeNil())
	})
	t.Run("terminated by others, in the hours", func(t *testing.T) {
		t.Parallel()
		g := NewWithT(t)
		h := newHistory().edited(scheduled("11:00", "13:00", "")).created().readAt(noon, compute.StateRunning)
		g.Expect(h.cluster.Status.Schedule.LastTransitionTime.Time).To(BeTemporally("==", evening))
		h.readAt(noon, compute.StateTerminated)
		g.Expect(h.readiness()).To(Equal("True TerminatedNormally"))
	})
	t.Run("the schedule leaves the cluster", func(t *testing.T) {
		t.Parallel()
		g := NewWithT(t)
		h := newHistory().edited(scheduled("08:00", "11:00", v1alpha1.AtEndLeave)).created().readAt(noon, compute.StateTerminated)
		g.Expect(h.readiness()).To(Equal("True TerminatedNormally"))
	})
	t.Run("the state ERROR", func(t *testing.T) {
		t.Parallel()
		g := NewWithT(t)
		h := newHistory().edited(scheduled("08:00", "11:00", "")).created().readAt(noon, compute.StateError)
		g.Expect(h.readiness()).To(Equal("False Stalled TerminatedUnexpectedly"))
	})
	t.Run("the object is being deleted", func(t *testing.T) {
		t.Parallel()
		removed := func(s *v1alpha1.DatabricksClusterSpec) { s.RunPolicy, s.Schedule = "", nil }
		shown := newHistory().edited(scheduled("08:00", "11:00", "")).created().readAt(noon, compute.StateTerminated).cluster.Status.Schedule
		for name, row := range map[string]struct {
			edit  func(*v1alpha1.DatabricksClusterSpec)
			shown *v1alpha1.ScheduleStatus
			ready string
		}{
			"its status stays":             {resume, shown, "True TerminatedBySchedule"},
			"it was never shown":           {resume, nil, "True TerminatedNormally"},
			"it has no hours":              {resume, &v1alpha1.ScheduleStatus{}, "True TerminatedNormally"},
			"the schedule is removed, too": {removed, shown, "True TerminatedNormally"},
		} {
			h := newHistory().edited(scheduled("08:00", "11:00", "")).created().readAt(noon, compute.StateTerminated)
			h.cluster.DeletionTimestamp, h.cluster.Status.Schedule = new(metav1.NewTime(noon)), row.shown
			h.edited(row.edit)
			h.report(Input{Observed: h.input.Observed, Plan: plan.Plan{Step: plan.RemoveFinalizer{ClusterID: clusterID}}, Outcome: Outcome{Ran: true}})
			NewWithT(t).Expect(h.readiness()).To(Equal(row.ready), name)
		}
	})
	t.Run("the schedule is removed", func(t *testing.T) {
		t.Parallel()
		g := NewWithT(t)
		h := newHistory().edited(scheduled("08:00", "11:00", "")).created().readAt(noon, compute.StateTerminated)
		h.edited(func(s *v1alpha1.DatabricksClusterSpec) { s.RunPolicy, s.Schedule = "", nil }).readAt(noon, compute.StateTerminated)
		g.Expect(h.cluster.Status.Schedule).To(BeNil())
	})
}

func TestAFinishedRequest(t *testing.T) {
	t.Parallel()
	for phase, event := range map[v1alpha1.RequestPhase]string{
		v1alpha1.RequestAccepted: "", v1alpha1.RequestInProgress: "", v1alpha1.RequestSucceeded: "",
		v1alpha1.RequestRefused: "Warning RequestRefused", v1alpha1.RequestFailed: "Warning RequestFailed",
	} {
		g := NewWithT(t)
		h := newHistory().created().inState(compute.StateRunning)
		request := v1alpha1.RequestStatus{Value: "restart@1", Phase: phase, Message: "do something else"}
		h.report(Input{Observed: h.input.Observed, Plan: plan.Plan{Step: plan.AcknowledgeRequest{Request: request}}, Outcome: Outcome{Ran: true}})
		finished := map[v1alpha1.RequestPhase]string{v1alpha1.RequestSucceeded: "restart@1", v1alpha1.RequestRefused: "restart@1", v1alpha1.RequestFailed: "restart@1"}
		g.Expect(h.cluster.Status.Request.Finished).To(Equal(finished[phase]), string(phase))
		var warned []string
		for _, one := range h.allEvents() {
			if one.Type == "Warning" {
				warned = append(warned, one.Type+" "+one.Reason)
				g.Expect(one.Note).To(Equal("restart@1: do something else"))
			}
		}
		if event == "" {
			g.Expect(warned).To(BeEmpty())
			continue
		}
		g.Expect(warned).To(Equal([]string{event}))
		h.inState(compute.StateRunning)
		g.Expect(h.allEvents()).To(BeEmpty(), "it is one event")
	}
}

func TestEveryRefusedRequestIsAnEvent(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	h := newHistory().created().inState(compute.StateRunning)
	for _, value := range []string{"restart@1", "restart@2"} {
		request := v1alpha1.RequestStatus{Value: value, Phase: v1alpha1.RequestRefused, Message: "m"}
		h.report(Input{Observed: h.input.Observed, Plan: plan.Plan{Step: plan.AcknowledgeRequest{Request: request}}, Outcome: Outcome{Ran: true}})
		g.Expect(h.allEvents()).To(ConsistOf(And(HaveField("Reason", managed.EventRequestRefused), HaveField("Note", value+": m"))))
	}
}

func TestARequestIsStoredOnceItsStepSucceeded(t *testing.T) {
	t.Parallel()
	later := &managed.Failure{Class: databricks.ClassTransient, Message: "later"}
	for name, row := range map[string]struct {
		outcome Outcome
		stored  bool
	}{"it waits": {Outcome{}, false}, "it failed": {Outcome{Ran: true, Failure: later}, false}, "it succeeded": {Outcome{Ran: true}, true}} {
		h := newHistory().created().inState(compute.StateRunning)
		request := &v1alpha1.RequestStatus{Value: "restart@1", Phase: v1alpha1.RequestInProgress}
		h.report(Input{Observed: h.input.Observed, Plan: plan.Plan{Step: plan.Restart{ClusterID: clusterID}, Request: request}, Outcome: row.outcome})
		NewWithT(t).Expect(h.cluster.Status.Request != nil).To(Equal(row.stored), name)
	}
}
