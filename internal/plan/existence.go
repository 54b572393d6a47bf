package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/owner"
)

// whenUnreachable: the workspace cannot be called.
func whenUnreachable(in Input) (Plan, bool) {
	blocked := in.Observed.Blocked
	if blocked == nil {
		return Plan{}, false
	}
	if next, kept := in.keepReady(blocked); kept {
		return next, true
	}
	message := blocked.Text()
	if in.isDeleting() {
		message = blocked.Message
	}
	next := Plan{}
	if blocked.ByLists {
		next, _ = whenReconcileRequested(in)
	}
	next.Verdict, next.RequeueAt = managed.Verdict{Reason: blocked.Reason, Message: message, Stalled: blocked.Stalled}, blocked.RequeueAt
	return next, true
}

// keepReady returns the plan for a cluster that was Ready before an outage that does not
// affect it yet.
func (in Input) keepReady(blocked *managed.Blocked) (Plan, bool) {
	requeueAt, kept := blocked.KeepsReady(in.Now)
	return Plan{RequeueAt: requeueAt}, kept && HistoryOf(in.Cluster).WasReady && !in.isDeleting()
}

// whenHostChanged: the credentials name another workspace than the one that has the
// cluster. A read there would report the cluster as missing.
func whenHostChanged(in Input) (Plan, bool) {
	bound, now := in.Cluster.Status.Host, in.Observed.Host
	if bound == now {
		bound, now = in.Cluster.Status.WorkspaceID, in.Observed.WorkspaceID
	}
	if bound == "" || now == "" || bound == now {
		return Plan{}, false
	}
	return Plan{Verdict: managed.Verdict{
		Reason:  v1alpha1.ReasonHostChanged,
		Stalled: true,
		Message: fmt.Sprintf("the cluster is in %s, but the credentials now name %s; restore the host, "+
			"or delete this object with deletionPolicy: Retain and create it again", bound, now),
	}}, true
}

// whenOwnedElsewhere: the cluster belongs to another owner, or may not be managed. This
// includes a cluster that this object created, whose owner tag was changed since.
func whenOwnedElsewhere(in Input) (Plan, bool) {
	if in.isObserving() {
		return Plan{}, false
	}
	why := in.ownedElsewhere()
	if why == "" {
		return Plan{}, false
	}
	return Plan{Verdict: managed.Verdict{Reason: v1alpha1.ReasonAlreadyManaged, Stalled: true, Message: why}}, true
}

// ownedElsewhere returns why a cluster must not be managed; "": it may be managed.
func (in Input) ownedElsewhere() string {
	details := in.Observed.Details
	present := in.Observed.Presence == managed.Present
	tagged := present && in.isOwn(details.CustomTags[v1alpha1.OwnerTagKey])
	switch {
	case in.Observed.ManagedBy != "" && !tagged:
		return in.managedBy()
	case !present:
		return ""
	case slices.Contains(managedSources, details.ClusterSource):
		return fmt.Sprintf("cluster %s was created by a %s, and only that may change it; use managementPolicy: Observe", details.ClusterId, details.ClusterSource)
	}
	tag := databricks.PlainText(details.CustomTags[v1alpha1.OwnerTagKey])
	if tag == "" || in.isOwn(tag) || in.mayTakeOver(tag) {
		return ""
	}
	return fmt.Sprintf("cluster %s carries the owner tag %s of another object; to take it over, annotate this one with %s: %s",
		details.ClusterId, tag, v1alpha1.AnnotationTakeOver, tag)
}

// managedBy returns the message about the object that manages the cluster. It names no object of
// another namespace, which the reader may not be allowed to see.
func (in Input) managedBy() string {
	if !strings.HasPrefix(in.Observed.ManagedBy, in.Cluster.Namespace+"/") {
		return fmt.Sprintf("cluster %s is already managed by an object of another namespace; use managementPolicy: Observe, or have that object removed",
			in.clusterID())
	}
	return fmt.Sprintf("cluster %s is already managed by DatabricksCluster %s; remove one of the two", in.clusterID(), in.Observed.ManagedBy)
}

