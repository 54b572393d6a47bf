package plan

import "github.com/databricks-operator/databricks-operator/api/v1alpha1"

// rule answers for the one situation it knows; ok is false in every other.
type rule func(in Input) (plan Plan, ok bool)

// liveRules is the chain for an object that is wanted.
var liveRules = []rule{
	whenUnreachable,
	whenHostChanged,
	whenNotOurs,
	whenWithoutFinalizer,
	whenBinding,
	whenCreatedButNotStored,
	whenResolving,
	whenAskedToReconcile,
	whenNotCreated,
	whenNotObserved,
	whenGone,
	whenReadsAreRefused,
	whenRequested,
	whenOurs,
}

// existingRules is the chain for a cluster that is there, ours and seen.
var existingRules = []rule{
	whenKeptStopped,
	whenChangeHadNoEffect,
	whenSizeDiffers,
	whenDifferent,
	whenChanging,
	whenDiffPending,
	whenLibrariesDiffer,
	whenInstalling,
	whenDeferred,
	whenFailedLaunchWasFixed,
	whenToRun,
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
	whenNotOursWhileDeleting,
	whenTerminatedWhileDeleting,
	whenPinnedWhileDeleting,
	whenDeleting,
}

// Make decides what should be done next.
func Make(in Input) Plan {
	if in.isDeleting() {
		return in.first(deletionRules)
	}
	return in.unlessSuspended(in.withContention(in.untilReadsFailTooLong(in.first(liveRules))))
}

// untilReadsFailTooLong brings the object back when failing reads of its cluster take
// Ready away.
func (in Input) untilReadsFailTooLong(next Plan) Plan {
	if in.Observed.ReadFailure == nil || !in.Observed.ReadFailureOfCluster {
		return next
	}
	if tooLong := in.Observed.ReadFailingSince.Add(readsFailTooLong); in.Now.Before(tooLong) {
		next.RequeueAt = soonest(next.RequeueAt, tooLong)
	}
	return next
}

// first is the answer of the first rule that knows the situation.
func (in Input) first(chain []rule) Plan {
	for _, rule := range chain {
		if plan, ok := rule(in); ok {
			return plan
		}
	}
	return Plan{}
}

// unlessSuspended holds back what would write to the workspace. A cluster that
// is there speaks for itself meanwhile.
func (in Input) unlessSuspended(next Plan) Plan {
	if !in.Cluster.Spec.Suspend || !next.Kind().WritesToDatabricks() && next.Kind() != StepReadSpec {
		return next
	}
	held := Plan{Contended: next.Contended}
	if in.Observed.Presence != Present {
		held.Verdict = Verdict{
			Reason:  v1alpha1.ReasonSuspended,
			Message: "there is no cluster, and none is created while spec.suspend is true",
		}
	}
	return held
}
