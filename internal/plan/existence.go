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
)

// readsFailTooLong is how long a workspace's reads may fail before that takes
// Ready away from a cluster that was healthy when last seen.
const readsFailTooLong = 15 * time.Minute

// whenUnreachable: there is no workspace to speak to.
func whenUnreachable(in Input) (Plan, bool) {
	blocked := in.Observed.Blocked
	if blocked == nil {
		return Plan{}, false
	}
	return Plan{Verdict: Verdict{Reason: blocked.Reason, Message: blocked.Message, Stalled: blocked.Stalled}, RequeueAt: blocked.RequeueAt}, true
}

// whenHostChanged: the credentials name another workspace than the one the
// cluster was created in. There the cluster is not missing; it never was.
func whenHostChanged(in Input) (Plan, bool) {
	bound, now := in.Cluster.Status.Host, in.Observed.Host
	if bound == now {
		bound, now = in.Cluster.Status.WorkspaceID, in.Observed.WorkspaceID
	}
	if bound == "" || now == "" || bound == now {
		return Plan{}, false
	}
	return Plan{Verdict: Verdict{
		Reason:  v1alpha1.ReasonHostChanged,
		Stalled: true,
		Message: fmt.Sprintf("the cluster is in %s, but the credentials now name %s; restore the host, "+
			"or delete this object with deletionPolicy: Retain and create it again", bound, now),
	}}, true
}

// whenNotOurs: the cluster belongs to another owner, or may not be managed. That
// holds for a cluster that this object made, too: its owner tag may have been taken
// over since.
func whenNotOurs(in Input) (Plan, bool) {
	if in.observes() {
		return Plan{}, false
	}
	why := in.ownedElsewhere()
	if why == "" {
		return Plan{}, false
	}
	return Plan{Verdict: Verdict{Reason: v1alpha1.ReasonAlreadyManaged, Stalled: true, Message: why}}, true
}

// ownedElsewhere is why a cluster is not to be managed; "" if it is.
func (in Input) ownedElsewhere() string {
	details := in.Observed.Details
	present := in.Observed.Presence == Present
	tagged := present && details.CustomTags[v1alpha1.OwnerTagKey] == in.Observed.Owner.Value && in.Observed.Owner.Value != ""
	switch {
	case in.Observed.ManagedBy != "" && !tagged:
		return fmt.Sprintf("cluster %s is already managed by DatabricksCluster %s; remove one of the two", in.clusterID(), in.Observed.ManagedBy)
	case !present:
		return ""
	case slices.Contains(madeByMachines, details.ClusterSource):
		return fmt.Sprintf("cluster %s was created by a %s, and only that may change it; use managementPolicy: Observe", details.ClusterId, details.ClusterSource)
	}
	tag := databricks.PlainText(details.CustomTags[v1alpha1.OwnerTagKey])
	if tag == "" || tag == in.Observed.Owner.Value || in.takesOver(tag) {
		return ""
	}
	return fmt.Sprintf("cluster %s carries the owner tag %s of another object; to take it over, annotate this one with %s: %s",
		details.ClusterId, tag, v1alpha1.AnnotationTakeOver, tag)
}

// clusterID is the object's cluster: the one on record, else the one it names.
func (in Input) clusterID() string {
	return cmp.Or(in.Cluster.Status.ClusterID, in.Cluster.Spec.ClusterID)
}

// madeByMachines are the sources whose clusters have a manager of their own.
var madeByMachines = []compute.ClusterSource{
	compute.ClusterSourceJob, compute.ClusterSourcePipeline, compute.ClusterSourcePipelineMaintenance,
}

