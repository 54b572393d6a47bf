package plan

import (
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/owner"
)

// The rules of this file create a cluster exactly once: a persisted intent comes before the
// call, and after a lost response a search or the same token comes before the next call
// (docs/decisions/0018-exactly-once-creation.md).

// clockSkew is how far the clocks of operator processes, the API server and the
// workspace may be apart beyond what is measured: 15 minutes, and a minute to spare.
const clockSkew = 16 * time.Minute

// enoughLists is how many complete lists must agree that nothing was created:
// one list can miss a cluster that moved between its pages.
const enoughLists = 2

// pending reports whether a creation was started and its result is unknown.
func pending(cluster *v1alpha1.DatabricksCluster) bool {
	creation := cluster.Status.Creation
	return creation != nil && creation.Token != "" && cluster.Status.ClusterID == ""
}

// ResolveAt returns when the result of an unresolved creation can be determined: the
// request can no longer be in flight, and its cluster would be visible. It is zero if no
// creation is pending.
//
// firstSeen is when this process first observed the creation. The create is sent no later
// than the window after that, independent of the clock that set the deadline; zero:
// unknown, and the deadline applies.
func ResolveAt(cluster *v1alpha1.DatabricksCluster, limits Limits, firstSeen time.Time) time.Time {
	if !pending(cluster) {
		return time.Time{}
	}
	return limits.creationOverAt(deadline(cluster), firstSeen)
}

// creationOverAt returns when a create can no longer be in flight and its cluster is
// visible.
func (l Limits) creationOverAt(deadline, firstSeen time.Time) time.Time {
	if !firstSeen.IsZero() {
		deadline = firstSeen.Add(l.CreateWindow)
	}
	return deadline.Add(l.RequestDeadline + l.VisibilityGrace)
}

// NeedsSearch reports whether the owner tag must be searched for before a create, because
// an earlier create may have created a cluster whose id was not stored. presence is that
// of the cluster in the status.
func NeedsSearch(cluster *v1alpha1.DatabricksCluster, presence managed.Presence, origin Origin) bool {
	adopts := cluster.Spec.ClusterID != "" || cluster.Status.Adopted
	switch {
	case pending(cluster):
		return true
	case cluster.Spec.ManagementPolicy == v1alpha1.ManagementPolicyObserve || adopts || !cluster.DeletionTimestamp.IsZero():
		return false
	case cluster.Status.ClusterID == "":
		return origin == OlderThanProcess
	default:
		return presence == managed.Missing || presence == managed.Purged
	}
}

// Origin is whether an object existed before this process.
type Origin int

// The origins of an object.
const (
	CreatedSinceStart Origin = iota
	OlderThanProcess
)

// deadline returns until when a pending creation may be sent. This operator writes no
// intent without a deadline; such an intent is no older than its object.
func deadline(cluster *v1alpha1.DatabricksCluster) time.Time {
	if notAfter := cluster.Status.Creation.NotAfter; notAfter != nil {
		return notAfter.Time
	}
	return cluster.CreationTimestamp.Time
}

// Token returns the idempotency token of one incarnation of an object, at most 64
// characters. It is the second protection against a duplicate, never the only one.
func Token(cluster *v1alpha1.DatabricksCluster, incarnation int64) string {
	return fmt.Sprintf("%s-%d", cluster.UID, incarnation)
}

// whenCreatedButNotStored: this process created a cluster and could not store its id yet.
func whenCreatedButNotStored(in Input) (Plan, bool) {
	if !pending(in.Cluster) || in.Attempts.Last.ClusterID == "" || in.Attempts.Last.Token != in.Cluster.Status.Creation.Token {
		return Plan{}, false
	}
	if attempt := in.Attempts.Last.CreateAttempt; attempt != 0 && attempt != in.Cluster.Status.Creation.Attempt {
		// Another leader has made an attempt since; a search for the tag finds both clusters.
		return Plan{}, false
	}
	verdict := creating()
	if in.isDeleting() {
		verdict = deleting()
	}
	return Plan{Step: StoreClusterID{ClusterID: in.Attempts.Last.ClusterID, Source: CreatedByProcess}, Verdict: verdict}, true
}

// whenResolving: an earlier process started a creation, or its response was lost. No
// cluster may be created before it is certain that none was.
func whenResolving(in Input) (Plan, bool) {
	if !pending(in.Cluster) {
		return Plan{}, false
	}
	verdict := managed.Verdict{Reason: v1alpha1.ReasonCreating, Message: "checking whether an earlier create call created a cluster"}
	if in.isDeleting() {
		verdict.Reason = v1alpha1.ReasonDeleting
	}
	if at := ResolveAt(in.Cluster, in.Limits, in.Attempts.CreationSeenAt); in.Now.Before(at) {
		return Plan{Verdict: verdict, RequeueAt: at}, true
	}
	if in.Observed.Owner.Key == "" {
		return repeatCreation(in, verdict), true
	}
	matches := in.ownMatches()
	switch {
	case len(matches) > 1:
		return Plan{Verdict: in.duplicates(matches)}, true
	case len(matches) == 1:
		return Plan{Step: StoreClusterID{ClusterID: matches[0], Source: FoundByTag}, Verdict: verdict}, true
	case in.Observed.Search.CompleteLists < enoughLists:
		return Plan{Verdict: verdict}, true
	case in.isDeleting():
		return Plan{Step: RemoveFinalizer{}}, true
	default:
		return repeatCreation(in, verdict), true
	}
}

