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
	"github.com/databricks-operator/databricks-operator/internal/managed"
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
	badScript  = ended(compute.TerminationReasonCodeInitScriptFailure, compute.TerminationReasonTypeClientError)
	stockout   = ended(compute.TerminationReasonCodeCloudProviderResourceStockout, compute.TerminationReasonTypeCloudFailure)
	idle       = ended(compute.TerminationReasonCodeInactivity, compute.TerminationReasonTypeSuccess)
	unanswered = plan.Observation{ReadFailure: &managed.Failure{Class: databricks.ClassTransient, Message: "no answer"}}
)

func TestReady(t *testing.T) {
	blocked := func(reason string, stalled bool) plan.Observation {
		return plan.Observation{Blocked: &managed.Blocked{Reason: reason, Message: "m", Stalled: stalled}}
	}
	for name, row := range map[string]struct {
		history *history
		ready   string
	}{
		"[case-01] asked for":                               {newHistory().created(), "False Reconciling Creating"},
		"[case-01] launching":                               {newHistory().created().inState("PENDING", neverRan), "False Reconciling Creating"},
		"running":                                           {newHistory().created().inState("RUNNING"), "True Running"},
		"resizing":                                          {newHistory().created().inState("RESIZING"), "True Running"},
		"restarting":                                        {newHistory().created().inState("RUNNING").inState("RESTARTING"), "False Reconciling Restarting"},
		"being stopped":                                     {newHistory().created().inState("RUNNING").inState("TERMINATING"), "False Reconciling Terminating"},
		"[case-27] ended by inactivity":                     {newHistory().created().inState("RUNNING").inState("TERMINATED", idle), "True TerminatedNormally"},
		"[case-28] kept terminated by runPolicy":            {newHistory().created().inState("RUNNING").edited(keepTerminated).inState("TERMINATED"), "True TerminatedByRunPolicy"},
		"[case-27] ended without a reason":                  {newHistory().created().inState("RUNNING").inState("TERMINATED"), "True TerminatedNormally"},
		"[case-32] the launch failed":                       {newHistory().created().inState("PENDING", neverRan).inState("TERMINATED", neverRan, badScript), "False Stalled StartFailed"},
		"[case-32] the launch failed, TERMINATING seen":     {newHistory().created().inState("PENDING", neverRan).inState("TERMINATING", neverRan).inState("TERMINATED", neverRan, badScript), "False Stalled StartFailed"},
		"[case-32] the launch failed before the first read": {newHistory().created().inState("TERMINATED", neverRan, stockout), "False Stalled StartFailed"},
		"[case-32] a later launch failed":                   {newHistory().created().inState("RUNNING").inState("TERMINATED", idle).inState("PENDING").inState("TERMINATED", stockout), "False Stalled StartFailed"},
		"[case-32] a later launch failed, slowly":           {newHistory().created().inState("TERMINATED", idle).inState("PENDING").inState("TERMINATING").inState("TERMINATING").inState("TERMINATED", stockout), "False Stalled StartFailed"},
		"[case-32] a failed launch stays failed":            {newHistory().created().inState("PENDING").inState("TERMINATED", stockout).inState("TERMINATED", stockout).inState("TERMINATED", stockout), "False Stalled StartFailed"},
		"a launch that passes through TERMINATING":          {newHistory().created().inState("PENDING").inState("TERMINATING"), "False Reconciling Starting"},
		"a launch that a user terminates":                   {newHistory().created().inState("PENDING").inState("TERMINATING").inState("TERMINATED", idle), "True TerminatedNormally"},
		"terminated by a failure":                           {newHistory().created().inState("RUNNING").inState("TERMINATED", stockout), "False Stalled TerminatedUnexpectedly"},
		"terminated by a failure, TERMINATING seen":         {newHistory().created().inState("RUNNING").inState("TERMINATING").inState("TERMINATED", stockout), "False Stalled TerminatedUnexpectedly"},
		"terminated by a failure during a restart":          {newHistory().created().inState("RUNNING").inState("RESTARTING").inState("TERMINATED", stockout), "False Stalled TerminatedUnexpectedly"},
		"[case-55] adopted after a failure":                 {newHistory().edited(adopt).observing(plan.Observation{}).inState("TERMINATED", stockout), "False Stalled TerminatedUnexpectedly"},
		"[case-34] the state ERROR":                         {newHistory().created().inState("ERROR"), "False Stalled TerminatedUnexpectedly"},
		"[case-34] ERROR, and kept terminated by runPolicy": {newHistory().created().edited(keepTerminated).inState("ERROR"), "False Stalled TerminatedUnexpectedly"},
		"[case-34] the state ERROR of a new cluster":        {newHistory().created().inState("ERROR", neverRan), "False Stalled TerminatedUnexpectedly"},
		"[case-34] an unknown state":                        {newHistory().created().inState("FROZEN"), "False Reconciling UnknownState"},
		"[case-34] an unknown reason of termination":        {newHistory().created().inState("RUNNING").inState("TERMINATED", ended("NEW", "NEW")), "False Stalled TerminatedUnexpectedly"},
		"[case-56] observed":                                {newHistory().edited(observe).inState("RUNNING"), "True Observed"},
		"[case-56] observed while it launches":              {newHistory().edited(observe).inState("PENDING").inState("PENDING"), "True Observed"},
		"[case-56] observed after a failure":                {newHistory().edited(observe).inState("TERMINATED", stockout), "True Observed"},
		"[case-55] adopted while it launches":               {newHistory().edited(adopt).inState("PENDING"), "False Reconciling Starting"},
		"[case-36] suspended when new":                      {newHistory().edited(suspend).observing(plan.Observation{}), "False Suspended"},
		"[case-36] suspended when running":                  {newHistory().created().inState("RUNNING").edited(suspend).inState("RUNNING"), "True Running"},
		"[case-36] suspended while it launches":             {newHistory().created().edited(suspend).inState("PENDING", neverRan), "False Reconciling Creating"},
		"[case-36] suspended, deleted elsewhere":            {newHistory().created().inState("RUNNING").edited(suspend).observing(plan.Observation{Presence: managed.Missing}), "False Suspended"},
		"[case-37] purged while idle":                       {purged(newHistory().created().inState("TERMINATED", idle)), "True Purged"},
		"[case-58] the Secret is missing":                   {newHistory().observing(blocked(v1alpha1.ReasonCredentialsNotReady, false)), "False Reconciling CredentialsNotReady"},
		"[case-58] the Secret is missing for long":          {newHistory().observing(blocked(v1alpha1.ReasonCredentialsInvalid, true)), "False Stalled CredentialsInvalid"},
		"[case-57] the host changed":                        {newHistory().created().observing(plan.Observation{Host: "https://other"}), "False Stalled HostChanged"},
		"the workspace fails for a moment":                  {newHistory().created().inState("RUNNING").observing(failingFor(unanswered, time.Second)), "True Running"},
		"the workspace fails for long":                      {newHistory().created().inState("RUNNING").observing(failingFor(unanswered, time.Hour)), "False Reconciling RetryingAfterError"},
		"not read since the operator started":               {newHistory().created().inState("RUNNING").observing(plan.Observation{}), "True Running"},
		"not read, and of a new generation":                 {newHistory().created().inState("RUNNING").edited(resume).observing(plan.Observation{}), "False Reconciling Updating"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(row.history.readiness()).To(Equal(row.ready))
			g.Expect(conformance.BrokenRules(row.history.cluster)).To(BeEmpty())
		})
	}
}

