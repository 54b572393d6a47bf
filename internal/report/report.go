package report

import (
	"time"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

// Input has all facts that a report depends on.
type Input struct {
	// Cluster is the object in the API server after the step.
	Cluster  *v1alpha1.DatabricksCluster
	Observed plan.Observation
	Plan     plan.Plan
	Outcome  Outcome
	// Corrections are the counts so far; nil: those in the status.
	Corrections []v1alpha1.Correction
	Limits      plan.Limits
	// Now is used for lastTransitionTime and the times of corrections.
	Now time.Time
}

// isGone reports whether the cluster is known not to exist.
func (in Input) isGone() bool {
	return in.Observed.Presence == managed.Missing || in.Observed.Presence == managed.Purged
}

// Outcome is the result of the step of the plan.
type Outcome struct {
	// Ran reports whether the step was carried out, successfully or not. It is false if
	// there was no step or the step waits.
	Ran bool
	// Created is the id that a create call returned.
	Created string
	// Enforced are the values that an enforcement of the policy changed, as paths of the
	// policy language.
	Enforced []string
	// Failure is the failure of the step; nil: it succeeded.
	Failure *managed.Failure
	// Held is why the step was not sent for some time; nil: it does not wait, or not long
	// enough to report.
	Held *managed.Hold
	// KubernetesRefusal is the answer by which the Kubernetes API refused a write of the
	// step; empty if it did not.
	KubernetesRefusal string
	// Refused reports whether the create certainly did not happen, so that its intent is
	// void.
	Refused bool
}

// Report has the new status of an object, and its events.
type Report struct {
	Status v1alpha1.DatabricksClusterStatus
	// ActionEvents are emitted even if the status cannot be written, because a later
	// reconciliation cannot repeat them. Events are emitted after the write of the status.
	ActionEvents, Events []managed.Event
}

// Of returns the report for a cluster.
func Of(in Input) Report {
	before := in.Cluster.Status
	status := before.DeepCopy()
	recordIdentity(in, status)
	recordOwnership(in, status)
	recordRequest(in, status)
	copyObserved(in, status)
	recordSchedule(in, status)
	recordResolved(in, status)
	verdict := withNote(in, status, verdictOf(in, status))
	recordDifferences(in, status, verdict)
	recordLibraries(in, status)
	recordPin(in, status)
	recordViolations(in, status)
	recordCorrections(in, status)
	setConditions(in, status, verdict)
	status.ObservedGeneration = in.Cluster.Generation
	return Report{Status: *status, ActionEvents: actionEvents(in), Events: events(in, before, *status)}
}

// verdictOf returns the verdict of the plan, or that of the failure of its step.
func verdictOf(in Input, status *v1alpha1.DatabricksClusterStatus) managed.Verdict {
	if refusal := in.Outcome.KubernetesRefusal; refusal != "" {
		return managed.Verdict{
			Reason: v1alpha1.ReasonWriteRefused, Stalled: true,
			Message: "Kubernetes refuses a change by the operator, which is tried again: " + refusal,
		}
	}
	verdict := in.Plan.Verdict
	if failure := in.Outcome.Failure; failure != nil && !in.Plan.NonBlocking {
		// The next plan has the same failure and the same verdict.
		verdict = plan.VerdictOn(in.Cluster, failure)
	} else if held := in.Outcome.Held; held != nil && !in.Plan.NonBlocking {
		verdict = plan.VerdictOnHold(in.Cluster, *held)
	} else if failed := stillFailing(in); failed != nil {
		verdict = *failed
	}
	if verdict.Reason == "" {
		verdict = stateVerdict(in, status)
	}
	if history := plan.HistoryOf(in.Cluster); verdict.Reason == v1alpha1.ReasonTerminating && history.Launching {
		// A launch that fails passes through TERMINATING. It is shown as a launch until
		// the cluster has ended.
		verdict.Reason = history.Progress
	}
	return verdict
}

// stillFailing returns the verdict of an earlier failure while its step waits; nil: there is
// no failure, or the step was carried out.
func stillFailing(in Input) *managed.Verdict {
	waits := in.Plan.Kind().WritesToDatabricks() || in.Plan.Kind() == plan.StepReadSpec
	if in.Outcome.Ran || !waits || in.Plan.NonBlocking {
		return nil
	}
	return plan.HistoryOf(in.Cluster).Failing
}
