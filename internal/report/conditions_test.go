package report

import (
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/plan"
	"github.com/databricks-operator/databricks-operator/test/conformance"
)

func suspend(s *v1alpha1.DatabricksClusterSpec) { s.Suspend = true }
func resume(s *v1alpha1.DatabricksClusterSpec)  { s.Suspend = false }
func adopt(s *v1alpha1.DatabricksClusterSpec)   { s.ClusterID = clusterID }
func keepTerminated(s *v1alpha1.DatabricksClusterSpec) {
	s.RunPolicy = v1alpha1.RunPolicyTerminated
}

func observe(s *v1alpha1.DatabricksClusterSpec) {
	adopt(s)
	s.ManagementPolicy = v1alpha1.ManagementPolicyObserve
}

var (
	badScript = ended(compute.TerminationReasonCodeInitScriptFailure, compute.TerminationReasonTypeClientError)
	stockout  = ended(compute.TerminationReasonCodeCloudProviderResourceStockout, compute.TerminationReasonTypeCloudFailure)
	idle      = ended(compute.TerminationReasonCodeInactivity, compute.TerminationReasonTypeSuccess)
	silent    = plan.Observation{ReadFailure: &plan.Failure{Class: databricks.ClassTransient, Message: "no answer"}}
)

func TestReady(t *testing.T) {
	trouble := func(reason string, stalled bool) plan.Observation {
		return plan.Observation{Blocked: &plan.Blocked{Reason: reason, Message: "m", Stalled: stalled}}
	}
	for name, row := range map[string]struct {
		history *history
		ready   string
	}{
		"[case-01] asked for":                           {newHistory().created(), "False Reconciling Creating"},
		"[case-01] launching":                           {newHistory().created().sees("PENDING", neverRan), "False Reconciling Creating"},
		"running":                                       {newHistory().created().sees("RUNNING"), "True Running"},
		"resizing":                                      {newHistory().created().sees("RESIZING"), "True Running"},
		"restarting":                                    {newHistory().created().sees("RUNNING").sees("RESTARTING"), "False Reconciling Restarting"},
		"being stopped":                                 {newHistory().created().sees("RUNNING").sees("TERMINATING"), "False Reconciling Terminating"},
		"[case-27] ended by inactivity":                 {newHistory().created().sees("RUNNING").sees("TERMINATED", idle), "True TerminatedNormally"},
		"[case-28] kept terminated by runPolicy":        {newHistory().created().sees("RUNNING").edited(keepTerminated).sees("TERMINATED"), "True TerminatedByRunPolicy"},
		"[case-27] ended without a reason":              {newHistory().created().sees("RUNNING").sees("TERMINATED"), "True TerminatedNormally"},
		"[case-32] the launch failed":                   {newHistory().created().sees("PENDING", neverRan).sees("TERMINATED", neverRan, badScript), "False Stalled StartFailed"},
		"[case-32] the launch failed, TERMINATING seen": {newHistory().created().sees("PENDING", neverRan).sees("TERMINATING", neverRan).sees("TERMINATED", neverRan, badScript), "False Stalled StartFailed"},
		"[case-32] the launch failed before a look":     {newHistory().created().sees("TERMINATED", neverRan, stockout), "False Stalled StartFailed"},
		"[case-32] a later launch failed":               {newHistory().created().sees("RUNNING").sees("TERMINATED", idle).sees("PENDING").sees("TERMINATED", stockout), "False Stalled StartFailed"},
		"[case-32] a later launch failed, slowly":       {newHistory().created().sees("TERMINATED", idle).sees("PENDING").sees("TERMINATING").sees("TERMINATING").sees("TERMINATED", stockout), "False Stalled StartFailed"},
		"[case-32] a launch that failed stays so":       {newHistory().created().sees("PENDING").sees("TERMINATED", stockout).sees("TERMINATED", stockout).sees("TERMINATED", stockout), "False Stalled StartFailed"},
		"a launch that passes through TERMINATING":      {newHistory().created().sees("PENDING").sees("TERMINATING"), "False Reconciling Starting"},
		"a launch that a person ends":                   {newHistory().created().sees("PENDING").sees("TERMINATING").sees("TERMINATED", idle), "True TerminatedNormally"},
		"died":                                          {newHistory().created().sees("RUNNING").sees("TERMINATED", stockout), "False Stalled TerminatedUnexpectedly"},
		"died, TERMINATING seen":                        {newHistory().created().sees("RUNNING").sees("TERMINATING").sees("TERMINATED", stockout), "False Stalled TerminatedUnexpectedly"},
		"died while it restarted":                       {newHistory().created().sees("RUNNING").sees("RESTARTING").sees("TERMINATED", stockout), "False Stalled TerminatedUnexpectedly"},
		"[case-55] adopted when long dead":              {newHistory().edited(adopt).world(plan.Observation{}).sees("TERMINATED", stockout), "False Stalled TerminatedUnexpectedly"},
		"[case-34] an ERROR of old":                     {newHistory().created().sees("ERROR"), "False Stalled TerminatedUnexpectedly"},
		"[case-34] a state that is not known":           {newHistory().created().sees("FROZEN"), "False Reconciling UnknownState"},
		"[case-34] an end that is not known":            {newHistory().created().sees("RUNNING").sees("TERMINATED", ended("NEW", "NEW")), "False Stalled TerminatedUnexpectedly"},
		"[case-56] observed":                            {newHistory().edited(observe).sees("RUNNING"), "True Observed"},
		"[case-56] observed while it launches":          {newHistory().edited(observe).sees("PENDING").sees("PENDING"), "True Observed"},
		"[case-56] observed when dead":                  {newHistory().edited(observe).sees("TERMINATED", stockout), "True Observed"},
		"[case-55] adopted while it launches":           {newHistory().edited(adopt).sees("PENDING"), "False Reconciling Starting"},
		"[case-36] suspended when new":                  {newHistory().edited(suspend).world(plan.Observation{}), "False Suspended"},
		"[case-36] suspended when running":              {newHistory().created().sees("RUNNING").edited(suspend).sees("RUNNING"), "True Running"},
		"[case-36] suspended while it launches":         {newHistory().created().edited(suspend).sees("PENDING", neverRan), "False Reconciling Creating"},
		"[case-36] suspended, deleted elsewhere":        {newHistory().created().sees("RUNNING").edited(suspend).world(plan.Observation{Presence: plan.Missing}), "False Suspended"},
		"[case-37] purged while idle":                   {purged(newHistory().created().sees("TERMINATED", idle)), "True Purged"},
		"[case-58] the Secret is missing":               {newHistory().world(trouble(v1alpha1.ReasonCredentialsNotReady, false)), "False Reconciling CredentialsNotReady"},
		"[case-58] the Secret is missing for long":      {newHistory().world(trouble(v1alpha1.ReasonCredentialsInvalid, true)), "False Stalled CredentialsInvalid"},
		"[case-57] the host changed":                    {newHistory().created().world(plan.Observation{Host: "https://other"}), "False Stalled HostChanged"},
		"the workspace is silent for a moment":          {newHistory().created().sees("RUNNING").world(since(silent, time.Second)), "True Running"},
		"the workspace is silent for long":              {newHistory().created().sees("RUNNING").world(since(silent, time.Hour)), "False Reconciling RetryingAfterError"},
		"not looked at since the operator started":      {newHistory().created().sees("RUNNING").world(plan.Observation{}), "True Running"},
		"not looked at, and of a new generation":        {newHistory().created().sees("RUNNING").edited(resume).world(plan.Observation{}), "False Reconciling Updating"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(row.history.readiness()).To(Equal(row.ready))
			g.Expect(conformance.BrokenRules(row.history.cluster)).To(BeEmpty())
		})
	}
}

