package gitops

import (
	"time"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
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

// object is a DatabricksCluster whose status is what the operator reports.
type object struct{ *v1alpha1.DatabricksCluster }

// applied is an object as the API server makes it.
func applied() object {
	return object{&v1alpha1.DatabricksCluster{
		TypeMeta: metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "DatabricksCluster"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "team", Name: "etl", UID: "8a5d6f3e-1111-4222-8333-944445555666", Generation: 1,
			Finalizers: []string{v1alpha1.FinalizerCluster}, CreationTimestamp: metav1.NewTime(noon),
		},
		Status: v1alpha1.DatabricksClusterStatus{ObservedGeneration: -1},
	}}
}

// edited is the object with another spec.
func (o object) edited(edit func(*v1alpha1.DatabricksClusterSpec)) object {
	edit(&o.Spec)
	o.Generation++
	return o
}

// deleted is the object on its way out.
func (o object) deleted() object {
	o.DeletionTimestamp = new(metav1.NewTime(noon))
	o.Generation++
	return o
}

// told is the object after one round of the operator with these facts.
func (o object) told(world plan.World, outcome report.Outcome) object {
	if world.Host == "" && world.Trouble == nil {
		world.Host, world.Principal = host, "me@example.com"
	}
	world.Compared = world.Presence == plan.Present
	next := plan.Make(plan.Input{Cluster: o.DatabricksCluster, World: world, Now: noon})
	return o.reported(world, next, outcome)
}

// reported is the object after a report on a plan.
func (o object) reported(world plan.World, next plan.Plan, outcome report.Outcome) object {
	o.Status = report.Of(report.Input{Cluster: o.DatabricksCluster, World: world, Plan: next, Outcome: outcome, Now: noon}).Status
	return o
}

// created is the object whose cluster was asked for.
func (o object) created() object {
	return o.told(plan.World{}, report.Outcome{Ran: true, Created: clusterID})
}

// seen is the object after a look at its cluster.
func (o object) seen(state compute.State, more ...func(*compute.ClusterDetails)) object {
	details := &compute.ClusterDetails{ClusterId: clusterID, State: state, StateMessage: "why", SparkContextId: 7}
	for _, set := range more {
		set(details)
	}
	return o.told(plan.World{Presence: plan.Present, Details: details}, report.Outcome{})
}

func ended(kind compute.TerminationReasonType) func(*compute.ClusterDetails) {
	return func(c *compute.ClusterDetails) {
		c.TerminationReason = &compute.TerminationReason{Code: "WHY", Type: kind}
	}
}

func failing(class databricks.Class) report.Outcome {
	return report.Outcome{Ran: true, Refused: true, Failure: &plan.Failure{Class: class, Message: "CODE: words"}}
}

func (o object) troubled(reason string, stalled bool) object {
	return o.told(plan.World{Trouble: &plan.Trouble{Reason: reason, Message: "words", Stalled: stalled}}, report.Outcome{})
}

// differing is the object whose running cluster is not as declared, which its
// policies leave so.
func (o object) differing(reason string) object {
	world := plan.World{
		Host: host, Presence: plan.Present, Compared: true,
		Details:     &compute.ClusterDetails{ClusterId: clusterID, State: compute.StateRunning, SparkContextId: 7},
		Differences: []drift.Difference{{Path: "/spark_version", Field: "spark_version", Desired: "a", Actual: "b"}},
	}
	return o.reported(world, plan.Plan{Verdict: plan.Verdict{Reason: reason, Message: "words"}}, report.Outcome{})
}

func suspend(s *v1alpha1.DatabricksClusterSpec)   { s.Suspend = true }
func otherSize(s *v1alpha1.DatabricksClusterSpec) { s.NumWorkers = new(int32(7)) }
func adopt(s *v1alpha1.DatabricksClusterSpec)     { s.ClusterID = clusterID }
func observe(s *v1alpha1.DatabricksClusterSpec) {
	adopt(s)
	s.ManagementPolicy = v1alpha1.ManagementPolicyObserve
}

// situation is one row of how an object is read.
type situation struct {
	name   string
	object object
	reads  string
}