// clusterID returns the cluster of the object: the one in the status, else the one in the
// specification.
func (in Input) clusterID() string {
	return cmp.Or(in.Cluster.Status.ClusterID, in.Cluster.Spec.ClusterID)
}

// managedSources are the sources whose clusters Databricks manages.
var managedSources = []compute.ClusterSource{
	compute.ClusterSourceJob, compute.ClusterSourcePipeline, compute.ClusterSourcePipelineMaintenance,
}

// mayTakeOver reports whether the take-over annotation names the owner in the tag: the whole
// tag, the operator id, or the uid of the object.
func (in Input) mayTakeOver(tag string) bool {
	named := in.Cluster.Annotations[v1alpha1.AnnotationTakeOver]
	of := owner.Parse(tag)
	return named != "" && (named == tag || named == of.ID() || named == of.Operator || named == of.UID)
}

// whenWithoutFinalizer: nothing is created for an object that could vanish
// unnoticed. An observed cluster is never deleted, so its object may go.
func whenWithoutFinalizer(in Input) (Plan, bool) {
	observing := in.Cluster.Spec.ManagementPolicy == v1alpha1.ManagementPolicyObserve
	if observing || slices.Contains(in.Cluster.Finalizers, v1alpha1.FinalizerCluster) {
		return Plan{}, false
	}
	return Plan{Step: AddFinalizer{}, Verdict: creating()}, true
}

// whenAdopting: the specification names an existing cluster.
func whenAdopting(in Input) (Plan, bool) {
	named := in.Cluster.Spec.ClusterID
	if named == "" || in.Cluster.Status.ClusterID != "" {
		return Plan{}, false
	}
	switch in.Observed.Presence {
	case managed.Present:
		return Plan{Step: StoreClusterID{ClusterID: named, Source: AdoptedBySpec}}, true
	case managed.Missing, managed.Purged:
		return Plan{Verdict: managed.Verdict{
			Reason:  v1alpha1.ReasonAdoptionTargetNotFound,
			Stalled: true,
			Message: fmt.Sprintf("spec.clusterID %s does not exist in %s; correct it, or create the object again without it", named, in.Observed.Host),
		}}, true
	default:
		return in.awaitFirstRead("looking for cluster " + named), true
	}
}

// awaitFirstRead returns the plan until the first read of the cluster.
func (in Input) awaitFirstRead(message string) Plan {
	if failure := in.Observed.ReadFailure; failure != nil {
		return Plan{Verdict: failure.Verdict()}
	}
	return Plan{Verdict: managed.Verdict{Reason: v1alpha1.ReasonCreating, Message: message}}
}

// whenNotObserved: the status names a cluster that has not been read since it was required.
// The conditions stay as they are, except for a new generation.
func whenNotObserved(in Input) (Plan, bool) {
	if in.Observed.Presence != managed.Unknown {
		return Plan{}, false
	}
	failure := in.Observed.ReadFailure
	if failure != nil && in.Cluster.Status.State != "" {
		return whenReadsFail(in)
	}
	plan := Plan{RequeueAt: in.missingAcceptedAt()}
	if failure != nil {
		plan.Verdict = failure.Verdict()
		return plan, true
	}
	if in.Cluster.Status.State == "" {
		plan.Verdict = creating()
	}
	return plan, true
}

// whenGone: a GET found that the cluster does not exist.
func whenGone(in Input) (Plan, bool) {
	if in.Observed.Presence != managed.Missing && in.Observed.Presence != managed.Purged {
		return Plan{}, false
	}
	switch {
	case in.isAdopted():
		return Plan{Verdict: managed.Verdict{
			Reason:  v1alpha1.ReasonClusterPurged,
			Stalled: true,
			Message: fmt.Sprintf("the adopted cluster %s does not exist any more; it is not created again: "+
				"delete this object, or create it again without clusterID", in.Cluster.Status.ClusterID),
		}}, true
	case in.Observed.Presence == managed.Purged && !in.mustRecreate():
		return Plan{}, true
	}
	if until := in.delayedUntil(SubjectExistence); !until.IsZero() {
		return Plan{RequeueAt: until, Verdict: managed.Verdict{
			Reason:  v1alpha1.ReasonContended,
			Message: "the cluster was deleted elsewhere more than three times within an hour; the next create is delayed",
		}}, true
	}
	return in.createUnlessFound(fmt.Sprintf("cluster %s does not exist any more; creating it again", in.Cluster.Status.ClusterID)), true
}