func TestATerminationIsReportedInTheWordsOfDatabricks(t *testing.T) {
	silent := func(c *compute.ClusterDetails) { c.StateMessage = "" }
	for name, row := range map[string]struct {
		history *history
		message string
	}{
		"[case-32] the launch failed":        {newHistory().created().inState("TERMINATED", neverRan, badScript), "INIT_SCRIPT_FAILURE (CLIENT_ERROR): why"},
		"terminated by a failure":            {newHistory().created().inState("RUNNING").inState("TERMINATED", stockout), "CLOUD_PROVIDER_RESOURCE_STOCKOUT (CLOUD_FAILURE): why"},
		"without a message":                  {newHistory().created().inState("RUNNING").inState("TERMINATED", stockout, silent), "CLOUD_PROVIDER_RESOURCE_STOCKOUT (CLOUD_FAILURE)"},
		"[case-34] the state ERROR":          {newHistory().created().inState("ERROR"), "why"},
		"[case-34] ERROR, without a message": {newHistory().created().inState("ERROR", silent), "the cluster is ERROR"},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(row.history.condition(v1alpha1.ConditionStalled).Message).To(Equal(row.message))
		})
	}
}

// failingFor returns an observation whose reads have failed for some time.
func failingFor(observed plan.Observation, ago time.Duration) plan.Observation {
	observed.ReadFailingSince = noon.Add(-ago)
	if ago < time.Minute {
		observed.ReadFailingSince = noon.Add(time.Hour)
	}
	return observed
}