// duplicates returns the verdict for several clusters of one object.
func (in Input) duplicates(ids []string) managed.Verdict {
	const shown = 10
	named := strings.Join(ids[:min(len(ids), shown)], ", ")
	if len(ids) > shown {
		named += ", …"
	}
	return in.withRemedy(managed.Verdict{
		Reason:  v1alpha1.ReasonDuplicateClusters,
		Stalled: true,
		Message: fmt.Sprintf("%d clusters carry this object's owner tag: %s; delete all but one in the workspace", len(ids), named),
	})
}

// repeatCreation returns a plan that sends the same creation again. It has the same token,
// so that Databricks returns the cluster of the lost call instead of a duplicate.
func repeatCreation(in Input, verdict managed.Verdict) Plan {
	creation := in.Cluster.Status.Creation
	return in.withBackoff(Plan{Verdict: verdict, Step: Create{managed.Intent{
		Token:       creation.Token,
		Incarnation: creation.Incarnation,
		Attempt:     creation.Attempt + 1,
		NotAfter:    in.Now.Add(in.Limits.CreateWindow),
	}}})
}

// ownMatches returns the ids of the matches that only this operator can have created,
// because a tag alone can be forged.
func (in Input) ownMatches() []string {
	// The start has the time of the workspace, the intent that of the process that wrote it.
	started := in.Cluster.CreationTimestamp.Time
	if pending(in.Cluster) {
		started = deadline(in.Cluster).Add(-in.Limits.CreateWindow)
	}
	earliest := started.Add(min(in.Observed.ClockSkew, 0) - clockSkew)
	var ids []string
	for _, match := range in.Observed.Search.Matches {
		isOwn := match.CreatorUserName == in.Observed.Principal && match.ClusterSource == compute.ClusterSourceApi &&
			owner.Parse(match.CustomTags[v1alpha1.OwnerTagKey]).ID() == owner.Parse(in.Observed.Owner.Value).ID()
		if match.ClusterId == in.Cluster.Status.ClusterID {
			continue // a list may still show a cluster that a GET found to be missing
		}
		if isOwn && !time.UnixMilli(match.StartTime).Before(earliest) {
			ids = append(ids, databricks.PlainText(match.ClusterId))
		}
	}
	sort.Strings(ids)
	return ids
}

// whenNotCreated: the object has no cluster yet.
func whenNotCreated(in Input) (Plan, bool) {
	if in.Cluster.Status.ClusterID != "" {
		return Plan{}, false
	}
	if in.Adoption.searchesFor(in.Cluster) {
		return in.adoptOrCreate(), true
	}
	if !in.SearchFirst {
		return in.create(creating().Message), true
	}
	return in.createUnlessFound(creating().Message), true
}

// createUnlessFound returns a plan that starts a new incarnation once complete lists show
// no cluster of this object. Without an owner tag there is no search.
func (in Input) createUnlessFound(message string) Plan {
	if in.Observed.Owner.Key == "" {
		return in.create(message)
	}
	verdict := managed.Verdict{Reason: v1alpha1.ReasonCreating, Message: message + ", after a search for one that was created for this object earlier"}
	matches := in.ownMatches()
	switch {
	case len(matches) > 1:
		return Plan{Verdict: in.duplicates(matches)}
	case len(matches) == 1:
		return Plan{Step: StoreClusterID{ClusterID: matches[0], Source: FoundByTag}, Verdict: verdict}
	case in.Observed.Search.CompleteLists >= enoughLists || in.Cluster.Spec.Suspend:
		return in.create(message)
	case in.Observed.ReadFailure != nil:
		return Plan{Verdict: in.Observed.ReadFailure.Verdict()}
	default:
		return Plan{Verdict: verdict}
	}
}

// create returns a plan that starts a new incarnation.
func (in Input) create(message string) Plan {
	incarnation := int64(1)
	if creation := in.Cluster.Status.Creation; creation != nil {
		incarnation = creation.Incarnation + 1
	}
	verdict := managed.Verdict{Reason: v1alpha1.ReasonCreating, Message: message}
	return in.withBackoff(Plan{Verdict: verdict, Step: Create{managed.Intent{
		Token:       Token(in.Cluster, incarnation),
		Incarnation: incarnation,
		Attempt:     1,
		NotAfter:    in.Now.Add(in.Limits.CreateWindow),
	}}})
}

func creating() managed.Verdict {
	return managed.Verdict{Reason: v1alpha1.ReasonCreating, Message: "the cluster is being created"}
}
