package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/controller/kubewrite"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

// errChanged ends a write that was decided for another version of the object than the
// API server has now. Nothing was sent.
var errChanged = fmt.Errorf("%w: the object has changed since it was read", cache.ErrNotSent)

// fenced returns a call that is made only if the object in the API server still asks for
// the same as the version that the call was decided for. It is for writes that cannot be
// undone, because the informer cache may be outdated.
func (a *actor) fenced(cluster *v1alpha1.DatabricksCluster, call clusterCall) clusterCall {
	return func(ctx context.Context, api databricks.ClusterWriter) error {
		if err := a.kube.Admit(cluster, kubewrite.Object); err != nil {
			return fmt.Errorf("%w: %w", cache.ErrNotSent, err)
		}
		var now v1alpha1.DatabricksCluster
		err := a.uncached.Get(ctx, client.ObjectKeyFromObject(cluster), &now)
		a.kube.Done(cluster, kubewrite.Object, err)
		switch {
		case client.IgnoreNotFound(err) != nil:
			return fmt.Errorf("%w: read the object before a write that cannot be undone: %w", cache.ErrNotSent, err)
		case err != nil || !sameIntent(cluster, &now):
			return errChanged
		}
		return call(ctx, api)
	}
}

// sameIntent reports whether two versions of an object ask for the same. The generation
// covers the specification. The other fields are compared as well, because a deletion
// must not depend on the generation alone.
func sameIntent(decided, now *v1alpha1.DatabricksCluster) bool {
	holds := func(cluster *v1alpha1.DatabricksCluster) bool {
		return slices.Contains(cluster.Finalizers, v1alpha1.FinalizerCluster)
	}
	annotated := func(key string) bool { return decided.Annotations[key] == now.Annotations[key] }
	return decided.UID == now.UID &&
		decided.Generation == now.Generation &&
		decided.DeletionTimestamp.IsZero() == now.DeletionTimestamp.IsZero() &&
		holds(decided) == holds(now) &&
		plan.EffectiveDeletionPolicy(decided) == plan.EffectiveDeletionPolicy(now) &&
		decided.Spec.DeletionProtection == now.Spec.DeletionProtection &&
		decided.Status.ClusterID == now.Status.ClusterID &&
		annotated(v1alpha1.AnnotationRequest) && annotated(v1alpha1.AnnotationTakeOver)
}

// isNotSent reports whether a call was permitted and sent nothing.
func isNotSent(err error) bool { return errors.Is(err, cache.ErrNotSent) }
