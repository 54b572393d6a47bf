package gitops

import (
	"time"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/plan"
	"github.com/databricks-operator/databricks-operator/internal/report"
	"github.com/databricks/databricks-sdk-go/service/compute"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	clusterID = "0318-151752-abed99"
	host      = "https://adb-1.azuredatabricks.net"
)

var noon = time.Date(2026, time.March, 18, 12, 0, 0, 0, time.UTC)

// object is a DatabricksCluster with a status that the operator reported.
type object struct{ *v1alpha1.DatabricksCluster }

// newlyApplied returns an object as the API server creates it.
func newlyApplied() object {
	return object{&v1alpha1.DatabricksCluster{
		TypeMeta: metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "DatabricksCluster"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "team", Name: "etl", UID: "8a5d6f3e-1111-4222-8333-944445555666", Generation: 1,
			Finalizers: []string{v1alpha1.FinalizerCluster}, CreationTimestamp: metav1.NewTime(noon),
		},
		Status: v1alpha1.DatabricksClusterStatus{ObservedGeneration: -1},
	}}
}

// edited returns the object with another spec.
func (o object) edited(edit func(*v1alpha1.DatabricksClusterSpec)) object {
	edit(&o.Spec)
	o.Generation++
	return o
}

// deleted returns the object with a deletion timestamp.
func (o object) deleted() object {
	o.DeletionTimestamp = new(metav1.NewTime(noon))
	o.Generation++
	return o
}

// afterReconcile returns the object after one reconcile with this observation.
func (o object) afterReconcile(observed plan.Observation, outcome report.Outcome) object {
	if observed.Host == "" && observed.Blocked == nil {
		observed.Host, observed.Principal = host, "me@example.com"
	}
	observed.Compared = observed.Presence == managed.Present
	next := plan.Make(plan.Input{Cluster: o.DatabricksCluster, Observed: observed, Now: noon})
	return o.reported(observed, next, outcome)
}

// reported returns the object with the status that reports a plan.
func (o object) reported(observed plan.Observation, next plan.Plan, outcome report.Outcome) object {
	o.Status = report.Of(report.Input{Cluster: o.DatabricksCluster, Observed: observed, Plan: next, Outcome: outcome, Now: noon}).Status
	return o
}

// created returns the object after the request for its cluster.
func (o object) created() object {
	return o.afterReconcile(plan.Observation{}, report.Outcome{Ran: true, Created: clusterID})
}

// observedAs returns the object after its cluster was observed in a state.
func (o object) observedAs(state compute.State, more ...func(*compute.ClusterDetails)) object {
	details := &compute.ClusterDetails{ClusterId: clusterID, State: state, StateMessage: "why", SparkContextId: 7}
	for _, set := range more {
		set(details)
	}
	return o.afterReconcile(plan.Observation{Presence: managed.Present, Details: details}, report.Outcome{})
}

func ended(kind compute.TerminationReasonType) func(*compute.ClusterDetails) {
	return func(c *compute.ClusterDetails) {
		c.TerminationReason = &compute.TerminationReason{Code: "WHY", Type: kind}
	}
}

func failing(class databricks.Class) report.Outcome {
	return report.Outcome{Ran: true, Refused: true, Failure: &managed.Failure{Class: class, Message: "CODE: words"}}
}

func (o object) blocked(reason string, stalled bool) object {
	return o.afterReconcile(plan.Observation{Blocked: &managed.Blocked{Reason: reason, Message: "words", Stalled: stalled}}, report.Outcome{})
}

// drifted returns the object with a running cluster that differs from the spec,
// which its policies tolerate.
func (o object) drifted(reason string) object {
	observed := plan.Observation{
		Host: host, Presence: managed.Present, Compared: true,
		Details:     &compute.ClusterDetails{ClusterId: clusterID, State: compute.StateRunning, SparkContextId: 7},
		Differences: []drift.Difference{{Path: "/spark_version", Field: "spark_version", Desired: "a", Actual: "b"}},
	}
	return o.reported(observed, plan.Plan{Verdict: managed.Verdict{Reason: reason, Message: "words"}}, report.Outcome{})
}

func suspend(s *v1alpha1.DatabricksClusterSpec)   { s.Suspend = true }
func otherSize(s *v1alpha1.DatabricksClusterSpec) { s.NumWorkers = new(int32(7)) }
func adopt(s *v1alpha1.DatabricksClusterSpec)     { s.ClusterID = clusterID }
func observe(s *v1alpha1.DatabricksClusterSpec) {
	adopt(s)
	s.ManagementPolicy = v1alpha1.ManagementPolicyObserve
}

// situation is one row of the table of situations.
type situation struct {
	name       string
	object     object
	evaluation string
}

