package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/controller/connector"
	"github.com/databricks-operator/databricks-operator/internal/controller/kubewrite"
	"github.com/databricks-operator/databricks-operator/internal/controller/queue"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/plan"
	"github.com/databricks-operator/databricks-operator/internal/report"
)

// finish writes the status if it changed, emits events, and returns when the object is
// reconciled again.
func (r *Reconciler) finish(
	ctx context.Context, cluster *v1alpha1.DatabricksCluster, observed observation, next plan.Plan, done outcome, reported report.Report,
) (ctrl.Result, error) {
	r.recordStep(ctx, cluster, observed, next, done)
	r.emit(cluster, reported.ActionEvents)
	if done.err != nil {
		r.attempts.keepUnstored(cluster, reported.Status.Corrections)
		return r.retry(ctx, cluster, errors.Join(done.err, r.reportRefusal(ctx, cluster, done, reported)))
	}
	result := resultOf(observed, next, done)
	released := next.Kind() == plan.StepRemoveFinalizer
	switch {
	case released:
		r.forget(client.ObjectKeyFromObject(cluster))
	case next.Kind() == plan.StepAddFinalizer:
		// The next step writes the status.
	case r.attempts.WroteWithin(cluster, r.options.Coalesce) && onlyProgress(cluster.Status, reported.Status):
		if result.RequeueAfter == 0 || result.RequeueAfter > r.options.Coalesce {
			result.RequeueAfter = r.options.Coalesce
		}
		return result, nil
	default:
		if err := r.write(ctx, cluster, reported.Status); err != nil {
			r.attempts.keepUnstored(cluster, reported.Status.Corrections)
			return r.retry(ctx, cluster, err)
		}
	}
	r.attempts.keepUnstored(cluster, nil)
	r.attempts.ResetStale(cluster)
	if next.RequestsReread() {
		r.attempts.reread(cluster, time.Now())
	}
	r.emit(cluster, reported.Events)
	if released {
		return ctrl.Result{}, nil
	}
	return result, nil
}

// reportRefusal writes the status that has the refusal of a change of the finalizers.
func (r *Reconciler) reportRefusal(ctx context.Context, cluster *v1alpha1.DatabricksCluster, done outcome, reported report.Report) error {
	if done.KubernetesRefusal == "" {
		return nil
	}
	if err := r.write(ctx, cluster, reported.Status); err != nil {
		return err
	}
	r.emit(cluster, reported.Events)
	return nil
}

func (r *Reconciler) emit(cluster *v1alpha1.DatabricksCluster, all []managed.Event) {
	for _, event := range all {
		r.recorder.Eventf(cluster, nil, event.Type, event.Reason, event.Action, "%s", event.Note)
	}
}

// recordStep stores a step that wrote to Databricks, and logs it.
func (r *Reconciler) recordStep(ctx context.Context, cluster *v1alpha1.DatabricksCluster, observed observation, next plan.Plan, done outcome) {
	if !done.Ran {
		return
	}
	logger := log.FromContext(ctx).WithValues("step", next.Kind(), "clusterID", clusterID(cluster))
	if done.Failure != nil {
		logger.Info("step failed", "class", done.Failure.Class, "error", done.Failure.Message)
	} else {
		logger.Info("step done")
	}
	if !next.Kind().WritesToDatabricks() && !next.NonBlocking {
		return
	}
	attempts, attempt := r.attempts.of(cluster), plan.Attempt{
		Step:      next.Kind(),
		ClusterID: done.Created,

		Failure:    done.Failure,
		At:         done.endedAt,
		Generation: cluster.Generation,
		Credential: observed.Credential,

		Corrected:     observed.Differences,
		SecretsDigest: observed.SecretsDigest,
	}
	switch step := next.Step.(type) {
	case plan.Create:
		attempt.Token, attempt.CreateAttempt = step.Intent.Token, step.Intent.Attempt
	case plan.InstallLibraries:
		attempt.Libraries = step.Libraries
	case plan.UninstallLibraries:
		attempt.Libraries = step.Libraries
	default:
	}
	if next.NonBlocking {
		r.attempts.set(cluster, attempts.RecordedSideStep(attempt))
		return
	}
	r.attempts.set(cluster, attempts.Recorded(attempt))
}

