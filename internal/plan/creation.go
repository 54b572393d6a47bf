package plan

import (
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// clockSkew is how far a workspace's clock may be behind ours.
const clockSkew = 5 * time.Minute

// enoughLists is how many complete lists must agree that nothing was created:
// one list can miss a cluster that moved between its pages.
const enoughLists = 2

// pending tells that a creation was begun and its end is not known.
func pending(cluster *v1alpha1.DatabricksCluster) bool {
	creation := cluster.Status.Creation
	return creation != nil && creation.Token != "" && cluster.Status.ClusterID == ""
}

// ResolveAt is when a lost creation may be looked for: whoever might have sent
// it has stopped by then, and what was created has become visible. It is zero
// where no creation is pending.
func ResolveAt(cluster *v1alpha1.DatabricksCluster, limits Limits) time.Time {
	if !pending(cluster) {
		return time.Time{}
	}
	return deadline(cluster).Add(limits.RequestDeadline + limits.VisibilityGrace)
}

// deadline is until when a pending creation may be sent. An intent without one
// is not of this operator's making; it is no older than its object.
func deadline(cluster *v1alpha1.DatabricksCluster) time.Time {
	if notAfter := cluster.Status.Creation.NotAfter; notAfter != nil {
		return notAfter.Time
	}
	return cluster.CreationTimestamp.Time
}

// Token is the idempotency token of one incarnation of an object. It is the
// second net against a double, never the only one: at most 64 characters.
func Token(cluster *v1alpha1.DatabricksCluster, incarnation int64) string {
	return fmt.Sprintf("%s-%d", cluster.UID, incarnation)
}

// whenLearned: this process created a cluster and could not yet persist its id.
func whenLearned(in Input) (Plan, bool) {
	if !pending(in.Cluster) || in.Last.ClusterID == "" || in.Last.Token != in.Cluster.Status.Creation.Token {
		return Plan{}, false
	}
	verdict := creating()
	if in.isLeaving() {
		verdict = deleting()
	}
	return Plan{Step: StepRecord, ClusterID: in.Last.ClusterID, Verdict: verdict}, true
}

// whenResolving: a creation was begun by an earlier process, or its answer was
// lost. Nothing may be created before it is certain that nothing was.
func whenResolving(in Input) (Plan, bool) {
	if !pending(in.Cluster) {
		return Plan{}, false
	}
	verdict := Verdict{Reason: v1alpha1.ReasonCreating, Message: "finding out whether an earlier create call made a cluster"}
	if in.isLeaving() {
		verdict.Reason = v1alpha1.ReasonDeleting
	}
	if at := ResolveAt(in.Cluster, in.Limits); in.Now.Before(at) {
		return Plan{Verdict: verdict, Again: at}, true
	}
	if in.World.Owner.Key == "" {
		return repeatCreation(in, verdict), true
	}
	matches := in.ours()
	switch {
	case len(matches) == 1:
		return Plan{Step: StepRecord, ClusterID: matches[0], Found: true, Verdict: verdict}, true
	case len(matches) > 1:
		return Plan{Verdict: in.duplicates(matches)}, true
	case in.World.Search.CompleteLists < enoughLists:
		return Plan{Verdict: verdict}, true
	case in.isLeaving():
		return Plan{Step: StepRelease}, true
	default:
		return repeatCreation(in, verdict), true
	}
}

// duplicates is the verdict on several clusters of one object.
func (in Input) duplicates(ids []string) Verdict {
	const shown = 10
	named := strings.Join(ids[:min(len(ids), shown)], ", ")
	if len(ids) > shown {
		named += ", …"
	}
	return in.withWayOut(Verdict{
		Reason:  v1alpha1.ReasonDuplicateClusters,
		Stalled: true,
		Message: fmt.Sprintf("%d clusters carry this object's owner tag: %s; delete all but one in the workspace", len(ids), named),
	})
}

// repeatCreation tries the same creation again: the same token, so that an
// active cluster made by the lost call is returned rather than doubled.
func repeatCreation(in Input, verdict Verdict) Plan {
	creation := in.Cluster.Status.Creation
	return in.do(Plan{
		Step:    StepCreate,
		Verdict: verdict,
		Intent: Intent{
			Token:       creation.Token,
			Incarnation: creation.Incarnation,
			Attempt:     creation.Attempt + 1,
			NotAfter:    in.Now.Add(in.Limits.CreateWindow),
		},
	})
}

// ours are the matches that only we can have made: a tag alone can be forged.
func (in Input) ours() []string {
	earliest := deadline(in.Cluster).Add(-in.Limits.CreateWindow - clockSkew)
	var ids []string
	for _, match := range in.World.Search.Matches {
		byUs := match.CreatorUserName == in.World.Principal && match.ClusterSource == compute.ClusterSourceApi
		if byUs && !time.UnixMilli(match.StartTime).Before(earliest) {
			ids = append(ids, databricks.PlainText(match.ClusterId))
		}
	}
	sort.Strings(ids)
	return ids
}

// whenUncreated: the object has no cluster yet.
func whenUncreated(in Input) (Plan, bool) {
	if in.Cluster.Status.ClusterID != "" {
		return Plan{}, false
	}
	return in.create(creating().Message), true
}

// create begins a new incarnation.
func (in Input) create(message string) Plan {
	incarnation := int64(1)
	if creation := in.Cluster.Status.Creation; creation != nil {
		incarnation = creation.Incarnation + 1
	}
	return in.do(Plan{
		Step:    StepCreate,
		Verdict: Verdict{Reason: v1alpha1.ReasonCreating, Message: message},
		Intent: Intent{
			Token:       Token(in.Cluster, incarnation),
			Incarnation: incarnation,
			Attempt:     1,
			NotAfter:    in.Now.Add(in.Limits.CreateWindow),
		},
	})
}

func creating() Verdict {
	return Verdict{Reason: v1alpha1.ReasonCreating, Message: "the cluster is being created"}
}
