package plan

import (
	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// rule returns the plan for one situation; ok is false in every other situation.
type rule func(in Input) (plan Plan, ok bool)

// liveRules is the chain for an object that is not being deleted.
var liveRules = []rule{
	whenUnreachable,
	whenHostChanged,
	whenOwnedElsewhere,
	whenWithoutFinalizer,
	whenAdopting,
	whenCreatedButNotStored,
	whenResolving,
	whenReconcileRequested,
	whenNotCreated,
	whenNotObserved,
	whenGone,
	whenReadsFail,
	whenRequested,
	whenManaged,
}

// existingRules is the chain for a cluster that exists, is managed and was read.
var existingRules = []rule{
	whenKeptTerminated,
	whenChangeHadNoEffect,
	whenSizeDiffers,
	whenUpdateNeeded,
	whenChanging,
	whenDiffPending,
	whenLibrariesDiffer,
	whenInstalling,
	whenPolicyViolated,
	whenDeferred,
	whenFailedLaunchWasFixed,
	whenShouldRun,
}

// deletionRules is the chain for an object that is being deleted.
var deletionRules = []rule{
	whenReleased,
	whenRetained,
	whenProtected,
	whenNothingToDelete,
	whenUnreachableWhileDeleting,
	whenHostChangedWhileDeleting,
	whenCreatedButNotStored,
	whenResolving,
	whenGoneWhileDeleting,
	whenOwnedElsewhereWhileDeleting,
	whenTerminatedWhileDeleting,
	whenPinnedWhileDeleting,
	whenDeleting,
}

// Make returns the plan for the next step.
func Make(in Input) Plan {
	if in.isDeleting() {
		return in.firstMatch(deletionRules)
	}
	next := in.withVerdictOfNextPlan(in.firstMatch(liveRules))
	next = in.withContention(in.withReadFailureRequeue(next))
	return in.withScheduleRequeue(in.withoutWritesIfSuspended(next))
}

// withVerdictOfNextPlan gives a plan that only stores a request or an adopted cluster in the
// status the verdict of the plan that follows: such a step says nothing about the cluster,
// and the object may have been edited together with it.
func (in Input) withVerdictOfNextPlan(next Plan) Plan {
	switch step := next.Step.(type) {
	case AcknowledgeRequest:
		in.Cluster = in.Cluster.DeepCopy()
		in.Cluster.Status.Request = &step.Request
	case StoreClusterID:
		if next.Verdict.Reason != "" {
			return next
		}
		in.Cluster = in.Cluster.DeepCopy()
		in.Cluster.Status.ClusterID, in.Cluster.Status.Adopted = step.ClusterID, true
	default:
		return next
	}
	after := Make(in)
	next.Verdict, next.Note, next.Enforcement, next.LibrariesWait = after.Verdict, after.Note, after.Enforcement, after.LibrariesWait
	return next
}

// withReadFailureRequeue adds the time at which failing reads of the cluster affect Ready.
func (in Input) withReadFailureRequeue(next Plan) Plan {
	if !in.Observed.ReadFailureOfCluster {
		return next
	}
	if tooLong := in.Observed.ReadFailingSince.Add(managed.ReadFailureGrace); in.Now.Before(tooLong) {
		next.RequeueAt = soonest(next.RequeueAt, tooLong)
	}
	return next
}

// firstMatch returns the plan of the first rule that matches.
func (in Input) firstMatch(chain []rule) Plan {
	for _, rule := range chain {
		if plan, ok := rule(in); ok {
			return plan
		}
	}
	return Plan{}
}

// withoutWritesIfSuspended removes a step that writes to the workspace from the plan of a
// suspended object. The state of an existing cluster then gives the verdict.
func (in Input) withoutWritesIfSuspended(next Plan) Plan {
	if !in.Cluster.Spec.Suspend || !next.Kind().WritesToDatabricks() && next.Kind() != StepReadSpec {
		return next
	}
	held := Plan{Contended: next.Contended}
	if in.Observed.Presence != managed.Present {
		held.Verdict = managed.Verdict{
			Reason:  v1alpha1.ReasonSuspended,
			Message: "there is no cluster, and none is created while spec.suspend is true",
		}
	}
	return held
}
