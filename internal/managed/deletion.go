package managed

import (
	"fmt"
	"strings"
	"time"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// resendInterval is how long an accepted deletion may take to show an effect before it is
// sent again.
const resendInterval = time.Minute

// deletionRemedy is the action that always completes a blocked deletion.
const deletionRemedy = "set spec.deletionPolicy: Retain to release this object and keep the %s"

// withRemedy adds the remedy to the verdict of a deletion that cannot go on, unless it only
// waits for the request limit.
func (in Input) withRemedy(next Plan) Plan {
	isProgress := next.Verdict.Reason == v1alpha1.ReasonDeleting || next.Verdict.Reason == v1alpha1.ReasonRateLimited
	remedy := fmt.Sprintf(deletionRemedy, in.Kind.Noun)
	if next.Verdict.Reason == "" || isProgress || strings.HasSuffix(next.Verdict.Message, remedy) {
		return next
	}
	next.Verdict = next.Verdict.With(remedy)
	return next
}

func (in Input) deleting() Verdict {
	return in.verdict(v1alpha1.ReasonDeleting, "the %s is being deleted")
}

// whenReleased: the operator's finalizer is removed, and the object waits for another one.
func whenReleased(in Input) (Plan, bool) { return Plan{}, !in.Object.HasFinalizer(in.Kind) }

// whenRetained: the remote object is retained, which needs no credentials.
func whenRetained(in Input) (Plan, bool) {
	return Plan{Step: RemoveFinalizer{}}, in.Object.EffectiveRemovalPolicy() == v1alpha1.RemovalPolicyRetain
}

// whenProtected: deletionProtection is set, and no admission policy enforced it.
func whenProtected(in Input) (Plan, bool) {
	return Plan{Verdict: Verdict{
		Reason: v1alpha1.ReasonDeletionBlocked, Stalled: true,
		Message: fmt.Sprintf("spec.deletionProtection is set; set it to false to let the %s be deleted", in.Kind.Noun),
	}}, in.Object.Spec.DeletionProtection
}

// whenNothingToDelete: nothing was created.
func whenNothingToDelete(in Input) (Plan, bool) {
	return Plan{Step: RemoveFinalizer{}}, *in.Object.ID == "" && !in.Object.isPending()
}

// whenManagedElsewhereWhileDeleting: the remote object belongs to another owner and is
// retained.
func whenManagedElsewhereWhileDeleting(in Input) (Plan, bool) {
	_, foreign := whenManagedElsewhere(in)
	return Plan{Step: RemoveFinalizer{}}, foreign
}

// whenGoneWhileDeleting: a GET found that the remote object does not exist. If a restore
// brought back the id of an earlier one, the newer one is deleted.
func whenGoneWhileDeleting(in Input) (Plan, bool) {
	if in.Observed.Presence != Missing {
		return Plan{}, false
	}
	if in.isOwn(in.Observed.Named) {
		return Plan{Step: StoreID{ID: in.Observed.Named.ID, Source: FoundInList}, Verdict: in.deleting()}, true
	}
	return Plan{Step: RemoveFinalizer{}}, true
}

// whenDeleting: the remote object is deleted, and a read then confirms that.
func whenDeleting(in Input) (Plan, bool) {
	last := in.Attempts.Last
	switch {
	case in.Observed.Presence != Present && in.Observed.ReadFailure != nil:
		return Plan{Verdict: in.verdictOn(in.Observed.ReadFailure)}, true
	case in.Observed.Presence != Present:
		// The owner decides whether it may be deleted.
		return Plan{Verdict: in.deleting(), RequeueAt: in.missingAcceptedAt()}, true
	case last.Step == StepDelete && last.Failure == nil && in.Now.Before(last.At.Add(resendInterval)):
		return Plan{Verdict: in.deleting(), RequeueAt: last.At.Add(resendInterval)}, true
	case in.waitsForUsers():
		return Plan{Verdict: in.deleting(), RequeueAt: in.Attempts.DeletionSeenAt.Add(usersTimeout)}, true
	default:
		return in.withBackoff(Plan{Step: Delete{*in.Object.ID}, Verdict: in.deleting()}), true
	}
}

// usersTimeout is how long a deletion waits for the number of clusters that use the remote
// object, which is reported and decides nothing.
const usersTimeout = 10 * time.Second

func (in Input) waitsForUsers() bool {
	users := in.Observed.Users
	return !users.Known && !users.Failed && in.Now.Before(in.Attempts.DeletionSeenAt.Add(usersTimeout))
}

// NeedsWorkspace reports whether a decision about an object needs its workspace. An object
// that is deleted and retains its remote object, or never had one, needs no credentials.
func NeedsWorkspace(kind *Kind, object Object) bool {
	if !object.IsDeleting() {
		return true
	}
	in := Input{Kind: kind, Object: object}
	for _, rule := range []rule{whenReleased, whenRetained, whenProtected, whenNothingToDelete} {
		if _, ok := rule(in); ok {
			return false
		}
	}
	return true
}
