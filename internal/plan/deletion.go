package plan

import (
	"slices"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// deleteSettles is how long a terminate or a permanent-delete that was accepted
// may take before it is sent again.
const deleteSettles = time.Minute

// remedy is what a person can always do about a deletion that cannot go on.
const remedy = "set spec.deletionPolicy: Retain to release this object and keep the cluster"

// EffectiveDeletionPolicy is what deletion will do: what was declared, else
// Retain for a cluster that we did not make and Delete for one that we did.
func EffectiveDeletionPolicy(cluster *v1alpha1.DatabricksCluster) v1alpha1.DeletionPolicy {
	switch {
	case cluster.Spec.ManagementPolicy == v1alpha1.ManagementPolicyObserve:
		return v1alpha1.DeletionPolicyRetain
	case cluster.Spec.DeletionPolicy != "":
		return cluster.Spec.DeletionPolicy
	case cluster.Spec.ClusterID != "":
		return v1alpha1.DeletionPolicyRetain
	default:
		return v1alpha1.DeletionPolicyDelete
	}
}

// isDeleting tells an object that is being deleted.
func (in Input) isDeleting() bool { return !in.Cluster.DeletionTimestamp.IsZero() }

// withRemedy adds what a person can do where the object is being deleted.
func (in Input) withRemedy(verdict Verdict) Verdict {
	if in.isDeleting() {
		verdict.Message += "; " + remedy
	}
	return verdict
}

func (in Input) deletes() bool {
	return EffectiveDeletionPolicy(in.Cluster) == v1alpha1.DeletionPolicyDelete
}

// whenReleased: another controller's finalizer holds the object, ours is gone.
func whenReleased(in Input) (Plan, bool) {
	held := slices.Contains(in.Cluster.Finalizers, v1alpha1.FinalizerCluster)
	return Plan{}, !held
}

// whenRetained: the cluster stays as it is, and needs no credentials for that.
func whenRetained(in Input) (Plan, bool) {
	retained := EffectiveDeletionPolicy(in.Cluster) == v1alpha1.DeletionPolicyRetain
	return Plan{Step: RemoveFinalizer{in.Cluster.Status.ClusterID}}, retained
}

// whenProtected: the second lock, for where the admission policy is missing.
func whenProtected(in Input) (Plan, bool) {
	protected := in.Cluster.Spec.DeletionProtection
	return deletionBlocked("spec.deletionProtection is set; set it to false to let the cluster be deleted, or " + remedy), protected
}

// whenNothingToDelete: nothing was ever created.
func whenNothingToDelete(in Input) (Plan, bool) {
	nothing := in.Cluster.Status.ClusterID == "" && !pending(in.Cluster)
	return Plan{Step: RemoveFinalizer{}}, nothing
}

// whenUnreachableWhileDeleting: no workspace to speak to, and a way out.
func whenUnreachableWhileDeleting(in Input) (Plan, bool) {
	plan, unreachable := whenUnreachable(in)
	if !unreachable {
		return Plan{}, false
	}
	plan.Verdict = in.withRemedy(plan.Verdict)
	return plan, true
}

// whenHostChangedWhileDeleting: the cluster is not to be looked for elsewhere.
func whenHostChangedWhileDeleting(in Input) (Plan, bool) {
	plan, changed := whenHostChanged(in)
	if !changed {
		return Plan{}, false
	}
	plan.Verdict = in.withRemedy(plan.Verdict)
	return plan, true
}

// whenGoneWhileDeleting: a GET said that the cluster does not exist.
func whenGoneWhileDeleting(in Input) (Plan, bool) {
	if in.Observed.Presence != Missing && in.Observed.Presence != Purged {
		return Plan{}, false
	}
	return Plan{Step: RemoveFinalizer{in.Cluster.Status.ClusterID}}, true
}

// whenNotOursWhileDeleting: somebody else's cluster is not ours to end.
func whenNotOursWhileDeleting(in Input) (Plan, bool) {
	_, foreign := whenNotOurs(in)
	return Plan{Step: RemoveFinalizer{in.Cluster.Status.ClusterID}}, foreign
}

// whenTerminatedWhileDeleting: by policy the cluster is stopped and left.
func whenTerminatedWhileDeleting(in Input) (Plan, bool) {
	if in.deletes() {
		return Plan{}, false
	}
	if in.Observed.Presence != Present {
		return in.lookingBeforeDeletion(), true
	}
	switch in.Observed.Details.State {
	case compute.StateTerminated, compute.StateTerminating, compute.StateError:
		return Plan{Step: RemoveFinalizer{in.Cluster.Status.ClusterID}}, true
	default:
		if again := in.settles(StepTerminate); in.Now.Before(again) {
			return Plan{Verdict: deleting(), RequeueAt: again}, true
		}
		return in.deletionStep(Terminate{in.Cluster.Status.ClusterID}), true
	}
}

// deletionSteps are those of an object that is being deleted.
var deletionSteps = []StepKind{StepTerminate, StepUnpin, StepPermanentDelete}

// lookingBeforeDeletion is the plan while it is not known how the cluster is.
func (in Input) lookingBeforeDeletion() Plan {
	if failure := in.Observed.ReadFailure; failure != nil {
		return Plan{Verdict: VerdictOn(in.Cluster, failure)}
	}
	if again := in.backoffUntil(in.Attempts.Last); !again.IsZero() && slices.Contains(deletionSteps, in.Attempts.Last.Step) {
		return Plan{Verdict: VerdictOn(in.Cluster, in.Attempts.Last.Failure), RequeueAt: again}
	}
	return Plan{Verdict: deleting(), RequeueAt: in.missingAcceptedAt()}
}

// whenPinnedWhileDeleting: the API deletes no pinned cluster.
func whenPinnedWhileDeleting(in Input) (Plan, bool) {
	if in.Observed.Presence != Present {
		return Plan{}, false
	}
	pinned := in.Attempts.Last.Failure != nil && in.Attempts.Last.Failure.Class == databricks.ClassPinned
	refused := in.Attempts.Last.Step == StepUnpin && in.Attempts.Last.Failure != nil
	if !pinned && !refused {
		return Plan{}, false
	}
	return in.deletionStep(Unpin{in.Cluster.Status.ClusterID}), true
}

// whenDeleting: delete for good, then see that it is gone.
func whenDeleting(in Input) (Plan, bool) {
	if in.Observed.Presence != Present {
		// Whose the cluster is decides whether it may be deleted.
		return in.lookingBeforeDeletion(), true
	}
	again := in.settles(StepPermanentDelete)
	if unseen := in.missingAcceptedAt(); !again.IsZero() && !unseen.IsZero() {
		again = unseen
	}
	if in.Now.Before(again) {
		return Plan{Verdict: deleting(), RequeueAt: again}, true
	}
	return in.deletionStep(PermanentDelete{in.Cluster.Status.ClusterID}), true
}

// settles is until when a step that was accepted shows; zero: it was not taken.
func (in Input) settles(step StepKind) time.Time {
	if !in.succeeded(step) {
		return time.Time{}
	}
	return in.Attempts.Last.At.Add(deleteSettles)
}

// deletionStep is a step of the deletion.
func (in Input) deletionStep(step Step) Plan {
	return in.withBackoff(Plan{Step: step, Verdict: deleting()})
}

func deletionBlocked(message string) Plan {
	return Plan{Verdict: Verdict{Reason: v1alpha1.ReasonDeletionBlocked, Message: message, Stalled: true}}
}

func deleting() Verdict {
	return Verdict{Reason: v1alpha1.ReasonDeleting, Message: "the cluster is being deleted"}
}

// NeedsWorkspace tells that nothing can be decided about an object without its
// workspace. What is deleted and keeps its cluster, or never had one, is let go
// without credentials.
func NeedsWorkspace(cluster *v1alpha1.DatabricksCluster) bool {
	if cluster.DeletionTimestamp.IsZero() {
		return true
	}
	in := Input{Cluster: cluster}
	for _, settledAlone := range []rule{whenReleased, whenRetained, whenProtected, whenNothingToDelete} {
		if _, ok := settledAlone(in); ok {
			return false
		}
	}
	return true
}
