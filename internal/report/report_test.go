package report

import (
	"testing"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/plan"
	"github.com/databricks-operator/databricks-operator/test/conformance"
)

// acknowledging sets the request annotation and reports the reconciliation that stores it.
func (h *history) acknowledging(request string, observed plan.Observation) *history {
	h.cluster.Annotations = map[string]string{v1alpha1.AnnotationRequest: request}
	observed.Host, observed.Principal, observed.Desired = host, "me@example.com", desired
	next := plan.Make(plan.Input{Cluster: h.cluster, Observed: observed, Limits: limits, Now: h.now})
	return h.report(Input{Observed: observed, Plan: next, Outcome: Outcome{Ran: true}})
}

func TestTheAcknowledgementOfARequestReportsWhatFollows(t *testing.T) {
	running := &compute.ClusterDetails{ClusterId: clusterID, State: compute.StateRunning, SparkContextId: 7}
	edit := func(s *v1alpha1.DatabricksClusterSpec) { s.SparkVersion = "17.3.x" }
	differs := []drift.Difference{{Path: "/spark_version", Field: "spark_version", Desired: "17.3.x", Actual: "16.4.x"}}
	for name, row := range map[string]struct {
		request  string
		observed plan.Observation
		edited   bool
		ready    string
		synced   string
	}{
		"a request to reconcile":                    {"reconcile@1", plan.Observation{Presence: managed.Present, Details: running, Compared: true}, false, "True Running", v1alpha1.ReasonInSync},
		"a request to reconcile, with an edit":      {"reconcile@1", plan.Observation{Presence: managed.Present, Details: running, UnconfirmedDiff: true}, true, "False Reconciling Updating", v1alpha1.ReasonNotCompared},
		"a request to reconcile, and it differs":    {"reconcile@1", plan.Observation{Presence: managed.Present, Details: running, Compared: true, Differences: differs}, false, "True DriftTolerated", v1alpha1.ReasonDriftDetected},
		"a request to reconcile, and it is missing": {"reconcile@1", plan.Observation{Presence: managed.Missing}, false, "False Reconciling Creating", v1alpha1.ReasonNotCompared},
		"a request to restart":                      {"restart@1", plan.Observation{Presence: managed.Present, Details: running, Compared: true}, false, "False Reconciling Restarting", v1alpha1.ReasonInSync},
		"a request to restart, with an edit":        {"restart@1", plan.Observation{Presence: managed.Present, Details: running, UnconfirmedDiff: true}, true, "False Reconciling Updating", v1alpha1.ReasonNotCompared},
		"a request to terminate":                    {"terminate@1", plan.Observation{Presence: managed.Present, Details: running, Compared: true}, false, "False Reconciling Terminating", v1alpha1.ReasonInSync},
		"a request to start a cluster that is up":   {"start@1", plan.Observation{Presence: managed.Present, Details: running, Compared: true}, false, "True Running", v1alpha1.ReasonInSync},
		"a request that is refused":                 {"jump@1", plan.Observation{Presence: managed.Present, Details: running, Compared: true}, false, "True Running", v1alpha1.ReasonInSync},
		"a request that is refused, with an edit":   {"jump@1", plan.Observation{Presence: managed.Present, Details: running, UnconfirmedDiff: true}, true, "False Reconciling Updating", v1alpha1.ReasonNotCompared},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			h := newHistory().created().inState(compute.StateRunning)
			if row.edited {
				h.edited(edit)
			}
			h.acknowledging(row.request, row.observed)
			g.Expect(h.input.Plan.Kind()).To(Equal(plan.StepAcknowledgeRequest))
			g.Expect(h.readiness()).To(Equal(row.ready))
			g.Expect(h.condition(v1alpha1.ConditionSynced).Reason).To(Equal(row.synced))
			g.Expect(conformance.BrokenRules(h.cluster)).To(BeEmpty())
		})
	}
}

func TestARefusalByKubernetesIsReported(t *testing.T) {
	g := NewWithT(t)
	h := newHistory().created().inState(compute.StateRunning)
	h.report(Input{Observed: h.input.Observed, Outcome: Outcome{KubernetesRefusal: "a policy of the platform"}})
	g.Expect(h.readiness()).To(Equal("False Stalled WriteRefused"), "[case-84]")
	g.Expect(h.condition(v1alpha1.ConditionStalled).Message).To(Equal("Kubernetes refuses a change by the operator, which is tried again: a policy of the platform"))
}

