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

// wayOut is what a person can always do about a deletion that cannot go on.
const wayOut = "set spec.deletionPolicy: Retain to release this object and keep the cluster"

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

// isLeaving tells an object that is being deleted.
func (in Input) isLeaving() bool { return !in.Cluster.DeletionTimestamp.IsZero() }

// withWayOut adds what a person can do where the object is being deleted.
func (in Input) withWayOut(verdict Verdict) Verdict {
	if in.isLeaving() {
		verdict.Message += "; " + wayOut
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
	return Plan{Step: StepRelease, ClusterID: in.Cluster.Status.ClusterID}, retained
}

// whenProtected: the second lock, for where the admission policy is missing.
func whenProtected(in Input) (Plan, bool) {
	protected := in.Cluster.Spec.DeletionProtection
	return blocked("spec.deletionProtection is set; set it to false to let the cluster be deleted, or " + wayOut), protected
}

// whenNothingToDelete: nothing was ever created.
func whenNothingToDelete(in Input) (Plan, bool) {
	nothing := in.Cluster.Status.ClusterID == "" && !pending(in.Cluster)
	return Plan{Step: StepRelease}, nothing
}

// whenUnreachableWhileLeaving: no workspace to speak to, and a way out.
func whenUnreachableWhileLeaving(in Input) (Plan, bool) {
	plan, unreachable := whenUnreachable(in)
	if !unreachable {
		return Plan{}, false
	}
	plan.Verdict = in.withWayOut(plan.Verdict)
	return plan, true
}

// whenHostChangedWhileLeaving: the cluster is not to be looked for elsewhere.
func whenHostChangedWhileLeaving(in Input) (Plan, bool) {
	plan, changed := whenHostChanged(in)
	if !changed {
		return Plan{}, false
	}
	plan.Verdict = in.withWayOut(plan.Verdict)
	return plan, true
}

// whenGoneWhileLeaving: a GET said that the cluster does not exist.
func whenGoneWhileLeaving(in Input) (Plan, bool) {
	if in.World.Presence != Missing && in.World.Presence != Purged {
		return Plan{}, false
	}
	return Plan{Step: StepRelease, ClusterID: in.Cluster.Status.ClusterID}, true
}

// whenNotOursWhileLeaving: somebody else's cluster is not ours to end.
func whenNotOursWhileLeaving(in Input) (Plan, bool) {
	_, foreign := whenNotOurs(in)
	return Plan{Step: StepRelease, ClusterID: in.Cluster.Status.ClusterID}, foreign
}

// whenTerminatedWhileLeaving: by policy the cluster is stopped and left.
func whenTerminatedWhileLeaving(in Input) (Plan, bool) {
	if in.deletes() {
		return Plan{}, false
	}
	if in.World.Presence != Present {
		return in.lookingBeforeLeaving(), true
	}
	switch in.World.Details.State {
	case compute.StateTerminated, compute.StateTerminating, compute.StateError:
		return Plan{Step: StepRelease, ClusterID: in.Cluster.Status.ClusterID}, true
	default:
		if again := in.settles(StepTerminate); in.Now.Before(again) {
			return Plan{Verdict: deleting(), Again: again}, true
		}
		return in.leave(StepTerminate), true
	}
}

// deletionSteps are those of an object that is being deleted.
var deletionSteps = []Step{StepTerminate, StepUnpin, StepPermanentDelete}

// lookingBeforeLeaving is the plan while it is not known how the cluster is.
func (in Input) lookingBeforeLeaving() Plan {
	if failure := in.World.ReadFailure; failure != nil {
		return Plan{Verdict: VerdictOn(in.Cluster, failure)}
	}
	if again := in.heldUntil(in.Last); !again.IsZero() && slices.Contains(deletionSteps, in.Last.Step) {
		return Plan{Verdict: VerdictOn(in.Cluster, in.Last.Failure), Again: again}
	}
	return Plan{Verdict: deleting(), Again: in.stillUnseen()}
}

// whenPinnedWhileLeaving: the API deletes no pinned cluster.
func whenPinnedWhileLeaving(in Input) (Plan, bool) {
	if in.World.Presence != Present {
		return Plan{}, false
	}
	pinned := in.Last.Failure != nil && in.Last.Failure.Class == databricks.ClassPinned
	refused := in.Last.Step == StepUnpin && in.Last.Failure != nil
	if !pinned && !refused {
		return Plan{}, false
	}
	return in.leave(StepUnpin), true
}

// whenDeleting: delete for good, then see that it is gone.
func whenDeleting(in Input) (Plan, bool) {
	if in.World.Presence != Present {
		// Whose the cluster is decides whether it may be deleted.
		return in.lookingBeforeLeaving(), true
	}
	again := in.settles(StepPermanentDelete)
	if unseen := in.stillUnseen(); !again.IsZero() && !unseen.IsZero() {
		again = unseen
	}
	if in.Now.Before(again) {
		return Plan{Verdict: deleting(), Again: again}, true
	}
	return in.leave(StepPermanentDelete), true
}

// settles is until when a step that was accepted shows; zero: it was not taken.
func (in Input) settles(step Step) time.Time {
	if !in.succeeded(step) {
		return time.Time{}
	}
	return in.Last.At.Add(deleteSettles)
}

// leave is a step of the deletion.
func (in Input) leave(step Step) Plan {
	return in.do(Plan{Step: step, ClusterID: in.Cluster.Status.ClusterID, Verdict: deleting()})
}

func blocked(message string) Plan {
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
