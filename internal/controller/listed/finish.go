package listed

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

	"github.com/databricks-operator/databricks-operator/internal/controller/connector"
	"github.com/databricks-operator/databricks-operator/internal/controller/kubewrite"
	"github.com/databricks-operator/databricks-operator/internal/controller/queue"
	"github.com/databricks-operator/databricks-operator/internal/diff"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// finish writes the status if it changed, emits events, and returns when the object is
// reconciled again.
func (r *Reconciler) finish(ctx context.Context, in managed.Input, observed observation, next managed.Plan, done outcome) (ctrl.Result, error) {
	r.record(ctx, in, next, done)
	after, ok := in.Object.DeepCopyObject().(managed.Resource)
	if !ok {
		return ctrl.Result{}, nil
	}
	in.Now = time.Now()
	reported := managed.ReportTo(managed.ReportInput{Input: in, Plan: next, Outcome: done.Outcome}, r.kind.View(after))
	r.show(after, observed.Observation)
	r.emit(in.Object, reported.ActionEvents)
	if done.err != nil {
		if done.KubernetesRefusal != "" {
			done.err = errors.Join(done.err, r.write(ctx, in.Object, after))
		}
		return r.retry(ctx, in.Object, done.err), nil
	}
	result := resultOf(next, done)
	switch {
	case next.Kind() == managed.StepRemoveFinalizer:
		r.forget(client.ObjectKeyFromObject(in.Object))
		r.emit(in.Object, reported.Events)
		return ctrl.Result{}, nil
	case next.Kind() == managed.StepAddFinalizer:
		// The next step writes the status.
		return result, nil
	}
	if r.isOnlyProgress(in.Object, after) && r.attempts.WroteWithin(in.Object, r.options.Coalesce) {
		return ctrl.Result{RequeueAfter: r.options.Coalesce}, nil
	}
	if err := r.write(ctx, in.Object, after); err != nil {
		return r.retry(ctx, in.Object, err), nil
	}
	r.attempts.ResetStale(in.Object)
	if next.RequestsReread() {
		now := time.Now()
		r.attempts.Replace(after, managed.Attempts{}.Reread(now), now)
	}
	r.emit(in.Object, reported.Events)
	return result, nil
}

// show writes what only this kind shows to the status.
func (r *Reconciler) show(after managed.Resource, observed managed.Observation) {
	if r.kind.Show == nil || observed.Presence == managed.Unknown {
		return
	}
	var remote diff.Tree
	if observed.Presence == managed.Present {
		remote = observed.Remote.Tree
	}
	r.kind.Show(after, remote)
}

// isOnlyProgress reports whether a status changed and no condition reports it, such as
// counts. Such changes are collected into one write.
func (r *Reconciler) isOnlyProgress(before managed.Object, changed managed.Resource) bool {
	after := r.kind.View(changed)
	return !equality.Semantic.DeepEqual(before.Resource, changed) && *before.ID == *after.ID && equality.Semantic.DeepEqual(before.Status, after.Status)
}

// contestedUntil returns until when a status waits that another operator overwrites again
// and again; zero if it may be written. A write that stores an id never waits.
func (r *Reconciler) contestedUntil(before managed.Object, changed managed.Resource) time.Time {
	if *before.ID != *r.kind.View(changed).ID {
		return time.Time{}
	}
	return r.attempts.MayWriteAt(before, r.options.Coalesce)
}

// record stores a step that wrote to Databricks, and logs it.
func (r *Reconciler) record(ctx context.Context, in managed.Input, next managed.Plan, done outcome) {
	if !done.Ran || !next.Kind().WritesToDatabricks() {
		return
	}
	logger := log.FromContext(ctx).WithValues("step", next.Kind(), "id", *in.Object.ID)
	if done.Failure != nil {
		logger.Info("step failed", "class", done.Failure.Class, "error", done.Failure.Message)
	} else {
		logger.Info("step done")
	}
	attempt := managed.Attempt{
		Step: next.Kind(), ID: done.Created, Failure: done.Failure, At: done.endedAt, ValidAfter: done.validAfter,
		Generation: in.Object.GetGeneration(), Credential: in.Observed.Credential,
	}
	switch step := next.Step.(type) {
	case managed.Create:
		attempt.Token, attempt.CreateAttempt = step.Intent.Token, step.Intent.Attempt
	case managed.Edit:
		attempt.Sent = step.Differences
	default:
	}
	r.attempts.Update(in.Object, func(known *managed.Attempts) { *known = known.Recorded(attempt) })
}

func (r *Reconciler) emit(object managed.Resource, all []managed.Event) {
	for _, event := range all {
		r.recorder.Eventf(object, nil, event.Type, event.Reason, event.Action, "%s", event.Note)
	}
}

// errSuperseded means that the object does not expect the id that was to be stored.
var errSuperseded = errors.New("the object expects another creation")