// since has reads fail for so long.
func since(world plan.Observation, ago time.Duration) plan.Observation {
	world.ReadFailingSince = noon.Add(-ago)
	if ago < time.Minute {
		world.ReadFailingSince = noon.Add(time.Hour)
	}
	return world
}

// purged is a round in which the plan leaves a purged cluster alone.
func purged(h *history) *history {
	return h.tell(Input{Observed: plan.Observation{Host: host, Presence: plan.Purged}})
}

func TestAFailedStepIsToldUntilItsNextTurnIsOver(t *testing.T) {
	create := plan.Plan{Step: plan.Create{}, Verdict: plan.Verdict{Reason: v1alpha1.ReasonCreating, Message: "the cluster is being created"}}
	refused := Outcome{Ran: true, Refused: true, Failure: &plan.Failure{Class: databricks.ClassInvalid, Message: "INVALID: no"}}
	world := plan.Observation{Host: host}
	g := NewWithT(t)
	h := newHistory().tell(Input{Observed: world, Plan: create, Outcome: refused})
	g.Expect(h.readiness()).To(Equal("False Stalled InvalidSpec"), "[case-07]")
	told := h.last.Status
	h.tell(Input{Observed: world, Plan: plan.Plan{Verdict: refused.Failure.Verdict()}})
	g.Expect(h.last.Status).To(Equal(told), "while it is held back")
	h.tell(Input{Observed: world, Plan: create})
	g.Expect(h.last.Status).To(Equal(told), "while it waits for its turn")
	h.edited(resume).tell(Input{Observed: world, Plan: create})
	g.Expect(h.readiness()).To(Equal("False Reconciling Creating"), "once the spec is changed")
	h.tell(Input{Observed: world, Plan: create, Outcome: refused}).tell(Input{Observed: world, Plan: create, Outcome: Outcome{Ran: true, Created: clusterID}})
	g.Expect(h.readiness()).To(Equal("False Reconciling Creating"), "once it went well")
}