// takesOver tells that a person allowed to take the cluster from the owner that
// the tag names: the whole tag, the operator id, or the object's uid.
func (in Input) takesOver(tag string) bool {
	named := in.Cluster.Annotations[v1alpha1.AnnotationTakeOver]
	operator, uid, _ := strings.Cut(tag, "-")
	return named != "" && (named == tag || named == operator || named == uid)
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

// whenBinding: the specification names an existing cluster.
func whenBinding(in Input) (Plan, bool) {
	named := in.Cluster.Spec.ClusterID
	if named == "" || in.Cluster.Status.ClusterID != "" {
		return Plan{}, false
	}
	switch in.Observed.Presence {
	case Present:
		bound := Plan{Step: StoreClusterID{ClusterID: named, Source: AdoptedBySpec}}
		if !in.Observed.Compared && in.Observed.Desired != nil {
			bound.Verdict = notYetCompared()
		}
		return bound, true
	case Missing, Purged:
		return Plan{Verdict: Verdict{
			Reason:  v1alpha1.ReasonAdoptionTargetNotFound,
			Stalled: true,
			Message: fmt.Sprintf("spec.clusterID %s does not exist in %s; correct it, or create the object anew without it", named, in.Observed.Host),
		}}, true
	default:
		return in.lookingFor("looking for cluster " + named), true
	}
}

// lookingFor is the plan while a first look is under way.
func (in Input) lookingFor(message string) Plan {
	if failure := in.Observed.ReadFailure; failure != nil {
		return Plan{Verdict: failure.Verdict()}
	}
	return Plan{Verdict: Verdict{Reason: v1alpha1.ReasonCreating, Message: message}}
}

// whenNotObserved: the cluster exists on record, and nobody has looked at it since
// it mattered. What was known last stays told, but for a new generation.
func whenNotObserved(in Input) (Plan, bool) {
	if in.Observed.Presence != Unknown {
		return Plan{}, false
	}
	failure := in.Observed.ReadFailure
	if failure != nil && in.Cluster.Status.State != "" {
		return whenReadsAreRefused(in)
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

// whenGone: a GET said that the cluster does not exist.
func whenGone(in Input) (Plan, bool) {
	if in.Observed.Presence != Missing && in.Observed.Presence != Purged {
		return Plan{}, false
	}
	switch {
	case in.adopted():
		return Plan{Verdict: Verdict{
			Reason:  v1alpha1.ReasonClusterPurged,
			Stalled: true,
			Message: fmt.Sprintf("the adopted cluster %s does not exist any more; it is not created again: "+
				"delete this object, or create it again without clusterID", in.Cluster.Status.ClusterID),
		}}, true
	case in.Observed.Presence == Purged && !in.isWantedAgain():
		return Plan{}, true
	}
	if until := in.heldBack(SubjectExistence); !until.IsZero() {
		return Plan{RequeueAt: until, Verdict: Verdict{
			Reason:  v1alpha1.ReasonContended,
			Message: "the cluster was deleted elsewhere more than three times within an hour; the next create is delayed",
		}}, true
	}
	return in.createUnlessFound(fmt.Sprintf("cluster %s does not exist any more; creating it again", in.Cluster.Status.ClusterID)), true
}

// isWantedAgain tells a purged cluster that is wanted: by its run policy, by a
// request, or by a changed specification.
func (in Input) isWantedAgain() bool {
	annotation, noted := in.Cluster.Annotations[v1alpha1.AnnotationRequest], in.Cluster.Status.Request
	asked := verbOf(annotation) == v1alpha1.RequestStart && (noted == nil || noted.Value != annotation)
	return asked || in.changed() || in.Cluster.Spec.RunPolicy == v1alpha1.RunPolicyRunning
}

// MissingAcceptedAt is how long "missing" is not believed of a cluster that was just
// created and has never been seen; zero once it was.
//
// firstSeen is when this process first saw that creation. It takes the place of the
// creation's deadline, which another clock may have set; zero: it is not known.
func MissingAcceptedAt(cluster *v1alpha1.DatabricksCluster, limits Limits, firstSeen time.Time) time.Time {
	creation := cluster.Status.Creation
	if creation == nil || creation.NotAfter == nil {
		return time.Time{}
	}
	return limits.settledAt(creation.NotAfter.Time, firstSeen)
}

// missingAcceptedAt is when "missing" will be believed; zero if it is already.
func (in Input) missingAcceptedAt() time.Time {
	until := MissingAcceptedAt(in.Cluster, in.Limits, in.Attempts.CreationSeenAt)
	if in.Now.Before(until) {
		return until
	}
	return time.Time{}
}

// adopted tells a cluster that we did not make.
func (in Input) adopted() bool {
	return in.Cluster.Spec.ClusterID != "" || in.Cluster.Status.Adopted
}

// refusals are the failures that do not pass by themselves.
var refusals = []databricks.Class{databricks.ClassUnauthenticated, databricks.ClassForbidden, databricks.ClassHost}

// whenReadsAreRefused: the workspace does not answer, or refuses to. A passing
// failure does not take Ready away; a refused credential does at once.
func whenReadsAreRefused(in Input) (Plan, bool) {
	failure := in.Observed.ReadFailure
	if failure == nil {
		return Plan{}, false
	}
	tooLong := in.Observed.ReadFailingSince.Add(readsFailTooLong)
	evaluated := in.Cluster.Status.ObservedGeneration == in.Cluster.Generation
	listed := in.Observed.ReadFailureOfCluster && in.Observed.Presence == Present
	refused := slices.Contains(refusals, failure.Class) && !listed
	if refused || !evaluated || !in.Now.Before(tooLong) {
		return Plan{Verdict: failure.Verdict()}, true
	}
	if listed {
		return Plan{}, false
	}
	var plan Plan
	if in.Observed.Presence == Present {
		plan, _ = whenChanging(in)
	}
	plan.RequeueAt = tooLong
	return plan, true
}

// whenChanging: the cluster is on its way to another state.
func whenChanging(in Input) (Plan, bool) {
	verdict, changing := Changing(in.Observed.Details)
	if in.Cluster.Spec.ManagementPolicy == v1alpha1.ManagementPolicyObserve {
		return Plan{}, false
	}
	return Plan{Verdict: verdict}, changing
}

// Changing is what to tell of a cluster on its way to another state; ok is false
// in a state that it may stay in.
func Changing(details *compute.ClusterDetails) (verdict Verdict, ok bool) {
	reason, ok := transitions[details.State]
	if !ok {
		return Verdict{}, false
	}
	if details.State == compute.StatePending && !everRan(details) {
		reason = v1alpha1.ReasonCreating
	}
	return Verdict{Reason: reason, Message: databricks.PlainText(details.StateMessage)}, true
}

// transitions are the states that a cluster does not stay in. RESIZING is none
// of them: the platform's own autoscaler moves a running cluster in and out.
var transitions = map[compute.State]string{
	compute.StatePending:     v1alpha1.ReasonStarting,
	compute.StateRestarting:  v1alpha1.ReasonRestarting,
	compute.StateTerminating: v1alpha1.ReasonTerminating,
}

// everRan tells a start from the first launch: the Spark context stays known
// over a stop.
func everRan(details *compute.ClusterDetails) bool { return details.SparkContextId != 0 }
