package controller

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/plan"
	"github.com/databricks-operator/databricks-operator/internal/report"
	"github.com/databricks-operator/databricks-operator/internal/workspace"
)

// soon brings an object back at once, to look at what its step came to.
const soon = time.Nanosecond

// finish writes what is new about an object and says when to return to it.
func (r *Reconciler) finish(ctx context.Context, cluster *v1alpha1.DatabricksCluster, seen scene, next plan.Plan, done outcome, told report.Report) (ctrl.Result, error) {
	r.remember(ctx, cluster, seen, next, done)
	if done.err != nil {
		return r.retry(done.err)
	}
	released := next.Step == plan.StepRelease
	if released {
		r.forget(client.ObjectKeyFromObject(cluster))
	} else if err := r.write(ctx, cluster, told.Status); err != nil {
		return r.retry(err)
	}
	for _, event := range told.Events {
		r.recorder.Eventf(cluster, nil, event.Type, event.Reason, event.Action, "%s", event.Note)
	}
	if released {
		return ctrl.Result{}, nil
	}
	return result(next, done), nil
}

// remember notes a step that wrote to Databricks, and logs it.
func (r *Reconciler) remember(ctx context.Context, cluster *v1alpha1.DatabricksCluster, seen scene, next plan.Plan, done outcome) {
	if !done.Ran {
		return
	}
	logger := log.FromContext(ctx).WithValues("step", next.Step, "clusterID", clusterID(cluster))
	if done.Failure != nil {
		logger.Info("step failed", "class", done.Failure.Class, "error", done.Failure.Message)
	} else {
		logger.Info("step done")
	}
	if !next.Step.WritesToDatabricks() {
		return
	}
	r.memory.tried(cluster, plan.Attempt{
		Step:       next.Step,
		ClusterID:  done.created,
		Token:      next.Intent.Token,
		Failure:    done.Failure,
		At:         time.Now(),
		Generation: cluster.Generation,
		Credential: seen.Credential,
	})
}

// write patches the status where it says something new. The lock makes a status
// computed from a stale object fail.
func (r *Reconciler) write(ctx context.Context, cluster *v1alpha1.DatabricksCluster, status v1alpha1.DatabricksClusterStatus) error {
	if equality.Semantic.DeepEqual(cluster.Status, status) {
		return nil
	}
	base := client.MergeFromWithOptions(cluster.DeepCopy(), client.MergeFromWithOptimisticLock{})
	cluster.Status = status
	if err := r.client.Status().Patch(ctx, cluster, base); err != nil {
		return fmt.Errorf("patch status: %w", err)
	}
	return nil
}

// retry leaves a conflict to the newer object, which is on its way, and every
// other failure of the Kubernetes API to the queue's backoff.
func (r *Reconciler) retry(err error) (ctrl.Result, error) {
	switch {
	case apierrors.IsNotFound(err):
		return ctrl.Result{}, nil
	case apierrors.IsConflict(err):
		return ctrl.Result{RequeueAfter: r.options.ConflictPause}, nil
	default:
		return ctrl.Result{}, err
	}
}

// result is when time alone brings the object back. Everything else is news,
// and comes by itself.
func result(next plan.Plan, done outcome) ctrl.Result {
	switch {
	case !done.wait.IsZero():
		return ctrl.Result{RequeueAfter: max(time.Until(done.wait), soon)}
	case done.Ran:
		return ctrl.Result{RequeueAfter: soon}
	case !next.Again.IsZero():
		return ctrl.Result{RequeueAfter: max(time.Until(next.Again), soon)}
	default:
		return ctrl.Result{}
	}
}

// forget drops what is kept about an object that is gone.
func (r *Reconciler) forget(key types.NamespacedName) {
	r.memory.forget(key)
	r.credentials.release(key)
	r.registry.Release(workspace.Object(key.String()))
}