// situations are the documented situations.
func situations() []situation {
	running := func() object { return newlyApplied().created().observedAs("RUNNING") }
	noResponse := plan.Observation{ReadFailure: &managed.Failure{Class: databricks.ClassTransient, Message: "no answer"}}
	return []situation{
		{"just applied", newlyApplied(), "InProgress"},
		{"[case-01] requested", newlyApplied().created(), "InProgress"},
		{"[case-01] launching", newlyApplied().created().observedAs("PENDING"), "InProgress"},
		{"starting", running().observedAs("TERMINATED").observedAs("PENDING"), "InProgress"},
		{"restarting", running().observedAs("RESTARTING"), "InProgress"},
		{"being stopped", running().observedAs("TERMINATING"), "InProgress"},
		{"[case-08] throttled", newlyApplied().afterReconcile(plan.Observation{}, failing(databricks.ClassThrottled)), "InProgress"},
		{"[case-02] a response was lost", newlyApplied().afterReconcile(plan.Observation{}, report.Outcome{Ran: true, Failure: &managed.Failure{Class: databricks.ClassAmbiguous, Message: "m"}}), "InProgress"},
		{"[case-58] the Secret does not exist yet", newlyApplied().blocked(v1alpha1.ReasonCredentialsNotReady, false), "InProgress"},
		{"[case-34] in an unknown state", running().observedAs("FROZEN"), "InProgress"},
		{"the workspace has not responded for long", running().afterReconcile(noResponse, report.Outcome{}), "InProgress"},

		{"running", running(), "Current"},
		{"resizing", running().observedAs("RESIZING"), "Current"},
		{"[case-27] ended by inactivity", running().observedAs("TERMINATED", ended("SUCCESS")), "Current"},
		{"[case-56] observed, in sync", newlyApplied().edited(observe).observedAs("RUNNING"), "Current"},
		{"[case-56] observed, terminated", newlyApplied().edited(observe).observedAs("TERMINATED", ended("CLOUD_FAILURE")), "Current"},
		{"[case-55] adopted", newlyApplied().edited(adopt).observedAs("RUNNING"), "Current"},
		{"[case-20] changes deferred", running().drifted(v1alpha1.ReasonChangesDeferred), "Current"},
		{"[case-21] drift tolerated", running().drifted(v1alpha1.ReasonDriftTolerated), "Current"},
		{"[case-37] purged while idle", running().observedAs("TERMINATED").reported(plan.Observation{Host: host, Presence: managed.Purged}, plan.Plan{}, report.Outcome{}), "Current"},
		{"not observed since the operator started", running().afterReconcile(plan.Observation{}, report.Outcome{}), "Current"},

		{"[case-07] invalid", newlyApplied().afterReconcile(plan.Observation{}, failing(databricks.ClassInvalid)), "Failed"},
		{"[case-08] refused", newlyApplied().afterReconcile(plan.Observation{}, failing(databricks.ClassForbidden)), "Failed"},
		{"[case-57] the credential is rejected", newlyApplied().afterReconcile(plan.Observation{}, failing(databricks.ClassUnauthenticated)), "Failed"},
		{"[case-57] the host changed", running().afterReconcile(plan.Observation{Host: "https://other"}, report.Outcome{}), "Failed"},
		{"[case-58] the Secret is missing for long", newlyApplied().blocked(v1alpha1.ReasonCredentialsInvalid, true), "Failed"},
		{"[case-55] managed by another", newlyApplied().edited(adopt).afterReconcile(plan.Observation{ManagedBy: "team/older"}, report.Outcome{}), "Failed"},
		{"[case-32] the launch failed", newlyApplied().created().observedAs("PENDING").observedAs("TERMINATED", ended("CLIENT_ERROR")), "Failed"},
		{"ended unexpectedly", running().observedAs("TERMINATED", ended("CLOUD_FAILURE")), "Failed"},

		{"a new generation of a ready object", running().edited(otherSize), "InProgress"},
		{"a new generation of a failed object", newlyApplied().afterReconcile(plan.Observation{}, failing(databricks.ClassInvalid)).edited(otherSize), "InProgress"},

		{"[case-36] suspended after Ready", running().edited(suspend).observedAs("RUNNING"), "Current"},
		{"[case-36] suspended before it had a cluster", newlyApplied().edited(suspend).afterReconcile(plan.Observation{}, report.Outcome{}), "InProgress"},

		{"[case-40] deleting", running().deleted().observedAs("TERMINATING"), "Terminating"},
		{"[case-44] deletion is blocked", running().deleted().afterReconcile(plan.Observation{}, failing(databricks.ClassForbidden)), "Terminating"},
		{"[case-40] deletion was requested", running().deleted(), "Terminating"},
	}
}
