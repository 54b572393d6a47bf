package plan

import (
	"slices"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// resendInterval is how long an accepted terminate, permanent-delete or change of
// libraries may take to show an effect before it is sent again.
const resendInterval = time.Minute

// remedy is the action that always completes a blocked deletion.
const remedy = "set spec.deletionPolicy: Retain to release this object and keep the cluster"

// EffectiveDeletionPolicy returns the deletion policy that applies: the declared one, else
// Retain for an adopted cluster and Delete for one that the operator created.
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

// isDeleting reports whether the object is being deleted.
func (in Input) isDeleting() bool { return !in.Cluster.DeletionTimestamp.IsZero() }

// withRemedy adds the remedy to a verdict if the object is being deleted.
func (in Input) withRemedy(verdict managed.Verdict) managed.Verdict {
	if in.isDeleting() {
		verdict.Message += "; " + remedy
	}
	return verdict
}

// deletesCluster reports whether the deletion of the object deletes its cluster.
func (in Input) deletesCluster() bool {
	return EffectiveDeletionPolicy(in.Cluster) == v1alpha1.DeletionPolicyDelete
}

// whenReleased: the operator's finalizer is removed, and the object waits for another one.
func whenReleased(in Input) (Plan, bool) {
	hasFinalizer := slices.Contains(in.Cluster.Finalizers, v1alpha1.FinalizerCluster)
	return Plan{}, !hasFinalizer
}

// whenRetained: the cluster is retained, which needs no credentials.
func whenRetained(in Input) (Plan, bool) {
	retained := EffectiveDeletionPolicy(in.Cluster) == v1alpha1.DeletionPolicyRetain
	return Plan{Step: RemoveFinalizer{in.Cluster.Status.ClusterID}}, retained
}

// whenProtected: deletionProtection is set, and no admission policy enforced it.
func whenProtected(in Input) (Plan, bool) {
	protected := in.Cluster.Spec.DeletionProtection
	return deletionBlocked("spec.deletionProtection is set; set it to false to let the cluster be deleted, or " + remedy), protected
}

// whenNothingToDelete: no cluster was created.
func whenNothingToDelete(in Input) (Plan, bool) {
	nothing := in.Cluster.Status.ClusterID == "" && !pending(in.Cluster)
	return Plan{Step: RemoveFinalizer{}}, nothing
}

// whenUnreachableWhileDeleting: the workspace cannot be called, and the object is being
// deleted. The remedies also work while its namespace is being deleted, in which Kubernetes
// accepts no new Secret.
func whenUnreachableWhileDeleting(in Input) (Plan, bool) {
	plan, unreachable := whenUnreachable(in)
	if !unreachable {
		return Plan{}, false
	}
	plan.Verdict = in.withRemedy(plan.Verdict)
	if in.Observed.Blocked.Remedy != "" {
		plan.Verdict.Message += "; name a DatabricksWorkspace in spec.connection.workspaceRef to delete the cluster"
	}
	return plan, true
}

// whenHostChangedWhileDeleting: the credentials name another workspace, which is not asked
// for the cluster.
func whenHostChangedWhileDeleting(in Input) (Plan, bool) {
	plan, changed := whenHostChanged(in)
	if !changed {
		return Plan{}, false
	}
	plan.Verdict = in.withRemedy(plan.Verdict)
	return plan, true
}

// whenGoneWhileDeleting: a GET found that the cluster does not exist.
func whenGoneWhileDeleting(in Input) (Plan, bool) {
	if in.Observed.Presence != managed.Missing && in.Observed.Presence != managed.Purged {
		return Plan{}, false
	}
	return Plan{Step: RemoveFinalizer{in.Cluster.Status.ClusterID}}, true
}

// whenOwnedElsewhereWhileDeleting: the cluster belongs to another owner and is retained.
func whenOwnedElsewhereWhileDeleting(in Input) (Plan, bool) {
	_, foreign := whenOwnedElsewhere(in)
	return Plan{Step: RemoveFinalizer{in.Cluster.Status.ClusterID}}, foreign
}

// whenTerminatedWhileDeleting: the deletion policy terminates the cluster and retains it.
func whenTerminatedWhileDeleting(in Input) (Plan, bool) {
	if in.deletesCluster() {
		return Plan{}, false
	}
	if in.Observed.Presence != managed.Present {
		return in.awaitReadBeforeDeletion(), true
	}
	switch in.Observed.Details.State {
	case compute.StateTerminated, compute.StateTerminating, compute.StateError:
		return Plan{Step: RemoveFinalizer{in.Cluster.Status.ClusterID}}, true
	default:
		if again := in.resendAt(StepTerminate); in.Now.Before(again) {
			return Plan{Verdict: deleting(), RequeueAt: again}, true
		}
		return in.deletionStep(Terminate{in.Cluster.Status.ClusterID}), true
	}
}

// deletionSteps are the steps that write to the workspace during a deletion.
var deletionSteps = []StepKind{StepTerminate, StepUnpin, StepPermanentDelete}

// awaitReadBeforeDeletion returns the plan while the state of the cluster is unknown.
func (in Input) awaitReadBeforeDeletion() Plan {
	if failure := in.Observed.ReadFailure; failure != nil {
		return Plan{Verdict: VerdictOn(in.Cluster, failure)}
	}
	if again := in.backoffUntil(in.Attempts.Last); !again.IsZero() && slices.Contains(deletionSteps, in.Attempts.Last.Step) {
		return Plan{Verdict: VerdictOn(in.Cluster, in.Attempts.Last.Failure), RequeueAt: again}
	}
	return Plan{Verdict: deleting(), RequeueAt: in.missingAcceptedAt()}
}

// whenPinnedWhileDeleting: the cluster is pinned, and the API deletes no pinned cluster.
func whenPinnedWhileDeleting(in Input) (Plan, bool) {
	if in.Observed.Presence != managed.Present {
		return Plan{}, false
	}
	pinned := in.Attempts.Last.Failure != nil && in.Attempts.Last.Failure.Class == databricks.ClassPinned
	refused := in.Attempts.Last.Step == StepUnpin && in.Attempts.Last.Failure != nil
	if !pinned && !refused {
		return Plan{}, false
	}
	return in.deletionStep(Unpin{in.Cluster.Status.ClusterID}), true
}

// whenDeleting: the cluster is deleted permanently, and a read then confirms that.
func whenDeleting(in Input) (Plan, bool) {
	if in.Observed.Presence != managed.Present {
		// The owner tag decides whether the cluster may be deleted.
		return in.awaitReadBeforeDeletion(), true
	}
	again := in.resendAt(StepPermanentDelete)
	if unseen := in.missingAcceptedAt(); !again.IsZero() && !unseen.IsZero() {
		again = unseen
	}
	if in.Now.Before(again) {
		return Plan{Verdict: deleting(), RequeueAt: again}, true
	}
	return in.deletionStep(PermanentDelete{in.Cluster.Status.ClusterID}), true
}

// resendAt returns when an accepted step is sent again if it has no effect; zero: the step
// was not the last one.
func (in Input) resendAt(step StepKind) time.Time {
	if !in.succeeded(step) {
		return time.Time{}
	}
	return in.Attempts.Last.At.Add(resendInterval)
}

// deletionStep returns the plan for a step of the deletion.
func (in Input) deletionStep(step Step) Plan {
	return in.withBackoff(Plan{Step: step, Verdict: deleting()})
}

func deletionBlocked(message string) Plan {
	return Plan{Verdict: managed.Verdict{Reason: v1alpha1.ReasonDeletionBlocked, Message: message, Stalled: true}}
}

func deleting() managed.Verdict {
	return managed.Verdict{Reason: v1alpha1.ReasonDeleting, Message: "the cluster is being deleted"}
}

// NeedsWorkspace reports whether a decision about an object needs its workspace. An object
// that is deleted and retains its cluster, or never had one, needs no credentials.
func NeedsWorkspace(cluster *v1alpha1.DatabricksCluster) bool {
	if cluster.DeletionTimestamp.IsZero() {
		return true
	}
	in := Input{Cluster: cluster}
	for _, rule := range []rule{whenReleased, whenRetained, whenProtected, whenNothingToDelete} {
		if _, ok := rule(in); ok {
			return false
		}
	}
	return true
}
