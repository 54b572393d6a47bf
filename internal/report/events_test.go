package report

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

func TestTransitionsHaveEvents(t *testing.T) {
	deleted := func(h *history, observed plan.Observation) *history {
		h.cluster.DeletionTimestamp = new(metav1.NewTime(noon))
		observed.Host = host
		return h.report(Input{Observed: observed, Plan: plan.Plan{Step: plan.RemoveFinalizer{ClusterID: h.cluster.Status.ClusterID}}, Outcome: Outcome{Ran: true}})
	}
	throttled := plan.Plan{Step: plan.Create{}, Verdict: managed.Verdict{Reason: v1alpha1.ReasonCreating, Message: "m"}}
	tooMany := Outcome{Ran: true, Refused: true, Failure: &managed.Failure{Class: databricks.ClassThrottled, Message: "slow down"}}
	for name, row := range map[string]struct {
		history *history
		events  []string
	}{
		"[case-01] created":                               {newHistory().created(), []string{managed.EventCreated}},
		"[case-55] adopted":                               {newHistory().edited(adopt).report(Input{Plan: plan.Plan{Step: plan.StoreClusterID{ClusterID: clusterID, Source: plan.AdoptedBySpec}}, Outcome: Outcome{Ran: true}}), []string{managed.EventAdopted}},
		"[case-27] it is ended by inactivity":             {newHistory().created().inState("RUNNING").inState("TERMINATING", idle), []string{}},
		"[case-27] ended by inactivity, TERMINATING seen": {newHistory().created().inState("RUNNING").inState("TERMINATING", idle).inState("TERMINATED", idle), []string{EventAutoTerminated}},
		"[case-27] it has ended by inactivity":            {newHistory().created().inState("RUNNING").inState("TERMINATED", idle).inState("TERMINATED", idle), []string{}},
		"[case-40] deleted, and purged":                   {deleted(newHistory().created().inState("RUNNING"), plan.Observation{Presence: managed.Purged}), []string{managed.EventDeleted}},
		"[case-08] throttled while it is created":         {newHistory().report(Input{Observed: plan.Observation{Host: host}, Plan: throttled}).report(Input{Observed: plan.Observation{Host: host}, Plan: throttled, Outcome: tooMany}), []string{v1alpha1.ReasonRateLimited}},
		"[case-46] a new object whose pin is refused":     {newHistory().report(Input{Observed: plan.Observation{Host: host}, Plan: plan.Plan{Verdict: throttled.Verdict, Note: "no pin"}}), []string{EventPinRefused}},
		"up":                            {newHistory().created().inState("PENDING").inState("RUNNING"), []string{EventStarted}},
		"resized, and up all the time":  {newHistory().created().inState("RUNNING").inState("RESIZING").inState("RUNNING"), []string{}},
		"[case-27] ended by inactivity": {newHistory().created().inState("RUNNING").inState("TERMINATED", idle), []string{EventAutoTerminated}},
		"[case-27] ended by inactivity before the first read": {newHistory().created().inState("TERMINATED", idle), []string{}},
		"[case-32] the launch failed":                         {newHistory().created().inState("PENDING").inState("TERMINATED", neverRan, badScript), []string{v1alpha1.ReasonStartFailed}},
		"[case-32] the launch has failed":                     {newHistory().created().inState("TERMINATED", neverRan, badScript).inState("TERMINATED", neverRan, badScript), []string{}},
		"[case-36] suspended":                                 {newHistory().created().inState("RUNNING").edited(suspend).inState("RUNNING"), []string{managed.EventSuspended}},
		"[case-36] resumed":                                   {newHistory().created().inState("RUNNING").edited(suspend).inState("RUNNING").edited(resume).inState("RUNNING"), []string{managed.EventResumed}},
		"[case-40] deleted":                                   {deleted(newHistory().created().inState("RUNNING"), plan.Observation{Presence: managed.Missing}), []string{managed.EventDeleted}},
		"[case-42] retained":                                  {deleted(newHistory().created().inState("RUNNING"), plan.Observation{}), []string{managed.EventRetained}},
		"[case-45] nothing to delete":                         {deleted(newHistory(), plan.Observation{}), []string{}},
		"[case-08] throttled":                                 {newHistory().report(Input{Observed: plan.Observation{Host: host}, Plan: throttled, Outcome: tooMany}), []string{v1alpha1.ReasonRateLimited}},
		"[case-08] still throttled":                           {newHistory().report(Input{Observed: plan.Observation{Host: host}, Plan: throttled, Outcome: tooMany}).report(Input{Observed: plan.Observation{Host: host}, Plan: throttled, Outcome: tooMany}), []string{}},
		"a step that was not sent":                            {newHistory().report(Input{Observed: plan.Observation{Host: host}, Plan: throttled}), []string{}},
		"another reason to be stalled":                        {newHistory().created().inState("RUNNING").observing(plan.Observation{Host: "https://b"}).edited(adopt).observing(plan.Observation{ManagedBy: "team/a"}), []string{v1alpha1.ReasonAlreadyManaged}},
		"nothing new":                                         {newHistory().created().inState("RUNNING").inState("RUNNING"), []string{}},
		"[case-58] nothing that needs a change":               {newHistory().observing(plan.Observation{Blocked: &managed.Blocked{Reason: v1alpha1.ReasonCredentialsNotReady, Message: "m"}}), []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(row.history.events()).To(ConsistOf(row.events))
			for _, event := range row.history.allEvents() {
				g.Expect(event.Type).To(BeElementOf("Normal", "Warning"))
				g.Expect(event.Action).NotTo(BeEmpty())
				g.Expect(event.Note).NotTo(BeEmpty())
			}
		})
	}
}

func TestEveryStepHasItsEventOrNone(t *testing.T) {
	kinds := append(plan.StepKinds(), plan.StepNone)
	for _, kind := range kinds {
		NewWithT(t).Expect(stepEvents).To(HaveKey(kind))
	}
	NewWithT(t).Expect(stepEvents).To(HaveLen(len(kinds)))
}
