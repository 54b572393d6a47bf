package plan

// rule answers for the one situation it knows; ok is false in every other.
type rule func(in Input) (plan Plan, ok bool)

// living is the chain for an object that is wanted.
var living = []rule{
	whenUnreachable,
	whenHostChanged,
	whenNotOurs,
	whenSuspended,
	whenWithoutFinalizer,
	whenBinding,
	whenLearned,
	whenResolving,
	whenUncreated,
	whenUnseen,
	whenGone,
	whenReadsAreRefused,
	whenChanging,
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
	whenTerminatedWhileLeaving,
	whenPinnedWhileLeaving,
	whenDeleting,
}

// Make decides what should be done next.
func Make(in Input) Plan {
	chain := living
	if !in.Cluster.DeletionTimestamp.IsZero() {
		chain = leaving
	}
	for _, rule := range chain {
		if plan, ok := rule(in); ok {
			return plan
		}
	}
	return Plan{}
}
