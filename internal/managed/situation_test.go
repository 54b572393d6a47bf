package managed_test

import (
	"maps"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/diff"
	"github.com/databricks-operator/databricks-operator/internal/instancepool"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/owner"
)

// noon is the present time of every situation.
var noon = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

const (
	poolID   = "0101-120000-pool1"
	operator = "0a1b2c3d"
	uid      = types.UID("11111111-2222-3333-4444-555555555555")
)

// change is one fact in which a situation differs from another.
type change func(in *managed.Input)

// situation returns the facts about a pool that exists as declared, with changes.
func situation(changes ...change) managed.Input {
	pool := &v1alpha1.DatabricksInstancePool{ObjectMeta: metav1.ObjectMeta{
		Namespace: "team-a", Name: "warm", UID: uid, Generation: 1, Finalizers: []string{v1alpha1.FinalizerPool},
		CreationTimestamp: metav1.NewTime(noon.Add(-24 * time.Hour)),
	}}
	pool.Spec.NodeTypeID = "i3.xlarge"
	pool.Spec.MaxCapacity = new(int32(3))
	pool.Status.PoolID, pool.Status.Host, pool.Status.ObservedGeneration = poolID, "https://example.cloud.databricks.com", 1
	in := managed.Input{
		Kind: instancepool.Kind, Object: instancepool.Kind.View(pool), Now: noon,
		Owner:  owner.Of(operator, string(uid), "team-a", "warm").Tag(),
		Limits: managed.Limits{CreateWindow: 10 * time.Second, RequestDeadline: 30 * time.Second, VisibilityGrace: 30 * time.Second},
		Observed: managed.Observation{
			Host: "https://example.cloud.databricks.com", Principal: "operator@example.com", Credential: "first", ListedAt: noon,
			Presence: managed.Present,
		},
		Attempts: managed.Attempts{GenerationSeenAt: noon.Add(-time.Hour)},
	}
	in.Desired, _ = in.Kind.Fields.Declared(in.Object.Declared)
	in.Observed.Remote = remote(in, nil)
	status := in.Object.Status
	status.OwnedFields, status.AppliedDigest = in.Kind.Fields.Owned(in.Desired), in.Kind.Fields.Digest(in.Desired)
	for _, apply := range changes {
		apply(&in)
	}
	in.Desired, _ = in.Kind.Fields.Declared(in.Object.Declared)
	in.Compared = managed.Compare(in)
	return in
}

// remote returns a GET of the pool of a situation, with changed members.
func remote(in managed.Input, members map[string]any) *managed.Remote {
	tree := in.Desired.Clone()
	tree["instance_pool_id"], tree["instance_pool_name"] = poolID, "team-a-warm"
	tree["custom_tags"] = map[string]any{v1alpha1.PoolOwnerTagKey: in.Owner}
	tree["enable_elastic_disk"], tree["state"] = true, "ACTIVE"
	maps.Copy(tree, members)
	return &managed.Remote{ID: poolID, Name: "team-a-warm", Tree: tree, At: noon, FromGet: true}
}

func pool(in *managed.Input) *v1alpha1.DatabricksInstancePool {
	found, _ := in.Object.Resource.(*v1alpha1.DatabricksInstancePool)
	return found
}

// differing changes members of the pool in the workspace.
func differing(members map[string]any) change {
	return func(in *managed.Input) { in.Observed.Remote = remote(*in, members) }
}

func deleting(in *managed.Input) {
	in.Object.SetDeletionTimestamp(&metav1.Time{Time: noon})
	in.Attempts.DeletionSeenAt = noon
	in.Observed.Users = managed.Users{Known: true}
}

func missing(in *managed.Input) { in.Observed.Presence, in.Observed.Remote = managed.Missing, nil }

func unknown(in *managed.Input) { in.Observed.Presence, in.Observed.Remote = managed.Unknown, nil }

func suspended(in *managed.Input) { in.Object.Spec.Suspend = true }

func observing(in *managed.Input) {
	in.Object.Spec.ManagementPolicy = v1alpha1.ManagementPolicyObserve
	in.Object.SetFinalizers(nil)
}

func adopted(in *managed.Input) { in.Object.Status.Adopted = true }

// fresh is an object that has nothing in the workspace yet.
func fresh(in *managed.Input) {
	*in.Object.ID = ""
	status := in.Object.Status
	status.Host, status.AppliedDigest, status.OwnedFields, status.ObservedGeneration = "", "", nil, 0
	unknown(in)
}

// pending is an object with a creation whose result is unknown; its deadline was seconds ago.
func pending(ago time.Duration) change {
	return func(in *managed.Input) {
		fresh(in)
		notAfter := metav1.NewTime(noon.Add(-ago))
		in.Object.Status.Name = "team-a-warm"
		in.Object.Status.Creation = &v1alpha1.CreationIntent{Token: "t-1", Incarnation: 1, Attempt: 1, NotAfter: &notAfter}
	}
}

// renamed declares another name.
func renamed(in *managed.Input) {
	pool(in).Spec.InstancePoolName = "other"
	in.Object = in.Kind.View(in.Object.Resource)
}

// named is a pool in the workspace with the target name and an owner tag.
func named(tag string) change {
	return func(in *managed.Input) {
		in.Observed.Named = &managed.Remote{ID: "other", Name: "team-a-warm", Tree: diff.Tree{
			"instance_pool_name": "team-a-warm", "custom_tags": map[string]any{v1alpha1.PoolOwnerTagKey: tag},
		}, At: noon}
	}
}

// failed is a step that failed some time ago.
func failed(step managed.StepKind, class databricks.Class, ago time.Duration) change {
	return func(in *managed.Input) {
		in.Attempts = in.Attempts.Recorded(managed.Attempt{
			Step: step, Failure: &managed.Failure{Class: class, Message: "m"}, At: noon.Add(-ago), Generation: 1, Credential: "first",
		})
	}
}