// write patches the status if it changed. The optimistic lock fails for a status that
// was computed from a stale object. The id of a new cluster is stored without that lock,
// so that it is not lost, unless the object is another one or expects another creation
// by then.
func (r *Reconciler) write(ctx context.Context, cluster *v1alpha1.DatabricksCluster, status v1alpha1.DatabricksClusterStatus) error {
	if equality.Semantic.DeepEqual(cluster.Status, status) {
		return nil
	}
	if until := r.contestedUntil(cluster, status); !until.IsZero() {
		return &kubewrite.HeldError{Until: until}
	}
	if err := r.kube.Admit(cluster, kubewrite.Object); err != nil {
		return err
	}
	before := cluster.DeepCopy()
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	cluster.Status = status
	storesID := before.Status.ClusterID == "" && status.ClusterID != "" && before.Status.Creation != nil && before.Status.Creation.Token != ""
	if storesID {
		var err error
		if patch, err = kubewrite.IDPatch(before.Status.Creation, before, cluster); err != nil {
			return err
		}
	}
	err := r.actor.classified(ctx, before, r.client.Status().Patch(ctx, cluster, patch))
	if err != nil && storesID && r.isSuperseded(ctx, before, err) {
		r.kube.Done(cluster, kubewrite.Object, nil)
		r.reportNotStored(ctx, before, status.ClusterID)
		return fmt.Errorf("patch status: %w", errSuperseded)
	}
	r.kube.Done(cluster, kubewrite.Object, err)
	if err != nil {
		return fmt.Errorf("patch status: %w", err)
	}
	r.attempts.RecordVersion(cluster)
	r.attempts.Wrote(cluster, r.options.Coalesce)
	return nil
}

// contestedUntil returns until when a status waits that another operator overwrites again
// and again; zero if it may be written. A write that stores the id of a cluster never waits.
func (r *Reconciler) contestedUntil(cluster *v1alpha1.DatabricksCluster, status v1alpha1.DatabricksClusterStatus) time.Time {
	if status.ClusterID != cluster.Status.ClusterID {
		return time.Time{}
	}
	return r.attempts.MayWriteAt(cluster, r.options.Coalesce)
}

// onlyProgress reports whether two statuses differ only in progress, such as the message
// of a launch or the number of workers. Such changes are collected into one write.
func onlyProgress(before, after v1alpha1.DatabricksClusterStatus) bool {
	if equality.Semantic.DeepEqual(before, after) {
		return false
	}
	return equality.Semantic.DeepEqual(withoutProgress(before), withoutProgress(after))
}

func withoutProgress(status v1alpha1.DatabricksClusterStatus) *v1alpha1.DatabricksClusterStatus {
	bare := status.DeepCopy()
	bare.StateMessage, bare.NumWorkers = "", nil
	for i := range bare.Conditions {
		bare.Conditions[i].Message = ""
	}
	return bare
}

// stalePause returns the retry interval of a stale object.
func (r *Reconciler) stalePause(cluster *v1alpha1.DatabricksCluster) time.Duration {
	return queue.StalePause(r.options.ConflictPause, r.attempts.CountStale(cluster))
}

// retry returns when an object is reconciled again after a failure of the Kubernetes
// API: after a conflict, when the newer version may be in the cache; otherwise, when the
// write may be attempted again. It returns no error, because the queue's own backoff
// begins with milliseconds.
func (r *Reconciler) retry(ctx context.Context, cluster *v1alpha1.DatabricksCluster, err error) (ctrl.Result, error) {
	held, isHeld := errors.AsType[*kubewrite.HeldError](err)
	switch {
	case isHeld:
		return ctrl.Result{RequeueAfter: queue.After(kubewrite.RetryAt(held.Until))}, nil
	case apierrors.IsNotFound(err):
		return ctrl.Result{}, nil
	case apierrors.IsConflict(err) && !kubewrite.IsRefusal(err), errors.Is(err, errChanged), errors.Is(err, errSuperseded):
		return ctrl.Result{RequeueAfter: r.stalePause(cluster)}, nil
	}
	log.FromContext(ctx).Info("the API server refused or failed a write", "error", err.Error())
	if refusal := r.kube.Unannounced(cluster); refusal != "" {
		r.recorder.Eventf(cluster, nil, corev1.EventTypeWarning, managed.EventWriteRefused, "Reconcile", "%s", refusal)
	}
	pause := r.stalePause(cluster)
	if next := r.kube.NextFor(cluster); !next.IsZero() {
		pause = queue.After(kubewrite.RetryAt(next))
	}
	return ctrl.Result{RequeueAfter: pause}, nil
}

// resultOf returns when the object is reconciled again without an event. Changes of its
// data enqueue it earlier.
func resultOf(observed observation, next plan.Plan, done outcome) ctrl.Result {
	switch {
	case observed.outdated:
		return ctrl.Result{RequeueAfter: queue.Now}
	case !done.wait.IsZero():
		return ctrl.Result{RequeueAfter: queue.After(done.wait)}
	case done.Ran:
		return ctrl.Result{RequeueAfter: queue.Now}
	case !next.RequeueAt.IsZero():
		return ctrl.Result{RequeueAfter: queue.After(next.RequeueAt)}
	default:
		return ctrl.Result{}
	}
}

// forget drops the data of an object that does not exist any more.
func (r *Reconciler) forget(key types.NamespacedName) {
	r.attempts.Forget(key)
	r.connector.Release(connector.IdentityOfName(v1alpha1.ClusterKind, key))
}
