package cluster

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/controller/process"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

// stored is a reader of one object; nil: it is not found.
type stored struct {
	client.Reader
	object *v1alpha1.DatabricksCluster
}

func (s stored) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	if s.object == nil {
		return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
	}
	s.object.DeepCopyInto(into.(*v1alpha1.DatabricksCluster))
	return nil
}

func TestNoticeRestore(t *testing.T) {
	version := func(uid, version string) *v1alpha1.DatabricksCluster {
		return &v1alpha1.DatabricksCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "etl", UID: types.UID(uid), ResourceVersion: version}}
	}
	const written = "100"
	for name, c := range map[string]struct {
		cached, stored *v1alpha1.DatabricksCluster
		ago            time.Duration
		noticed        bool
	}{
		"[case-93] an older version in the store":            {version("a", "90"), version("a", "90"), 2 * process.CacheLag, true},
		"[case-93] only in the cache":                        {version("a", "90"), version("a", "100"), 2 * process.CacheLag, false},
		"[case-93] in the cache, that is only a little late": {version("a", "90"), version("a", "90"), process.CacheLag / 2, false},
		"[case-93] the version that was written":             {version("a", "100"), version("a", "100"), 2 * process.CacheLag, false},
		"[case-93] a newer one":                              {version("a", "101"), version("a", "101"), 2 * process.CacheLag, false},
		"[case-93] another object of the name":               {version("a", "90"), version("b", "90"), 2 * process.CacheLag, false},
		"[case-93] no object":                                {version("a", "90"), nil, 2 * process.CacheLag, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			begin := time.Now().Add(-time.Hour)
			r := &Reconciler{attempts: newAttemptStore(), memory: newMemory(begin), actor: &actor{uncached: stored{object: c.stored}}}
			r.attempts.RecordVersionAt(c.cached, written, time.Now().Add(-c.ago))
			r.attempts.set(c.cached, plan.Attempts{Last: plan.Attempt{ClusterID: "remembered"}})
			g.Expect(r.noticeRestore(t.Context(), c.cached)).To(Succeed())
			remembered := r.attempts.of(c.cached).Last.ClusterID
			if c.noticed {
				g.Expect(r.memory.begin()).To(BeTemporally("~", time.Now(), time.Minute))
				g.Expect(remembered).To(BeEmpty())
				g.Expect(r.attempts.IsBehind(c.stored)).To(BeFalse(), "once")
			} else {
				g.Expect(r.memory.begin()).To(BeTemporally("==", begin))
				g.Expect(remembered).To(Equal("remembered"))
			}
		})
	}
}
