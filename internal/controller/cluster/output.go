package cluster

import (
	"context"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/plan"
	"github.com/databricks-operator/databricks-operator/internal/report"
)

// output observes the object's ConfigMap. It is read by name and uncached, because the
// operator may not list ConfigMaps.
func (r *Reconciler) output(ctx context.Context, cluster *v1alpha1.DatabricksCluster, observed *observation) {
	if plan.Published(cluster) == nil {
		return
	}
	found := &corev1.ConfigMap{}
	name := types.NamespacedName{Namespace: cluster.Namespace, Name: cluster.Spec.OutputConfigMap.Name}
	switch err := r.secrets.reader.Get(ctx, name, found); {
	case apierrors.IsNotFound(err):
	case err != nil:
		observed.Output.Failure = configMapFailure("read", name, err)
	case !metav1.IsControlledBy(found, cluster):
		observed.Output.Foreign = true
	default:
		observed.Output.Data, observed.output = found.Data, found
	}
}

// publish writes the ConfigMap. Other keys of it stay as they are. The optimistic lock
// fails if the ConfigMap was replaced.
func (a *actor) publish(ctx context.Context, cluster *v1alpha1.DatabricksCluster, observed observation, step plan.Publish) outcome {
	key, wanted := types.NamespacedName{Namespace: cluster.Namespace, Name: cluster.Spec.OutputConfigMap.Name}, step.Data
	if observed.output == nil {
		made := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}, Data: wanted}
		if err := controllerutil.SetControllerReference(cluster, made, a.client.Scheme()); err != nil {
			return outcome{err: fmt.Errorf("own ConfigMap %s: %w", key.Name, err)}
		}
		return published(key, a.client.Create(ctx, made))
	}
	before := client.MergeFromWithOptions(observed.output.DeepCopy(), client.MergeFromWithOptimisticLock{})
	if observed.output.Data == nil {
		observed.output.Data = map[string]string{}
	}
	maps.Copy(observed.output.Data, wanted)
	return published(key, a.client.Patch(ctx, observed.output, before))
}

// published returns the outcome of a write of the ConfigMap.
func published(key types.NamespacedName, err error) outcome {
	if err != nil {
		return outcome{Outcome: report.Outcome{Ran: true, Failure: configMapFailure("write", key, err)}}
	}
	return outcome{Outcome: report.Outcome{Ran: true}}
}

// configMapFailure returns a failure of the Kubernetes API as a fact. The operator has
// no right on ConfigMaps but in the namespaces that bind the role for it.
func configMapFailure(verb string, key types.NamespacedName, err error) *managed.Failure {
	if apierrors.IsForbidden(err) {
		return &managed.Failure{
			Class: databricks.ClassForbidden,
			Message: fmt.Sprintf("the operator may not %s ConfigMap %s: in namespace %s, create a RoleBinding of the ClusterRole "+
				"databricks-operator-output-configmap-writer to the operator's service account, or remove the field", verb, key.Name, key.Namespace),
		}
	}
	return &managed.Failure{
		Class:   databricks.ClassTransient,
		Message: fmt.Sprintf("the operator could not %s ConfigMap %s (%s)", verb, key.Name, apierrors.ReasonForError(err)),
	}
}