func TestAFailureIsReportedUntilItsCauseIsGone(t *testing.T) {
	later := &managed.Failure{Class: databricks.ClassTransient, Message: "INTERNAL_ERROR: later"}
	updating := managed.Verdict{Reason: v1alpha1.ReasonUpdating, Message: "/sparkVersion"}
	for name, row := range map[string]struct {
		next  plan.Plan
		ready string
	}{
		"the update waits for its retry":    {plan.Plan{Step: plan.Update{ClusterID: clusterID}, Verdict: updating}, "False Reconciling RetryingAfterError"},
		"the GET of the update waits":       {plan.Plan{Step: plan.ReadSpec{}, Verdict: updating}, "False Reconciling RetryingAfterError"},
		"the status is written for another": {plan.Plan{Step: plan.PersistOwnership{}, Verdict: updating}, "False Reconciling Updating"},
		"nothing is left to do":             {plan.Plan{}, "True Running"},
		"a step that blocks no other waits": {plan.Plan{Step: plan.Pin{ClusterID: clusterID}, NonBlocking: true}, "True Running"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			h := newHistory().created().inState(compute.StateRunning)
			h.report(Input{
				Observed: h.input.Observed, Plan: plan.Plan{Step: plan.Update{ClusterID: clusterID}, Verdict: updating}, Outcome: Outcome{Ran: true, Failure: later},
			})
			g.Expect(h.readiness()).To(Equal("False Reconciling RetryingAfterError"))
			g.Expect(h.report(Input{Observed: h.input.Observed, Plan: row.next}).readiness()).To(Equal(row.ready))
		})
	}
}

func TestAFailedStepThatBlocksNoOtherDoesNotAffectReady(t *testing.T) {
	h := newHistory().created().inState(compute.StateRunning)
	h.report(Input{
		Observed: h.input.Observed, Plan: plan.Plan{Step: plan.Pin{ClusterID: clusterID}, NonBlocking: true},
		Outcome: Outcome{Ran: true, Failure: &managed.Failure{Class: databricks.ClassForbidden, Message: "PERMISSION_DENIED: no"}},
	})
	NewWithT(t).Expect(h.readiness()).To(Equal("True Running"), "[case-46]")
}

func TestAnAdoptionReportsWhatFollows(t *testing.T) {
	running := &compute.ClusterDetails{ClusterId: clusterID, State: compute.StateRunning, SparkContextId: 7}
	differs := []drift.Difference{{Path: "/num_workers", Field: "num_workers", Desired: 2.0, Actual: 3.0, Size: true}}
	for name, row := range map[string]struct {
		edit     func(*v1alpha1.DatabricksClusterSpec)
		observed plan.Observation
		ready    string
	}{
		"[case-55] it is as declared":                {adopt, plan.Observation{Compared: true}, "True Running"},
		"[case-55] it differs":                       {adopt, plan.Observation{Compared: true, Differences: differs}, "False Reconciling Resizing"},
		"[case-55] it is not compared yet":           {adopt, plan.Observation{UnconfirmedDiff: true}, "False Reconciling Updating"},
		"[case-56] it is observed, and differs":      {observe, plan.Observation{Compared: true, Differences: differs}, "True Observed"},
		"[case-56] it is observed, not compared yet": {observe, plan.Observation{UnconfirmedDiff: true}, "False Reconciling Updating"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			observed := row.observed
			observed.Host, observed.Principal, observed.Desired, observed.Presence, observed.Details = host, "me@example.com", desired, managed.Present, running
			h := newHistory().edited(row.edit)
			next := plan.Make(plan.Input{Cluster: h.cluster, Observed: observed, Limits: limits, Now: h.now})
			g.Expect(next.Kind()).To(Equal(plan.StepStoreClusterID))
			h.report(Input{Observed: observed, Plan: next, Outcome: Outcome{Ran: true}})
			g.Expect(h.readiness()).To(Equal(row.ready))
			g.Expect(conformance.BrokenRules(h.cluster)).To(BeEmpty())
		})
	}
}