// purged reports a purged cluster for which nothing is planned.
func purged(h *history) *history {
	return h.report(Input{Observed: plan.Observation{Host: host, Presence: managed.Purged}})
}

func TestAFailedStepIsReportedUntilItIsRetried(t *testing.T) {
	create := plan.Plan{Step: plan.Create{}, Verdict: managed.Verdict{Reason: v1alpha1.ReasonCreating, Message: "the cluster is being created"}}
	refused := Outcome{Ran: true, Refused: true, Failure: &managed.Failure{Class: databricks.ClassInvalid, Message: "INVALID: no"}}
	observed := plan.Observation{Host: host}
	g := NewWithT(t)
	h := newHistory().report(Input{Observed: observed, Plan: create, Outcome: refused})
	g.Expect(h.readiness()).To(Equal("False Stalled InvalidSpec"), "[case-07]")
	shownBefore := h.last.Status
	h.report(Input{Observed: observed, Plan: plan.Plan{Verdict: refused.Failure.Verdict()}})
	g.Expect(h.last.Status).To(Equal(shownBefore), "during its backoff")
	h.report(Input{Observed: observed, Plan: create})
	g.Expect(h.last.Status).To(Equal(shownBefore), "while the retry waits")
	h.edited(resume).report(Input{Observed: observed, Plan: create})
	g.Expect(h.readiness()).To(Equal("False Reconciling Creating"), "once the spec is changed")
	h.report(Input{Observed: observed, Plan: create, Outcome: refused}).report(Input{Observed: observed, Plan: create, Outcome: Outcome{Ran: true, Created: clusterID}})
	g.Expect(h.readiness()).To(Equal("False Reconciling Creating"), "once it succeeded")
}

func TestAFailedDeletionReportsTheRemedyImmediately(t *testing.T) {
	g := NewWithT(t)
	h := newHistory().created().inState("RUNNING")
	h.cluster.DeletionTimestamp = new(metav1.NewTime(noon))
	h.cluster.Generation++
	failure := &managed.Failure{Class: databricks.ClassForbidden, Message: "PERMISSION_DENIED: no"}
	h.report(Input{Observed: plan.Observation{Host: host}, Plan: plan.Plan{Step: plan.PermanentDelete{}}, Outcome: Outcome{Ran: true, Failure: failure}})
	g.Expect(h.readiness()).To(Equal("False Stalled DeletionBlocked"), "[case-44]")
	g.Expect(h.condition(v1alpha1.ConditionStalled).Message).To(ContainSubstring("deletionPolicy: Retain"), "[case-44]")
	g.Expect(h.events()).To(ConsistOf(v1alpha1.ReasonDeletionBlocked))
}