// mustRecreate reports whether a purged cluster must be created again: because of its run
// policy, a request, or a changed specification.
func (in Input) mustRecreate() bool {
	asked, stored := in.requested(), in.Cluster.Status.Request
	mustStart := asked.Verb == v1alpha1.RequestStart && (stored == nil || stored.Value != asked.Value)
	return mustStart || in.changed() || in.runPolicy() == v1alpha1.RunPolicyRunning
}

// MissingAcceptedAt returns until when "missing" is not accepted for a cluster that was just
// created and never read; zero: it is accepted.
//
// firstSeen is when this process first observed the creation. It replaces the deadline of
// the creation, which another clock may have set; zero: unknown.
func MissingAcceptedAt(cluster *v1alpha1.DatabricksCluster, limits Limits, firstSeen time.Time) time.Time {
	creation := cluster.Status.Creation
	if creation == nil || creation.NotAfter == nil {
		return time.Time{}
	}
	return limits.creationOverAt(creation.NotAfter.Time, firstSeen)
}

// missingAcceptedAt returns when "missing" will be accepted; zero: it is accepted now.
func (in Input) missingAcceptedAt() time.Time {
	until := MissingAcceptedAt(in.Cluster, in.Limits, in.Attempts.CreationSeenAt)
	if in.Now.Before(until) {
		return until
	}
	return time.Time{}
}

// isAdopted reports whether the operator did not create the cluster.
func (in Input) isAdopted() bool {
	return in.Cluster.Spec.ClusterID != "" || in.Cluster.Status.Adopted
}

// whenReadsFail: the reads of the workspace fail. A transient failure does not affect Ready
// for ReadFailureGrace; a rejected credential affects it immediately.
func whenReadsFail(in Input) (Plan, bool) {
	failure := in.Observed.ReadFailure
	if failure == nil {
		return Plan{}, false
	}
	tooLong := in.Observed.ReadFailingSince.Add(managed.ReadFailureGrace)
	evaluated := in.Cluster.Status.ObservedGeneration == in.Cluster.Generation
	listed := in.Observed.ReadFailureOfCluster && in.Observed.Presence == managed.Present
	refused := !failure.MayPass() && !listed
	if refused || !evaluated || !in.Now.Before(tooLong) {
		return Plan{Verdict: failure.Verdict()}, true
	}
	if listed {
		return Plan{}, false
	}
	var plan Plan
	if in.Observed.Presence == managed.Present {
		plan, _ = whenChanging(in)
	}
	plan.RequeueAt = tooLong
	return plan, true
}

// whenChanging: the cluster is in a transition to another state.
func whenChanging(in Input) (Plan, bool) {
	verdict, changing := Changing(in.Observed.Details)
	if in.Cluster.Spec.ManagementPolicy == v1alpha1.ManagementPolicyObserve {
		return Plan{}, false
	}
	return Plan{Verdict: verdict}, changing
}

// Changing returns the verdict for a cluster in a transition; ok is false in a state that
// lasts.
func Changing(details *compute.ClusterDetails) (verdict managed.Verdict, ok bool) {
	reason, ok := transitions[details.State]
	if !ok {
		return managed.Verdict{}, false
	}
	if details.State == compute.StatePending && !hasRun(details) {
		reason = v1alpha1.ReasonCreating
	}
	return managed.Verdict{Reason: reason, Message: databricks.PlainText(details.StateMessage)}, true
}

// transitions are the states that a cluster leaves by itself. RESIZING is not among them,
// because the autoscaler of the platform resizes a running cluster at any time.
var transitions = map[compute.State]string{
	compute.StatePending:     v1alpha1.ReasonStarting,
	compute.StateRestarting:  v1alpha1.ReasonRestarting,
	compute.StateTerminating: v1alpha1.ReasonTerminating,
}

// hasRun reports whether the cluster ran before. The Spark context id survives a
// termination.
func hasRun(details *compute.ClusterDetails) bool { return details.SparkContextId != 0 }
