package report

import (
	"time"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

// Input is everything that a report depends on.
type Input struct {
	// Cluster is the object as the API server has it after the step.
	Cluster  *v1alpha1.DatabricksCluster
	Observed plan.Observation
	Plan     plan.Plan
	Outcome  Outcome
	// Corrections are those counted so far; nil: those of the status.
	Corrections []v1alpha1.Correction
	Limits      plan.Limits
	// Now is used for lastTransitionTime and the times of corrections.
	Now time.Time
}

// Outcome is what came of the plan's step.
type Outcome struct {
	// Ran tells that the step was carried out, well or not. It is false where
	// there was none, or where it has to wait for its turn.
	Ran bool
	// Created is the id that a create call returned.
	Created string
	// Failure is how it failed; nil: it did not.
	Failure *plan.Failure
	// Held is what has kept the step from being sent for a while; nil: nothing, or
	// not for long.
	Held *plan.Hold
	// Refused tells that a creation certainly did not happen, so its intent is
	// void.
	Refused bool
}

// Report is what to write about an object.
type Report struct {
	Status v1alpha1.DatabricksClusterStatus
	// ActionEvents are told whatever becomes of the status: a later pass sees nothing of
	// them. Events go with the status whose transitions they are.
	ActionEvents, Events []Event
}

// Of is the report on a cluster.
func Of(in Input) Report {
	before := in.Cluster.Status
	status := before.DeepCopy()
	recordIdentity(in, status)
	recordOwnership(in, status)
	recordRequest(in, status)
	copyObserved(in, status)
	verdict := noted(in, status, verdictOf(in, status))
	recordDifferences(in, status, verdict)
	recordLibraries(in, status)
	recordPin(in, status)
	recordCorrections(in, status)
	setConditions(in, status, verdict)
	status.ObservedGeneration = in.Cluster.Generation
	return Report{Status: *status, ActionEvents: actionEvents(in), Events: events(in, before, *status)}
}

// verdictOf is the plan's verdict, or the failure that its step just met.
func verdictOf(in Input, status *v1alpha1.DatabricksClusterStatus) plan.Verdict {
	verdict := in.Plan.Verdict
	if failure := in.Outcome.Failure; failure != nil && !in.Plan.NonBlocking {
		// The next plan, made of the same failure, says the same.
		verdict = plan.VerdictOn(in.Cluster, failure)
	} else if held := in.Outcome.Held; held != nil && !in.Plan.NonBlocking {
		verdict = held.Verdict(in.Cluster)
	} else if failed := stillFailing(in); failed != nil {
		verdict = *failed
	}
	if verdict.Reason == "" {
		verdict = settled(in, status)
	}
	if history := plan.HistoryOf(in.Cluster); verdict.Reason == v1alpha1.ReasonTerminating && history.Launching {
		// A launch that fails passes through TERMINATING. It is shown as a launch until
		// the cluster has ended.
		verdict.Reason = history.Progress
	}
	return verdict
}

// stillFailing returns the failure that is shown of a step while the step waits; nil:
// nothing failed, or the step was carried out.
func stillFailing(in Input) *plan.Verdict {
	waits := in.Plan.Kind().WritesToDatabricks() || in.Plan.Kind() == plan.StepReadSpec
	if in.Outcome.Ran || !waits || in.Plan.NonBlocking {
		return nil
	}
	return plan.HistoryOf(in.Cluster).Failing
}