// situations are those that users are promised a reading of.
func situations() []situation {
	running := func() object { return applied().created().seen("RUNNING") }
	silent := plan.World{ReadFailure: &plan.Failure{Class: databricks.ClassTransient, Message: "no answer"}}
	return []situation{
		{"just applied", applied(), "InProgress"},
		{"[case-01] asked for", applied().created(), "InProgress"},
		{"[case-01] launching", applied().created().seen("PENDING"), "InProgress"},
		{"starting", running().seen("TERMINATED").seen("PENDING"), "InProgress"},
		{"restarting", running().seen("RESTARTING"), "InProgress"},
		{"being stopped", running().seen("TERMINATING"), "InProgress"},
		{"[case-08] throttled", applied().told(plan.World{}, failing(databricks.ClassThrottled)), "InProgress"},
		{"[case-02] an answer was lost", applied().told(plan.World{}, report.Outcome{Ran: true, Failure: &plan.Failure{Class: databricks.ClassAmbiguous, Message: "m"}}), "InProgress"},
		{"[case-58] the Secret is not there yet", applied().troubled(v1alpha1.ReasonCredentialsNotReady, false), "InProgress"},
		{"[case-34] in a state that is not known", running().seen("FROZEN"), "InProgress"},
		{"the workspace is silent for long", running().told(silent, report.Outcome{}), "InProgress"},

		{"running", running(), "Current"},
		{"resizing", running().seen("RESIZING"), "Current"},
		{"[case-27] ended by inactivity", running().seen("TERMINATED", ended("SUCCESS")), "Current"},
		{"[case-56] observed, in sync", applied().edited(observe).seen("RUNNING"), "Current"},
		{"[case-56] observed, and dead", applied().edited(observe).seen("TERMINATED", ended("CLOUD_FAILURE")), "Current"},
		{"[case-55] adopted", applied().edited(adopt).seen("RUNNING"), "Current"},
		{"[case-20] changes deferred", running().differing(v1alpha1.ReasonChangesDeferred), "Current"},
		{"[case-21] drift tolerated", running().differing(v1alpha1.ReasonDriftTolerated), "Current"},
		{"[case-37] purged while idle", running().seen("TERMINATED").reported(plan.World{Host: host, Presence: plan.Purged}, plan.Plan{}, report.Outcome{}), "Current"},
		{"not looked at since the operator started", running().told(plan.World{}, report.Outcome{}), "Current"},

		{"[case-07] invalid", applied().told(plan.World{}, failing(databricks.ClassInvalid)), "Failed"},
		{"[case-08] refused", applied().told(plan.World{}, failing(databricks.ClassForbidden)), "Failed"},
		{"[case-57] the credential is refused", applied().told(plan.World{}, failing(databricks.ClassUnauthenticated)), "Failed"},
		{"[case-57] the host changed", running().told(plan.World{Host: "https://other"}, report.Outcome{}), "Failed"},
		{"[case-58] the Secret is missing for long", applied().troubled(v1alpha1.ReasonCredentialsInvalid, true), "Failed"},
		{"[case-55] managed by another", applied().edited(adopt).told(plan.World{Holder: "team/older"}, report.Outcome{}), "Failed"},
		{"[case-32] the launch failed", applied().created().seen("PENDING").seen("TERMINATED", ended("CLIENT_ERROR")), "Failed"},
		{"ended unexpectedly", running().seen("TERMINATED", ended("CLOUD_FAILURE")), "Failed"},

		{"a new generation of a ready one", running().edited(otherSize), "InProgress"},
		{"a new generation of a failed one", applied().told(plan.World{}, failing(databricks.ClassInvalid)).edited(otherSize), "InProgress"},

		{"[case-36] suspended after Ready", running().edited(suspend).seen("RUNNING"), "Current"},
		{"[case-36] suspended before it had a cluster", applied().edited(suspend).told(plan.World{}, report.Outcome{}), "InProgress"},

		{"[case-40] deleting", running().deleted().told(plan.World{}, report.Outcome{Ran: true}), "Terminating"},
		{"[case-44] deletion is blocked", running().deleted().told(plan.World{}, failing(databricks.ClassForbidden)), "Terminating"},
		{"[case-40] deletion was asked for", running().deleted(), "Terminating"},
	}
}
