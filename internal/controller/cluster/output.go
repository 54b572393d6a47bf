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
	"github.com/databricks-operator/databricks-operator/internal/plan"
	"github.com/databricks-operator/databricks-operator/internal/report"
)

// +kubebuilder:rbac:groups="",resources=configmaps,verbs=get;create;update;patch

// output looks at the ConfigMap that tells workloads where the cluster is: by its
// name and uncached, since the operator may list none.
func (r *Reconciler) output(ctx context.Context, cluster *v1alpha1.DatabricksCluster, observed *observation) {
	if plan.Published(cluster) == nil {
		return
	}
	found := &corev1.ConfigMap{}
	name := types.NamespacedName{Namespace: cluster.Namespace, Name: cluster.Spec.OutputConfigMap.Name}
	switch err := r.secrets.reader.Get(ctx, name, found); {
	case apierrors.IsNotFound(err):
	case err != nil:
		observed.Output.Failure = kubernetesFailure("read", name.Name, err)
	case !metav1.IsControlledBy(found, cluster):
		observed.Output.Foreign = true
	default:
		observed.Output.Data, observed.output = found.Data, found
	}
}

// publish writes the ConfigMap. What it says beside is left alone; the lock makes
// one that was exchanged meanwhile fail.
func (a *actor) publish(ctx context.Context, cluster *v1alpha1.DatabricksCluster, observed observation, step plan.Publish) outcome {
	name, wanted := cluster.Spec.OutputConfigMap.Name, step.Data
	if observed.output == nil {
		made := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: cluster.Namespace, Name: name}, Data: wanted}
		if err := controllerutil.SetControllerReference(cluster, made, a.client.Scheme()); err != nil {
			return outcome{err: fmt.Errorf("own ConfigMap %s: %w", name, err)}
		}
		return published(name, a.client.Create(ctx, made))
	}
	before := client.MergeFromWithOptions(observed.output.DeepCopy(), client.MergeFromWithOptimisticLock{})
	if observed.output.Data == nil {
		observed.output.Data = map[string]string{}
	}
	maps.Copy(observed.output.Data, wanted)
	return published(name, a.client.Patch(ctx, observed.output, before))
}

func published(name string, err error) outcome {
	if err != nil {
		return outcome{Outcome: report.Outcome{Ran: true, Failure: kubernetesFailure("write", name, err)}}
	}
	return outcome{Outcome: report.Outcome{Ran: true}}
}

// kubernetesFailure is a failure of the Kubernetes API as a fact.
func kubernetesFailure(verb, name string, err error) *plan.Failure {
	return &plan.Failure{
		Class:   databricks.ClassTransient,
		Message: fmt.Sprintf("the operator could not %s ConfigMap %s (%s)", verb, name, apierrors.ReasonForError(err)),
	}
}