// write patches the status if it changed. The optimistic lock fails for a status that was
// computed from a stale object. The id of what was created is stored without that lock, so
// that it is not lost, unless the object is another one or expects another creation by then.
func (r *Reconciler) write(ctx context.Context, before managed.Object, changed managed.Resource) error {
	if equality.Semantic.DeepEqual(before.Resource, changed) {
		return nil
	}
	if until := r.contestedUntil(before, changed); !until.IsZero() {
		return &kubewrite.HeldError{Until: until}
	}
	if err := r.kube.Admit(before, kubewrite.Object); err != nil {
		return err
	}
	patch := client.MergeFromWithOptions(before.Resource, client.MergeFromWithOptimisticLock{})
	after, id := r.kind.View(changed), ""
	if creation := before.Status.Creation; *before.ID == "" && creation != nil && creation.Token != "" {
		id = *after.ID
	}
	if id != "" {
		var err error
		if patch, err = kubewrite.IDPatch(before.Status.Creation, before.Resource, changed); err != nil {
			return err
		}
	}
	err := r.actor.classified(ctx, before.Resource, r.client.Status().Patch(ctx, changed, patch))
	if err != nil && id != "" && r.isSuperseded(ctx, before, err) {
		r.kube.Done(before, kubewrite.Object, nil)
		r.reportNotStored(ctx, before, id)
		return fmt.Errorf("patch status: %w", errSuperseded)
	}
	r.kube.Done(before, kubewrite.Object, err)
	if err != nil {
		return fmt.Errorf("patch status: %w", err)
	}
	r.attempts.RecordVersion(changed)
	r.attempts.Wrote(changed, r.options.Coalesce)
	return nil
}

// isSuperseded reports whether an id could not be stored because the object does not
// exist, is another one of the same name, or expects another creation.
func (r *Reconciler) isSuperseded(ctx context.Context, before managed.Object, err error) bool {
	if apierrors.IsNotFound(err) {
		return true
	}
	if !apierrors.IsInvalid(err) {
		return false
	}
	resource := r.kind.New()
	if err := r.actor.uncached.Get(ctx, client.ObjectKeyFromObject(before), resource); err != nil {
		return apierrors.IsNotFound(err)
	}
	was, is := before.Status.Creation, r.kind.View(resource).Status.Creation
	return resource.GetUID() != before.GetUID() || is == nil || is.Token != was.Token || is.Attempt != was.Attempt
}

// reportNotStored records in the log and in an event that something was created whose id no
// object has.
func (r *Reconciler) reportNotStored(ctx context.Context, object managed.Object, id string) {
	log.FromContext(ctx).Info("the id of what was created could not be stored: the object has been replaced or expects another creation",
		"id", id, "uid", object.GetUID())
	r.recorder.Eventf(object.Resource, nil, corev1.EventTypeWarning, managed.EventNotStored, "Create",
		"%s %s was created for uid %s, which has been replaced or expects another creation; its id is stored nowhere: "+
			"delete it in the workspace unless another object has it", r.kind.Noun, id, object.GetUID())
}

// stalePause returns the retry interval of a stale object.
func (r *Reconciler) stalePause(object managed.Resource) time.Duration {
	return queue.StalePause(r.options.ConflictPause, r.attempts.CountStale(object))
}

// retry returns when an object is reconciled again after a failure of the Kubernetes API:
// after a conflict, when the newer version may be in the cache; otherwise, when the write
// may be attempted again.
func (r *Reconciler) retry(ctx context.Context, object managed.Object, err error) ctrl.Result {
	held, isHeld := errors.AsType[*kubewrite.HeldError](err)
	switch {
	case isHeld:
		return ctrl.Result{RequeueAfter: queue.After(kubewrite.RetryAt(held.Until))}
	case apierrors.IsNotFound(err):
		return ctrl.Result{}
	case apierrors.IsConflict(err) && !kubewrite.IsRefusal(err), errors.Is(err, errChanged), errors.Is(err, errSuperseded):
		return ctrl.Result{RequeueAfter: r.stalePause(object)}
	}
	log.FromContext(ctx).Info("the API server refused or failed a write", "error", err.Error())
	if refusal := r.kube.Unannounced(object); refusal != "" {
		r.recorder.Eventf(object.Resource, nil, corev1.EventTypeWarning, managed.EventWriteRefused, "Reconcile", "%s", refusal)
	}
	if next := r.kube.NextFor(object); !next.IsZero() {
		return ctrl.Result{RequeueAfter: queue.After(kubewrite.RetryAt(next))}
	}
	return ctrl.Result{RequeueAfter: r.stalePause(object)}
}

// resultOf returns when the object is reconciled again without an event. Changes of its
// data enqueue it earlier.
func resultOf(next managed.Plan, done outcome) ctrl.Result {
	switch {
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
	r.connector.Release(connector.IdentityOfName(r.kind.Name, key))
}
