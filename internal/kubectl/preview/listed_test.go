package preview_test

import (
	"encoding/json"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/diff"
	"github.com/databricks-operator/databricks-operator/internal/instancepool"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/preview"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

const poolID = "0101-000000-pool1-pool-aaaaaaaa"

// pooling returns the input for a pool that adopts an item with the capacity 10.
func pooling(change func(in *preview.ListedInput, pool *v1alpha1.DatabricksInstancePool)) preview.ListedInput {
	pool := &v1alpha1.DatabricksInstancePool{ObjectMeta: metav1.ObjectMeta{Name: "small", Namespace: "team", UID: "uid", Generation: 1}}
	pool.Spec.PoolID, pool.Spec.NodeTypeID, pool.Spec.MaxCapacity = poolID, "i3.xlarge", new(int32(10))
	item := databricks.Item{ID: poolID, Name: "small", JSON: json.RawMessage(
		`{"instance_pool_id":"` + poolID + `","instance_pool_name":"small","node_type_id":"i3.xlarge","max_capacity":10,"state":"ACTIVE"}`)}
	in := preview.ListedInput{
		Kind: instancepool.Kind, Object: pool, Now: time.Date(2026, time.November, 28, 1, 2, 3, 0, time.UTC), OperatorID: "0a1b2c3d",
		Facts: preview.ListedFacts{
			Host: "https://a.cloud.databricks.com", Principal: databricks.Principal{ID: "1", UserName: "me@example.com"}, Presence: managed.Present, Item: item,
		},
	}
	change(&in, pool)
	return in
}

// absent makes the pool one that is to be created.
func absent(in *preview.ListedInput, pool *v1alpha1.DatabricksInstancePool) {
	pool.Spec.PoolID = ""
	in.Facts.Presence, in.Facts.Item = managed.Unknown, databricks.Item{}
}

func TestAPreviewOfAPoolNamesTheCalls(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(in *preview.ListedInput, pool *v1alpha1.DatabricksInstancePool)
		want    []string
		changes []preview.Change
		left    int
		stalled string
	}{
		"nothing differs": {change: func(*preview.ListedInput, *v1alpha1.DatabricksInstancePool) {}},
		"a capacity": {
			change: func(_ *preview.ListedInput, pool *v1alpha1.DatabricksInstancePool) {
				pool.Spec.MaxCapacity = new(int32(20))
			},
			want:    []string{"instance-pools/edit now"},
			changes: []preview.Change{{Path: "/maxCapacity", From: "10", To: "20"}},
		},
		"a capacity and permissions": {
			change: func(in *preview.ListedInput, pool *v1alpha1.DatabricksInstancePool) {
				pool.Spec.MaxCapacity = new(int32(20))
				entry := v1alpha1.PoolAccessControl{PermissionLevel: "CAN_ATTACH_TO"}
				entry.GroupName = "data"
				pool.Spec.AccessControlList = []v1alpha1.PoolAccessControl{entry}
				in.Facts.Permissions = []diff.Permission{{UserName: "a@example.com", PermissionLevel: "CAN_ATTACH_TO"}}
			},
			want: []string{"instance-pools/edit now", "permissions/instance-pools now"},
			changes: []preview.Change{
				{Path: "/maxCapacity", From: "10", To: "20"}, {Path: "/accessControlList", From: "a@example.com CAN_ATTACH_TO", To: "data CAN_ATTACH_TO"},
			},
		},
		"a field that the API does not change": {
			change:  func(_ *preview.ListedInput, pool *v1alpha1.DatabricksInstancePool) { pool.Spec.NodeTypeID = "m5.large" },
			changes: []preview.Change{{Path: "/nodeTypeID", From: "i3.xlarge", To: "m5.large"}},
			stalled: v1alpha1.ReasonImmutableField,
		},
		"a new pool": {change: absent, want: []string{"instance-pools/create now"}},
		"a name that is taken": {
			change: func(in *preview.ListedInput, pool *v1alpha1.DatabricksInstancePool) {
				named := in.Facts.Item
				absent(in, pool)
				in.Facts.Named = &named
			},
			stalled: v1alpha1.ReasonNameTaken,
		},
		"adopted by its name": {
			change: func(in *preview.ListedInput, pool *v1alpha1.DatabricksInstancePool) {
				pool.Spec.PoolID, pool.Spec.AdoptByName, pool.Spec.MaxCapacity = "", true, new(int32(20))
				in.Facts.Named = &in.Facts.Item
			},
			want:    []string{"instance-pools/edit now"},
			changes: []preview.Change{{Path: "/maxCapacity", From: "10", To: "20"}},
		},
		"an id of nothing": {
			change: func(in *preview.ListedInput, _ *v1alpha1.DatabricksInstancePool) {
				in.Facts.Presence, in.Facts.Item = managed.Missing, databricks.Item{}
			},
			stalled: v1alpha1.ReasonAdoptionTargetNotFound,
		},
		"suspended": {
			change: func(_ *preview.ListedInput, pool *v1alpha1.DatabricksInstancePool) {
				pool.Spec.Suspend, pool.Spec.MaxCapacity = true, new(int32(20))
			},
			want:    []string{"instance-pools/edit when the object is resumed (spec.suspend)"},
			changes: []preview.Change{{Path: "/maxCapacity", From: "10", To: "20"}},
		},
		"suspended before it is created": {
			change: func(in *preview.ListedInput, pool *v1alpha1.DatabricksInstancePool) {
				absent(in, pool)
				pool.Spec.Suspend = true
			},
			want: []string{"instance-pools/create when the object is resumed (spec.suspend)"},
		},
		"an observing object": {
			change: func(_ *preview.ListedInput, pool *v1alpha1.DatabricksInstancePool) {
				pool.Spec.ManagementPolicy, pool.Spec.MaxCapacity = v1alpha1.ManagementPolicyObserve, new(int32(20))
			},
			left: 1,
		},
		"drift that is only reported": {
			change: func(_ *preview.ListedInput, pool *v1alpha1.DatabricksInstancePool) {
				pool.Spec.DriftPolicy, pool.Spec.MaxCapacity = v1alpha1.CorrectionPolicyWarn, new(int32(20))
			},
			left: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			in := pooling(c.change)
			before := in.Object.DeepCopyObject()
			p := preview.OfListed(in)
			g.Expect(calls(p)).To(Equal(c.want), "%+v", p)
			g.Expect(p.Changes).To(Equal(c.changes), "%+v", p)
			g.Expect(p.Left).To(HaveLen(c.left), "%+v", p)
			g.Expect(p.Stalled).To(Equal(c.stalled != ""), "%+v", p)
			if c.stalled != "" {
				g.Expect(p.Reason).To(Equal(c.stalled), p.Message)
			}
			g.Expect(in.Object).To(BeEquivalentTo(before), "the simulation uses copies")
		})
	}
}
