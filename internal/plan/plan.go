package plan

import "github.com/databricks-operator/databricks-operator/api/v1alpha1"

// rule answers for the one situation it knows; ok is false in every other.
type rule func(in Input) (plan Plan, ok bool)

// living is the chain for an object that is wanted.
var living = []rule{
	whenUnreachable,
	whenHostChanged,
	whenNotOurs,
	whenWithoutFinalizer,
	whenBinding,
	whenLearned,
	whenResolving,
	whenAskedToReconcile,
	whenUncreated,
	whenUnseen,
	whenGone,
	whenReadsAreRefused,
	whenRequested,
	whenOurs,
}

// keeping is the chain for a cluster that is there, ours and seen.
var keeping = []rule{
	whenKeptStopped,
	whenImmovable,
	whenSizeDiffers,
	whenDifferent,
	whenChanging,
	whenUncompared,
	whenLibrariesDiffer,
	whenInstalling,
	whenDeferred,
	whenMended,
	whenToRun,
}

// leaving is the chain for an object that is being deleted.
var leaving = []rule{
	whenReleased,
	whenRetained,
	whenProtected,
	whenNothingToDelete,
	whenUnreachableWhileLeaving,
	whenHostChangedWhileLeaving,
	whenLearned,
	whenResolving,
	whenGoneWhileLeaving,
	whenNotOursWhileLeaving,
	whenTerminatedWhileLeaving,
	whenPinnedWhileLeaving,
	whenDeleting,
}

// Make decides what should be done next.
func Make(in Input) Plan {
	if in.isLeaving() {
		return in.first(leaving)
	}
	return in.unlessSuspended(in.withContention(in.untilReadsFailTooLong(in.first(living))))
}

// untilReadsFailTooLong brings the object back when failing reads of its cluster take
// Ready away.
func (in Input) untilReadsFailTooLong(next Plan) Plan {
	if in.World.ReadFailure == nil || !in.World.ReadFailureOfCluster {
		return next
	}
	if tooLong := in.World.ReadFailingSince.Add(readsFailTooLong); in.Now.Before(tooLong) {
		next.Again = soonest(next.Again, tooLong)
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
	if !in.Cluster.Spec.Suspend || !next.Step.WritesToDatabricks() {
		return next
	}
	held := Plan{ClusterID: next.ClusterID, Contended: next.Contended}
	if in.World.Presence != Present {
		held.Verdict = Verdict{
			Reason:  v1alpha1.ReasonSuspended,
			Message: "there is no cluster, and none is created while spec.suspend is true",
		}
	}
	return held
}
