package cluster

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/report"
)

// errSuperseded means that the object does not expect the id that was to be stored.
var errSuperseded = errors.New("the object expects another creation")

// isSuperseded reports whether an id could not be stored because the object does not
// exist, is another one of the same name, or expects another creation.
func (r *Reconciler) isSuperseded(ctx context.Context, before *v1alpha1.DatabricksCluster, err error) bool {
	if apierrors.IsNotFound(err) {
		return true
	}
	if !apierrors.IsInvalid(err) {
		return false
	}
	var now v1alpha1.DatabricksCluster
	if err := r.actor.uncached.Get(ctx, client.ObjectKeyFromObject(before), &now); err != nil {
		return apierrors.IsNotFound(err)
	}
	was, is := before.Status.Creation, now.Status.Creation
	return now.UID != before.UID || is == nil || is.Token != was.Token || is.Attempt != was.Attempt
}

// reportNotStored records in the log and in an event that a cluster was created whose
// id no object has. It carries the owner tag, so the orphan report finds it.
func (r *Reconciler) reportNotStored(ctx context.Context, cluster *v1alpha1.DatabricksCluster, id string) {
	log.FromContext(ctx).Info("the id of a created cluster could not be stored: the object has been replaced or expects another creation",
		"clusterID", id, "uid", cluster.UID, "token", cluster.Status.Creation.Token)
	r.recorder.Eventf(cluster, nil, corev1.EventTypeWarning, report.EventClusterNotStored, "Create",
		"cluster %s was created for uid %s, which has been replaced or expects another creation; "+
			"its id is stored nowhere: delete it in the workspace unless another object has it", id, cluster.UID)
}
