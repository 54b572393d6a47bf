package listed

import (
	"context"
	"errors"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/clusterpolicy"
	"github.com/databricks-operator/databricks-operator/internal/controller/kubewrite"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// stored is an API server with one object; nil: it has none.
type stored struct {
	policy *v1alpha1.DatabricksClusterPolicy
}

func (s stored) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	target, ok := into.(*v1alpha1.DatabricksClusterPolicy)
	if !ok || s.policy == nil {
		return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
	}
	s.policy.DeepCopyInto(target)
	return nil
}

func (stored) List(context.Context, client.ObjectList, ...client.ListOption) error { return nil }

func TestADeletionRestsOnTheObjectOfTheAPIServer(t *testing.T) {
	decided := &v1alpha1.DatabricksClusterPolicy{ObjectMeta: metav1.ObjectMeta{
		Namespace: "team-a", Name: "rules", UID: "a", Generation: 2, DeletionTimestamp: &metav1.Time{Time: time.Unix(1, 0)},
		Finalizers: []string{v1alpha1.FinalizerPolicy},
	}}
	decided.Status.PolicyID = "P1"
	for name, row := range map[string]struct {
		change func(now *v1alpha1.DatabricksClusterPolicy)
		sent   bool
	}{
		"the same":                         {func(*v1alpha1.DatabricksClusterPolicy) {}, true},
		"[case-123] another object":        {func(now *v1alpha1.DatabricksClusterPolicy) { now.UID = "b" }, false},
		"[case-123] another generation":    {func(now *v1alpha1.DatabricksClusterPolicy) { now.Generation = 3 }, false},
		"[case-123] not deleted":           {func(now *v1alpha1.DatabricksClusterPolicy) { now.DeletionTimestamp = nil }, false},
		"[case-123] released":              {func(now *v1alpha1.DatabricksClusterPolicy) { now.Finalizers = nil }, false},
		"[case-122] retained":              {func(now *v1alpha1.DatabricksClusterPolicy) { now.Spec.DeletionPolicy = v1alpha1.RemovalPolicyRetain }, false},
		"[case-122] protected":             {func(now *v1alpha1.DatabricksClusterPolicy) { now.Spec.DeletionProtection = true }, false},
		"[case-123] another remote object": {func(now *v1alpha1.DatabricksClusterPolicy) { now.Status.PolicyID = "P2" }, false},
		"[case-129] a take-over of another": {func(now *v1alpha1.DatabricksClusterPolicy) {
			now.Annotations = map[string]string{v1alpha1.AnnotationTakeOver: "x"}
		}, false},
		"[case-123] no object": {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			var now *v1alpha1.DatabricksClusterPolicy
			if row.change != nil {
				now = decided.DeepCopy()
				row.change(now)
			}
			a := &actor{kind: clusterpolicy.Kind, uncached: stored{now}, kube: kubewrite.New(time.Second)}
			sent := false
			err := a.fenced(clusterpolicy.Kind.View(decided), func(context.Context, databricks.CollectionWriter) error {
				sent = true
				return nil
			})(t.Context(), nil)
			g.Expect(sent).To(Equal(row.sent))
			if !row.sent {
				g.Expect(errors.Is(err, cache.ErrNotSent)).To(BeTrue(), "the permit is given back")
			}
		})
	}
}
