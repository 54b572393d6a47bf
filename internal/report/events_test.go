package report

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

func TestTransitionsAreTold(t *testing.T) {
	leaving := func(h *history, world plan.Observation) *history {
		h.cluster.DeletionTimestamp = new(metav1.NewTime(noon))
		world.Host = host
		return h.tell(Input{Observed: world, Plan: plan.Plan{Step: plan.RemoveFinalizer{ClusterID: h.cluster.Status.ClusterID}}, Outcome: Outcome{Ran: true}})
	}
	throttled := plan.Plan{Step: plan.Create{}, Verdict: plan.Verdict{Reason: v1alpha1.ReasonCreating, Message: "m"}}
	tooMany := Outcome{Ran: true, Refused: true, Failure: &plan.Failure{Class: databricks.ClassThrottled, Message: "slow down"}}
	for name, row := range map[string]struct {
		history *history
		events  []string
	}{
		"[case-01] created":             {newHistory().created(), []string{EventCreated}},
		"[case-55] adopted":             {newHistory().edited(adopt).tell(Input{Plan: plan.Plan{Step: plan.StoreClusterID{ClusterID: clusterID, Source: plan.AdoptedBySpec}}, Outcome: Outcome{Ran: true}}), []string{EventAdopted}},
		"up":                            {newHistory().created().sees("PENDING").sees("RUNNING"), []string{EventStarted}},
		"resized, and up all the time":  {newHistory().created().sees("RUNNING").sees("RESIZING").sees("RUNNING"), []string{}},
		"[case-27] ended by inactivity": {newHistory().created().sees("RUNNING").sees("TERMINATED", idle), []string{EventAutoTerminated}},
		"[case-27] ended by inactivity before a look":   {newHistory().created().sees("TERMINATED", idle), []string{}},
		"[case-32] the launch failed":                   {newHistory().created().sees("PENDING").sees("TERMINATED", neverRan, badScript), []string{v1alpha1.ReasonStartFailed}},
		"[case-32] the launch has failed":               {newHistory().created().sees("TERMINATED", neverRan, badScript).sees("TERMINATED", neverRan, badScript), []string{}},
		"[case-36] suspended":                           {newHistory().created().sees("RUNNING").edited(suspend).sees("RUNNING"), []string{EventSuspended}},
		"[case-36] resumed":                             {newHistory().created().sees("RUNNING").edited(suspend).sees("RUNNING").edited(resume).sees("RUNNING"), []string{EventResumed}},
		"[case-40] deleted":                             {leaving(newHistory().created().sees("RUNNING"), plan.Observation{Presence: plan.Missing}), []string{EventDeleted}},
		"[case-42] retained":                            {leaving(newHistory().created().sees("RUNNING"), plan.Observation{}), []string{EventRetained}},
		"[case-45] nothing to delete":                   {leaving(newHistory(), plan.Observation{}), []string{}},
		"[case-08] throttled":                           {newHistory().tell(Input{Observed: plan.Observation{Host: host}, Plan: throttled, Outcome: tooMany}), []string{v1alpha1.ReasonRateLimited}},
		"[case-08] throttled still":                     {newHistory().tell(Input{Observed: plan.Observation{Host: host}, Plan: throttled, Outcome: tooMany}).tell(Input{Observed: plan.Observation{Host: host}, Plan: throttled, Outcome: tooMany}), []string{}},
		"a step that had no turn":                       {newHistory().tell(Input{Observed: plan.Observation{Host: host}, Plan: throttled}), []string{}},
		"another reason to be stalled":                  {newHistory().created().sees("RUNNING").world(plan.Observation{Host: "https://b"}).edited(adopt).world(plan.Observation{ManagedBy: "team/a"}), []string{v1alpha1.ReasonAlreadyManaged}},
		"nothing new":                                   {newHistory().created().sees("RUNNING").sees("RUNNING"), []string{}},
		"[case-58] nothing that a person has to attend": {newHistory().world(plan.Observation{Blocked: &plan.Blocked{Reason: v1alpha1.ReasonCredentialsNotReady, Message: "m"}}), []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(row.history.events()).To(ConsistOf(row.events))
			for _, event := range row.history.told() {
				g.Expect(event.Type).To(BeElementOf("Normal", "Warning"))
				g.Expect(event.Action).NotTo(BeEmpty())
				g.Expect(event.Note).NotTo(BeEmpty())
			}
		})
	}
}

func TestEveryStepHasItsEventOrNone(t *testing.T) {
	for _, kind := range plan.StepKinds() {
		NewWithT(t).Expect(stepEvents).To(HaveKey(kind))
	}
	NewWithT(t).Expect(stepEvents).To(HaveLen(len(plan.StepKinds())))
}
