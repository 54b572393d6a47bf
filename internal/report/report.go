package report

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

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
	if verdict.Reason == v1alpha1.ReasonTerminating && launching(in) {
		// A launch that fails passes through TERMINATING; what it was stays
		// known until it has ended.
		verdict.Reason = previousReason(in)
	}
	return verdict
}

// stillFailing is what was said of a step that failed, while it waits for its
// next turn; nil: nothing failed, or the turn has come.
func stillFailing(in Input) *plan.Verdict {
	if in.Outcome.Ran || !in.Plan.Step.WritesToDatabricks() || in.Plan.NonBlocking {
		return nil
	}
	for i := range in.Cluster.Status.Conditions {
		was := &in.Cluster.Status.Conditions[i]
		stalled := was.Type == v1alpha1.ConditionStalled
		retried := was.Type == v1alpha1.ConditionReconciling &&
			(was.Reason == v1alpha1.ReasonRetryingAfterError || was.Reason == v1alpha1.ReasonRateLimited)
		if (stalled || retried) && was.ObservedGeneration == in.Cluster.Generation {
			return &plan.Verdict{Reason: was.Reason, Message: was.Message, Stalled: stalled}
		}
	}
	return nil
}

// previousReason is what the operator was last said to be at.
func previousReason(in Input) string {
	return meta.FindStatusCondition(in.Cluster.Status.Conditions, v1alpha1.ConditionReconciling).Reason
}
