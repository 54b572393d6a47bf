package report

import (
	"slices"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

const (
	clusterID = "0318-151752-abed99"
	host      = "https://adb-1.azuredatabricks.net"
)

var (
	noon    = time.Date(2026, time.March, 18, 12, 0, 0, 0, time.UTC)
	limits  = plan.Limits{CreateWindow: 20 * time.Second, RequestDeadline: 30 * time.Second, VisibilityGrace: time.Minute}
	desired = drift.Tree{"num_workers": 2.0}
)

// history is one object with its last report.
type history struct {
	cluster *v1alpha1.DatabricksCluster
	now     time.Time
	last    Report
	// input is the input of the last report.
	input Input
}

// newHistory returns a new object, as the API server creates it.
func newHistory() *history {
	return &history{now: noon, cluster: &v1alpha1.DatabricksCluster{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "team", Name: "etl", UID: "8a5d6f3e-1111-4222-8333-944445555666", Generation: 1,
			Finalizers: []string{v1alpha1.FinalizerCluster}, CreationTimestamp: metav1.NewTime(noon),
		},
		Status: v1alpha1.DatabricksClusterStatus{ObservedGeneration: -1},
	}}
}

// edited changes the spec of the object.
func (h *history) edited(edit func(*v1alpha1.DatabricksClusterSpec)) *history {
	edit(&h.cluster.Spec)
	h.cluster.Generation++
	return h
}

// created reports that the cluster of the object was created.
func (h *history) created() *history {
	h.cluster.Status.Host = host
	h.cluster.Status.Creation = &v1alpha1.CreationIntent{Token: "t", Incarnation: 1, Attempt: 1, NotAfter: new(metav1.NewTime(h.now))}
	return h.report(Input{
		Observed: plan.Observation{Host: host, WorkspaceID: "1"},
		Plan:     plan.Plan{Step: plan.Create{}, Verdict: managed.Verdict{Reason: v1alpha1.ReasonCreating, Message: "the cluster is being created"}},
		Outcome:  Outcome{Ran: true, Created: clusterID},
	})
}

// report computes the next report and stores its status.
func (h *history) report(in Input) *history {
	h.now = h.now.Add(time.Minute)
	in.Cluster, in.Now = h.cluster.DeepCopy(), h.now
	h.input, h.last = in, Of(in)
	h.cluster.Status = *h.last.Status.DeepCopy()
	return h
}

// inState reports a read of the cluster in a state.
func (h *history) inState(state compute.State, more ...func(*compute.ClusterDetails)) *history {
	details := &compute.ClusterDetails{ClusterId: clusterID, State: state, StateMessage: "why", SparkContextId: 7, NumWorkers: 2}
	for _, set := range more {
		set(details)
	}
	return h.observing(plan.Observation{Presence: managed.Present, Details: details})
}

// observing reports an observation with its plan, whose step is not carried out.
func (h *history) observing(observed plan.Observation) *history {
	if observed.Host == "" && observed.Blocked == nil {
		observed.Host, observed.Principal = host, "me@example.com"
	}
	if observed.Presence == managed.Present && observed.ReadFailure == nil {
		observed.Desired, observed.Compared = desired, true
	}
	next := plan.Make(plan.Input{Cluster: h.cluster, Observed: observed, Limits: limits, Now: h.now})
	return h.report(Input{Observed: observed, Plan: next})
}

func (h *history) condition(kind string) *metav1.Condition {
	for i := range h.cluster.Status.Conditions {
		if h.cluster.Status.Conditions[i].Type == kind {
			return &h.cluster.Status.Conditions[i]
		}
	}
	return nil
}

// readiness returns Ready as text, such as "False Stalled InvalidSpec".
func (h *history) readiness() string {
	ready := h.condition(v1alpha1.ConditionReady)
	if ready == nil {
		return ""
	}
	for _, kind := range []string{v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled} {
		if h.condition(kind) != nil {
			return string(ready.Status) + " " + kind + " " + ready.Reason
		}
	}
	return string(ready.Status) + " " + ready.Reason
}

func (h *history) events() []string {
	reasons := []string{}
	for _, event := range h.allEvents() {
		reasons = append(reasons, event.Reason)
	}
	return reasons
}

// allEvents returns all events of the last report.
func (h *history) allEvents() []managed.Event {
	return slices.Concat(h.last.ActionEvents, h.last.Events)
}

func neverRan(c *compute.ClusterDetails) { c.SparkContextId = 0 }

func ended(code compute.TerminationReasonCode, kind compute.TerminationReasonType) func(*compute.ClusterDetails) {
	return func(c *compute.ClusterDetails) {
		c.TerminationReason = &compute.TerminationReason{Code: code, Type: kind, Parameters: map[string]string{"why": "so"}}
	}
}
