package plan

import (
	"slices"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

const (
	uid       = "8a5d6f3e-1111-4222-8333-944445555666"
	clusterID = "0318-151752-abed99"
	host      = "https://adb-1.azuredatabricks.net"
	principal = "me@example.com"
)

var (
	noon     = time.Date(2026, time.March, 18, 12, 0, 0, 0, time.UTC)
	limits   = Limits{CreateWindow: 20 * time.Second, RequestDeadline: 30 * time.Second, VisibilityGrace: time.Minute}
	ownerTag = drift.Tag{Key: v1alpha1.OwnerTagKey, Value: "0badcafe-" + uid}
)

// change sets one fact of a situation.
type change func(*Input)

// situation returns the facts of a new object that has its finalizer, in a workspace that
// responds, after some changes.
func situation(changes ...change) Input {
	in := Input{
		Cluster: &v1alpha1.DatabricksCluster{ObjectMeta: metav1.ObjectMeta{
			Namespace: "team", Name: "etl", UID: uid, Generation: 1,
			CreationTimestamp: metav1.NewTime(noon.Add(-time.Hour)),
			Finalizers:        []string{v1alpha1.FinalizerCluster},
		}},
		Observed: Observation{Host: host, Principal: principal, Owner: ownerTag, Credential: "first"},
		Limits:   limits,
		Now:      noon,
	}
	in.Cluster.Status.ObservedGeneration = 1
	for _, change := range changes {
		change(&in)
	}
	return in
}

func spec(set func(*v1alpha1.DatabricksClusterSpec)) change {
	return func(in *Input) { set(&in.Cluster.Spec) }
}

func deletionPolicy(policy v1alpha1.DeletionPolicy) change {
	return spec(func(s *v1alpha1.DatabricksClusterSpec) { s.DeletionPolicy = policy })
}

// observed changes the observation.
func observed(set func(*Observation)) change { return func(in *Input) { set(&in.Observed) } }

func deleted(in *Input) { in.Cluster.DeletionTimestamp = new(metav1.NewTime(noon)) }

func suspended(in *Input) { in.Cluster.Spec.Suspend = true }

func untagged(in *Input) { in.Observed.Owner = drift.Tag{} }

func withoutFinalizer(in *Input) { in.Cluster.Finalizers = nil }

// adopting sets an existing cluster in the specification.
func adopting(in *Input) { in.Cluster.Spec.ClusterID = clusterID }

func observing(in *Input) {
	adopting(in)
	in.Cluster.Spec.ManagementPolicy = v1alpha1.ManagementPolicyObserve
}

// owning sets a cluster in the status, which was read before.
func owning(in *Input) {
	in.Cluster.Status.ClusterID, in.Cluster.Status.Host = clusterID, host
	in.Cluster.Status.State = "RUNNING"
}

// pendingSince sets a pending creation that may be sent until 20 s after then.
func pendingSince(then time.Time) change {
	return func(in *Input) {
		in.Cluster.Status.Host = host
		in.Cluster.Status.Creation = &v1alpha1.CreationIntent{
			Token: uid + "-3", Incarnation: 3, Attempt: 2, NotAfter: new(metav1.NewTime(then.Add(limits.CreateWindow))),
		}
	}
}

// longPending is a creation that can be resolved.
var longPending = pendingSince(noon.Add(-time.Hour))

// is sets an existing cluster in a state.
func is(state compute.State, more ...func(*compute.ClusterDetails)) change {
	return func(in *Input) {
		details := &compute.ClusterDetails{ClusterId: clusterID, State: state, StateMessage: "why", SparkContextId: 7}
		for _, set := range more {
			set(details)
		}
		in.Observed.Presence, in.Observed.Details = managed.Present, details
	}
}

func gone(presence managed.Presence) change {
	return func(in *Input) { in.Observed.Presence = presence }
}

// searched sets complete lists that contain these clusters with the owner tag.
func searched(lists int, matches ...*compute.ClusterDetails) change {
	return func(in *Input) { in.Observed.Search = Search{CompleteLists: lists, Matches: matches} }
}

// match returns a cluster with the owner tag that this operator can have created.
func match(id string, more ...func(*compute.ClusterDetails)) *compute.ClusterDetails {
	details := &compute.ClusterDetails{
		ClusterId: id, CreatorUserName: principal, ClusterSource: compute.ClusterSourceApi, StartTime: noon.Add(-time.Hour).UnixMilli(),
		CustomTags: map[string]string{v1alpha1.OwnerTagKey: ownerTag.Value},
	}
	for _, set := range more {
		set(details)
	}
	return details
}

func did(step StepKind, ago time.Duration) change {
	return func(in *Input) {
		in.Attempts.Last = Attempt{Step: step, At: noon.Add(-ago), Generation: in.Cluster.Generation, Credential: in.Observed.Credential}
	}
}

func failed(step StepKind, class databricks.Class, ago time.Duration) change {
	return func(in *Input) {
		did(step, ago)(in)
		in.Attempts.Last.Failures, in.Attempts.Last.Failure = 1, &managed.Failure{Class: class, Message: "CODE: the message of the API"}
	}
}

func readsFail(class databricks.Class, ago time.Duration) change {
	return func(in *Input) {
		in.Observed.ReadFailure = &managed.Failure{Class: class, Message: "CODE: the message of the API"}
		in.Observed.ReadFailingSince = noon.Add(-ago)
	}
}

func unreachable(in *Input) {
	in.Observed.Host = ""
	in.Observed.Blocked = &managed.Blocked{Reason: v1alpha1.ReasonCredentialsNotReady, Message: "no Secret", RequeueAt: noon.Add(time.Minute)}
}

// outage is a workspace that has not answered the first call for some time.
func outage(lasting time.Duration) func(in *Input) {
	return func(in *Input) {
		in.Observed.Blocked = &managed.Blocked{
			Reason: v1alpha1.ReasonRetryingAfterError, Message: "503", RequeueAt: noon.Add(time.Minute),
			Outage: &managed.Outage{Failure: &managed.Failure{Class: databricks.ClassTransient, Message: "503"}, Since: noon.Add(-lasting)},
		}
	}
}

func otherHost(in *Input) { in.Observed.Host = "https://adb-2.azuredatabricks.net" }

// decide returns the plan after the GET that an update is based on.
func decide(in Input) Plan {
	next := Make(in)
	if read, ok := next.Step.(ReadSpec); ok {
		in.Attempts = in.Attempts.WithBase(read.Differences, in.Observed.SpecAt)
		in.Observed.SpecKnown = true
		return Make(in)
	}
	return next
}

// clusterOf returns the cluster of a step.
func clusterOf(step Step) string {
	switch step := step.(type) {
	case StoreClusterID:
		return step.ClusterID
	case RemoveFinalizer:
		return step.ClusterID
	case Terminate:
		return step.ClusterID
	case Unpin:
		return step.ClusterID
	case PermanentDelete:
		return step.ClusterID
	default:
		return ""
	}
}

// differencesOf returns the differences that a step corrects.
func differencesOf(step Step) []drift.Difference {
	switch step := step.(type) {
	case Update:
		return step.Differences
	case Resize:
		return step.Differences
	default:
		return nil
	}
}

// intentOf returns the intent of a Create; zero for other steps.
func intentOf(step Step) managed.Intent {
	create, _ := step.(Create)
	return create.Intent
}

// All reasons of verdicts, by the condition that they cause.
var (
	stalledReasons = []string{
		v1alpha1.ReasonInvalidSpec, v1alpha1.ReasonPolicyViolation, v1alpha1.ReasonAuthenticationFailed, v1alpha1.ReasonPermissionDenied,
		v1alpha1.ReasonQuotaExceeded, v1alpha1.ReasonCredentialsInvalid, v1alpha1.ReasonHostNotAllowed, v1alpha1.ReasonHostChanged,
		v1alpha1.ReasonAdoptionTargetNotFound, v1alpha1.ReasonAlreadyManaged, v1alpha1.ReasonDuplicateClusters, v1alpha1.ReasonClusterPurged,
		v1alpha1.ReasonImmutableField, v1alpha1.ReasonAutoterminationConflict, v1alpha1.ReasonStartFailed,
		v1alpha1.ReasonTerminatedUnexpectedly, v1alpha1.ReasonLibraryInstallFailed, v1alpha1.ReasonDeletionBlocked, v1alpha1.ReasonWriteRefused,
		v1alpha1.ReasonReferenceNotFound, v1alpha1.ReasonNoMatch,
	}
	reconcilingReasons = []string{
		v1alpha1.ReasonCreating, v1alpha1.ReasonStarting, v1alpha1.ReasonUpdating, v1alpha1.ReasonResizing, v1alpha1.ReasonRestarting,
		v1alpha1.ReasonTerminating, v1alpha1.ReasonInstallingLibraries, v1alpha1.ReasonDeleting, v1alpha1.ReasonRetryingAfterError,
		v1alpha1.ReasonRateLimited, v1alpha1.ReasonCredentialsNotReady, v1alpha1.ReasonUnknownState, v1alpha1.ReasonContended,
	}
	otherReasons = []string{
		v1alpha1.ReasonRunning, v1alpha1.ReasonTerminatedNormally, v1alpha1.ReasonTerminatedByRunPolicy, v1alpha1.ReasonObserved,
		v1alpha1.ReasonChangesDeferred, v1alpha1.ReasonDriftTolerated, v1alpha1.ReasonPurged, v1alpha1.ReasonSuspended,
	}
)

// hasKnownReason reports whether the reason of a verdict exists and matches Stalled.
func hasKnownReason(verdict managed.Verdict) bool {
	switch {
	case verdict.Reason == "":
		return verdict == managed.Verdict{}
	case verdict.Stalled:
		return slices.Contains(stalledReasons, verdict.Reason)
	default:
		return slices.Contains(reconcilingReasons, verdict.Reason) || slices.Contains(otherReasons, verdict.Reason)
	}
}