func TestADeletionThatFailsSaysTheWayOutAtOnce(t *testing.T) {
	g := NewWithT(t)
	h := newHistory().created().sees("RUNNING")
	h.cluster.DeletionTimestamp = new(metav1.NewTime(noon))
	h.cluster.Generation++
	failure := &plan.Failure{Class: databricks.ClassForbidden, Message: "PERMISSION_DENIED: no"}
	h.tell(Input{Observed: plan.Observation{Host: host}, Plan: plan.Plan{Step: plan.PermanentDelete{}}, Outcome: Outcome{Ran: true, Failure: failure}})
	g.Expect(h.readiness()).To(Equal("False Stalled DeletionBlocked"), "[case-44]")
	g.Expect(h.condition(v1alpha1.ConditionStalled).Message).To(ContainSubstring("deletionPolicy: Retain"), "[case-44]")
	g.Expect(h.events()).To(ConsistOf(v1alpha1.ReasonDeletionBlocked))
}

func TestSynced(t *testing.T) {
	differs := plan.Observation{
		Presence: plan.Present, Compared: true, Desired: desired,
		Details:     &compute.ClusterDetails{ClusterId: clusterID, State: "RUNNING", SparkContextId: 7},
		Differences: []drift.Difference{{Path: "/num_workers", Field: "num_workers", Desired: 2.0, Actual: 3.0, Size: true}},
	}
	throttled := plan.Observation{ReadFailure: &plan.Failure{Class: databricks.ClassThrottled, Message: "slow down"}}
	for name, row := range map[string]struct {
		history *history
		status  metav1.ConditionStatus
		reason  string
	}{
		"as declared":                           {newHistory().created().sees("RUNNING"), metav1.ConditionTrue, v1alpha1.ReasonInSync},
		"not seen yet":                          {newHistory().created(), metav1.ConditionUnknown, v1alpha1.ReasonNotCompared},
		"gone":                                  {newHistory().created().sees("RUNNING").world(plan.Observation{Presence: plan.Missing}), metav1.ConditionUnknown, v1alpha1.ReasonNotCompared},
		"[case-21] changed elsewhere":           {newHistory().created().sees("RUNNING").tell(Input{Observed: differs}), metav1.ConditionFalse, v1alpha1.ReasonDriftDetected},
		"the workspace is silent":               {newHistory().created().sees("RUNNING").world(since(silent, 0)), metav1.ConditionUnknown, v1alpha1.ReasonAPIUnavailable},
		"[case-08] the workspace throttles":     {newHistory().created().sees("RUNNING").world(since(throttled, 0)), metav1.ConditionUnknown, v1alpha1.ReasonRateLimited},
		"not looked at since the operator woke": {newHistory().created().sees("RUNNING").world(plan.Observation{}), metav1.ConditionTrue, v1alpha1.ReasonInSync},
		"of another generation":                 {newHistory().created().sees("RUNNING").edited(resume).world(plan.Observation{}), metav1.ConditionUnknown, v1alpha1.ReasonNotCompared},
		"without credentials":                   {newHistory().created().sees("RUNNING").world(plan.Observation{Blocked: &plan.Blocked{Reason: v1alpha1.ReasonCredentialsNotReady}}), metav1.ConditionUnknown, v1alpha1.ReasonNotCompared},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			synced := row.history.condition(v1alpha1.ConditionSynced)
			g.Expect(synced.Status).To(Equal(row.status))
			g.Expect(synced.Reason).To(Equal(row.reason))
			g.Expect(conformance.BrokenRules(row.history.cluster)).To(BeEmpty())
		})
	}
}

func TestRunningAndSuspendedSayWhatIsSo(t *testing.T) {
	g := NewWithT(t)
	h := newHistory().created()
	g.Expect(h.condition(v1alpha1.ConditionRunning).Message).To(Equal("there is no cluster"))
	for state, runs := range map[compute.State]metav1.ConditionStatus{
		"RUNNING": metav1.ConditionTrue, "RESIZING": metav1.ConditionTrue, "PENDING": metav1.ConditionFalse, "RESTARTING": metav1.ConditionFalse,
		"TERMINATED": metav1.ConditionFalse, "FROZEN": metav1.ConditionFalse,
	} {
		g.Expect(h.sees(state).condition(v1alpha1.ConditionRunning).Status).To(Equal(runs), "%s", state)
	}
	g.Expect(h.condition(v1alpha1.ConditionSuspended)).To(BeNil())
	g.Expect(h.edited(suspend).sees("RUNNING").condition(v1alpha1.ConditionSuspended).Status).To(Equal(metav1.ConditionTrue), "[case-36]")
	g.Expect(h.edited(resume).sees("RUNNING").condition(v1alpha1.ConditionSuspended)).To(BeNil(), "[case-36]")
}