func TestSynced(t *testing.T) {
	differs := plan.Observation{
		Presence: managed.Present, Compared: true, Desired: desired,
		Details:     &compute.ClusterDetails{ClusterId: clusterID, State: "RUNNING", SparkContextId: 7},
		Differences: []drift.Difference{{Path: "/num_workers", Field: "num_workers", Desired: 2.0, Actual: 3.0, Size: true}},
	}
	throttled := plan.Observation{ReadFailure: &managed.Failure{Class: databricks.ClassThrottled, Message: "slow down"}}
	for name, row := range map[string]struct {
		history *history
		status  metav1.ConditionStatus
		reason  string
	}{
		"as declared":                         {newHistory().created().inState("RUNNING"), metav1.ConditionTrue, v1alpha1.ReasonInSync},
		"not read yet":                        {newHistory().created(), metav1.ConditionUnknown, v1alpha1.ReasonNotCompared},
		"missing":                             {newHistory().created().inState("RUNNING").observing(plan.Observation{Presence: managed.Missing}), metav1.ConditionUnknown, v1alpha1.ReasonNotCompared},
		"[case-21] changed elsewhere":         {newHistory().created().inState("RUNNING").report(Input{Observed: differs}), metav1.ConditionFalse, v1alpha1.ReasonDriftDetected},
		"the workspace fails":                 {newHistory().created().inState("RUNNING").observing(failingFor(unanswered, 0)), metav1.ConditionUnknown, v1alpha1.ReasonAPIUnavailable},
		"[case-08] the workspace throttles":   {newHistory().created().inState("RUNNING").observing(failingFor(throttled, 0)), metav1.ConditionUnknown, v1alpha1.ReasonRateLimited},
		"not read since the operator started": {newHistory().created().inState("RUNNING").observing(plan.Observation{}), metav1.ConditionTrue, v1alpha1.ReasonInSync},
		"of another generation":               {newHistory().created().inState("RUNNING").edited(resume).observing(plan.Observation{}), metav1.ConditionUnknown, v1alpha1.ReasonNotCompared},
		"without credentials":                 {newHistory().created().inState("RUNNING").observing(plan.Observation{Blocked: &managed.Blocked{Reason: v1alpha1.ReasonCredentialsNotReady}}), metav1.ConditionUnknown, v1alpha1.ReasonNotCompared},
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

func TestSyncedOfAnObjectThatIsBeingDeleted(t *testing.T) {
	deleting := func(h *history) *history {
		h.cluster.DeletionTimestamp = new(metav1.NewTime(noon))
		h.cluster.Generation++
		return h
	}
	running := &compute.ClusterDetails{ClusterId: clusterID, State: compute.StateRunning, SparkContextId: 7}
	differs := []drift.Difference{{Path: "/num_workers", Field: "num_workers", Desired: 2.0, Actual: 3.0, Size: true}}
	for name, row := range map[string]struct {
		history  *history
		observed plan.Observation
		reason   string
	}{
		"[case-40] it differs":          {newHistory().created().inState("RUNNING"), plan.Observation{Presence: managed.Present, Details: running, Differences: differs}, v1alpha1.ReasonDriftDetected},
		"[case-40] it is not read":      {newHistory().created().inState("RUNNING"), plan.Observation{}, v1alpha1.ReasonInSync},
		"[case-40] it is gone":          {newHistory().created().inState("RUNNING"), plan.Observation{Presence: managed.Missing}, v1alpha1.ReasonInSync},
		"[case-45] it was never read":   {newHistory().created(), plan.Observation{}, v1alpha1.ReasonNotCompared},
		"[case-45] it was not reported": {newHistory(), plan.Observation{}, v1alpha1.ReasonNotCompared},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			h := deleting(row.history).observing(row.observed)
			g.Expect(h.condition(v1alpha1.ConditionSynced).Reason).To(Equal(row.reason))
			g.Expect(conformance.BrokenRules(h.cluster)).To(BeEmpty())
		})
	}
}

func TestAnEditIsNotReadyBeforeItIsCompared(t *testing.T) {
	for name, row := range map[string]struct {
		history *history
		edit    func(*v1alpha1.DatabricksClusterSpec)
	}{
		"managed":            {newHistory().created().inState("RUNNING"), resume},
		"[case-56] observed": {newHistory().edited(observe).inState("RUNNING").inState("RUNNING"), observe},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			h := row.history
			ready := h.readiness()
			observed := h.input.Observed
			observed.Compared, observed.UnconfirmedDiff = false, true
			g.Expect(h.report(Input{Observed: observed}).readiness()).To(Equal(ready), "without an edit the conditions stay")
			h.edited(row.edit).report(Input{Observed: observed})
			g.Expect(h.readiness()).To(Equal("False Reconciling Updating"))
			g.Expect(h.condition(v1alpha1.ConditionSynced).Reason).To(Equal(v1alpha1.ReasonNotCompared))
			g.Expect(conformance.BrokenRules(h.cluster)).To(BeEmpty())
		})
	}
}

func TestRunningAndSuspendedAreCurrent(t *testing.T) {
	g := NewWithT(t)
	h := newHistory().created()
	g.Expect(h.condition(v1alpha1.ConditionRunning).Message).To(Equal("there is no cluster"))
	for state, runs := range map[compute.State]metav1.ConditionStatus{
		"RUNNING": metav1.ConditionTrue, "RESIZING": metav1.ConditionTrue, "PENDING": metav1.ConditionFalse, "RESTARTING": metav1.ConditionFalse,
		"TERMINATED": metav1.ConditionFalse, "FROZEN": metav1.ConditionFalse,
	} {
		g.Expect(h.inState(state).condition(v1alpha1.ConditionRunning).Status).To(Equal(runs), "%s", state)
	}
	g.Expect(h.condition(v1alpha1.ConditionSuspended)).To(BeNil())
	g.Expect(h.edited(suspend).inState("RUNNING").condition(v1alpha1.ConditionSuspended).Status).To(Equal(metav1.ConditionTrue), "[case-36]")
	g.Expect(h.edited(resume).inState("RUNNING").condition(v1alpha1.ConditionSuspended)).To(BeNil(), "[case-36]")
}
