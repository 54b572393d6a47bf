package listed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/controller/connector"
	"github.com/databricks-operator/databricks-operator/internal/controller/kubewrite"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

// actor carries out one step. It is the only holder of a Databricks writer.
type actor struct {
	kind   *managed.Kind
	client client.Client
	// uncached reads the current objects of the API server.
	uncached client.Reader
	// kube is the backoff of failing writes to the API server.
	kube     *kubewrite.Writes
	writers  *cache.Writers
	attempts *attempts
	options  Options
}

// outcome is the result of a step.
type outcome struct {
	managed.Outcome

	// wait is when a step that was not permitted may be retried; zero if it was permitted.
	wait time.Time
	// hold is why it was not permitted; nil if the reason needs no condition.
	hold *managed.Hold
	// err is a failure of the Kubernetes API, after which the object is requeued.
	err error
	// endedAt is when the step ended, and validAfter the time after which a read must begin
	// to show its effect.
	endedAt, validAfter time.Time
}

// act carries out a step, with at most one write to Databricks. The outcome of a step that
// has been held for long enough to be reported has the reason; see managed.HeldStep.
func (a *actor) act(ctx context.Context, in managed.Input, observed observation, next managed.Plan) outcome {
	done := a.carryOut(ctx, in, observed, next)
	if done.endedAt.IsZero() {
		done.endedAt = time.Now()
	}
	known := a.attempts.Of(in.Object)
	if done.hold == nil {
		a.attempts.Update(in.Object, func(stored *managed.Attempts) { *stored = known.NotHeld() })
		return done
	}
	known, reported, reportAt := known.Held(in.Object.Status.Conditions, next.Kind(), *done.hold, time.Now())
	a.attempts.Update(in.Object, func(stored *managed.Attempts) { *stored = known })
	if reported == nil && reportAt.Before(done.wait) {
		done.wait = reportAt
	}
	done.Held = reported
	return done
}

func (a *actor) carryOut(ctx context.Context, in managed.Input, observed observation, next managed.Plan) outcome {
	collection := a.kind.Collection
	switch step := next.Step.(type) {
	case nil:
		return outcome{}
	case managed.AddFinalizer:
		return a.patch(ctx, in.Object, controllerutil.AddFinalizer)
	case managed.RemoveFinalizer:
		return a.patch(ctx, in.Object, controllerutil.RemoveFinalizer)
	case managed.StoreID, managed.AbandonCreation, managed.PersistOwnership, managed.AcknowledgeRequest:
		// The next status write carries it out.
		return outcome{Outcome: managed.Outcome{Ran: true}}
	case managed.Read:
		a.attempts.Update(in.Object, func(known *managed.Attempts) { *known = known.WithBase(step.Differences, time.Now()) })
		return outcome{wait: time.Now()}
	case managed.Create:
		return a.create(ctx, in, observed, step)
	case managed.Edit:
		body, err := json.Marshal(step.Body)
		if err != nil {
			return invalid(err)
		}
		return a.write(ctx, observed, change(collection.EditEndpoint(), step.ID), func(ctx context.Context, api databricks.CollectionWriter) error {
			return api.EditItem(ctx, collection, body)
		})
	case managed.SetPermissions:
		return a.write(ctx, observed, change(collection.PermissionsEndpoint(), step.ID), func(ctx context.Context, api databricks.CollectionWriter) error {
			return api.SetItemPermissions(ctx, collection, step.ID, step.Permissions)
		})
	case managed.Delete:
		write := cache.Write{Priority: ratelimit.PriorityTerminate, Endpoint: collection.DeleteEndpoint(), Resource: step.ID}
		return a.write(ctx, observed, write, a.fenced(in.Object, func(ctx context.Context, api databricks.CollectionWriter) error {
			return missingIsDone(api.DeleteItem(ctx, collection, step.ID))
		}))
	}
	return outcome{}
}

// change returns the request of a write that ends no costs.
func change(endpoint, id string) cache.Write {
	return cache.Write{Priority: ratelimit.PriorityChange, Endpoint: endpoint, Resource: id}
}

// missingIsDone returns nil for the error of a deletion of what does not exist.
func missingIsDone(err error) error {
	if databricks.ClassOf(err) == databricks.ClassMissing {
		return nil
	}
	return err
}

// invalid returns the outcome of a specification that cannot be encoded as a request.
func invalid(err error) outcome {
	return outcome{Outcome: managed.Outcome{Ran: true, Failure: &managed.Failure{Class: databricks.ClassInvalid, Message: err.Error()}}}
}

// patch changes the finalizers of an object. The optimistic lock fails for a stale object.
func (a *actor) patch(ctx context.Context, object managed.Object, change func(client.Object, string) bool) outcome {
	if err := a.kube.Admit(object, kubewrite.Finalizer); err != nil {
		return refusalOutcome(err)
	}
	after, ok := object.DeepCopyObject().(managed.Resource)
	if !ok {
		return outcome{}
	}
	change(after, a.kind.Finalizer)
	err := a.classified(ctx, object.Resource, a.client.Patch(ctx, after, client.MergeFromWithOptions(object.Resource, client.MergeFromWithOptimisticLock{})))
	a.kube.Done(object, kubewrite.Finalizer, err)
	if err != nil {
		return refusalOutcome(fmt.Errorf("patch finalizers: %w", err))
	}
	a.attempts.RecordVersion(after)
	return outcome{Outcome: managed.Outcome{Ran: true}}
}

// classified returns the error of a write of the version of an object that was read.
func (a *actor) classified(ctx context.Context, read client.Object, err error) error {
	return kubewrite.Classified(ctx, a.uncached, read, a.kind.New(), err)
}

// refusalOutcome returns the outcome of a write to the API server that failed or was held. It
// has the answer of the API server if that refused it.
func refusalOutcome(err error) outcome {
	return outcome{err: err, Outcome: managed.Outcome{KubernetesRefusal: kubewrite.RefusalIn(err)}}
}

// call makes one request that changes a collection.
type call func(ctx context.Context, api databricks.CollectionWriter) error

// write makes one request that changes a workspace.
func (a *actor) write(ctx context.Context, observed observation, write cache.Write, send call) outcome {
	var endedAt time.Time
	deadline := time.Now().Add(a.options.Limits.RequestDeadline)
	err := a.writers.Do(ctx, observed.workspace, write, func(ctx context.Context, api databricks.Writer) error {
		err := send(ctx, api)
		endedAt = time.Now()
		return err
	})
	done := outcomeOf(err)
	done.endedAt, done.validAfter = endedAt, endedAt
	if done.Failure != nil && done.Failure.Class == databricks.ClassAmbiguous {
		// The request may still take effect.
		done.validAfter = deadline.Add(a.options.Limits.VisibilityGrace)
	}
	return done
}

// outcomeOf returns the outcome of a call with this error.
func outcomeOf(err error) outcome {
	wait, waits := errors.AsType[*cache.WaitError](err)
	switch {
	case err == nil:
		return outcome{Outcome: managed.Outcome{Ran: true}}
	case waits:
		return outcome{wait: wait.At, hold: connector.HoldOf(wait)}
	case errors.Is(err, cache.ErrNotSent):
		return outcome{err: err}
	default:
		return outcome{Outcome: managed.Outcome{Ran: true, Failure: managed.FailureOf(err)}}
	}
}

// create creates the object's remote object, at most once.
//
// The intent is persisted first, under an optimistic lock. Only the process that persisted
// it may send the create, at once and not after the intent's deadline. finish persists the
// id with the status. A lost answer leaves the intent, which prevents another create until
// the result of the first one is known.
func (a *actor) create(ctx context.Context, in managed.Input, observed observation, step managed.Create) outcome {
	body, err := json.Marshal(step.Body)
	if err != nil {
		return invalid(err)
	}
	if err := a.kube.Held(in.Object, kubewrite.Intent); err != nil {
		return outcome{err: err}
	}
	var created string
	done := a.write(ctx, observed, change(a.kind.Collection.CreateEndpoint(), ""), func(ctx context.Context, api databricks.CollectionWriter) error {
		if err := a.declare(ctx, in, step); err != nil {
			return fmt.Errorf("%w: %w", cache.ErrNotSent, err)
		}
		if !time.Now().Before(step.Intent.NotAfter) {
			return errTooLate
		}
		var err error
		created, err = api.CreateItem(ctx, a.kind.Collection, body)
		return err
	})
	done.Created = created
	return done
}

// errTooLate ends a create whose process was delayed between its intent and its call.
// Another process may already look for the result of this intent.
var errTooLate = fmt.Errorf("%w: the deadline of the creation has passed", cache.ErrNotSent)

// declare persists the intent to create. After a conflict this process does not have the
// newest object and must not create.
func (a *actor) declare(ctx context.Context, in managed.Input, step managed.Create) error {
	object := in.Object
	if err := a.kube.Admit(object, kubewrite.Intent); err != nil {
		return err
	}
	before, ok := object.DeepCopyObject().(managed.Resource)
	if !ok {
		return errTooLate
	}
	notAfter := metav1.NewTime(step.Intent.NotAfter)
	status := object.Status
	*object.ID = ""
	status.Host, status.Name, status.AppliedDigest = in.Observed.Host, step.Name, ""
	status.OwnedFields, status.NormalizedFields = in.Kind.Fields.Owned(in.Desired), nil
	status.Creation = &v1alpha1.CreationIntent{
		Digest: in.Kind.Fields.Digest(in.Desired), Token: step.Intent.Token,
		Incarnation: step.Intent.Incarnation, Attempt: step.Intent.Attempt, NotAfter: &notAfter,
	}
	err := a.classified(ctx, before, a.client.Status().Patch(ctx, object.Resource, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})))
	// The answer of the API server replaced the object.
	stored := a.kind.View(object.Resource).Status.Creation
	if err == nil && (stored == nil || stored.Token != step.Intent.Token) {
		err = kubewrite.ErrDropped
	}
	a.kube.Done(object, kubewrite.Intent, err)
	if err != nil {
		return fmt.Errorf("persist the intent to create: %w", err)
	}
	a.attempts.RecordVersion(object)
	a.attempts.Update(object, func(known *managed.Attempts) { *known = known.Seen(a.kind.View(object.Resource), time.Now()) })
	return nil
}

// errChanged ends a write that was decided for another version of the object than the API
// server has now. Nothing was sent.
var errChanged = fmt.Errorf("%w: the object has changed since it was read", cache.ErrNotSent)

// fenced returns a call that is made only if the object in the API server still asks for
// the same as the version that the call was decided for. It is for writes that cannot be
// undone, because the informer cache may be outdated.
func (a *actor) fenced(decided managed.Object, send call) call {
	return func(ctx context.Context, api databricks.CollectionWriter) error {
		if err := a.kube.Admit(decided, kubewrite.Object); err != nil {
			return fmt.Errorf("%w: %w", cache.ErrNotSent, err)
		}
		resource := a.kind.New()
		err := a.uncached.Get(ctx, client.ObjectKeyFromObject(decided), resource)
		a.kube.Done(decided, kubewrite.Object, err)
		switch {
		case client.IgnoreNotFound(err) != nil:
			return fmt.Errorf("%w: read the object before a write that cannot be undone: %w", cache.ErrNotSent, err)
		case err != nil || !a.isSameIntent(decided, a.kind.View(resource)):
			return errChanged
		}
		return send(ctx, api)
	}
}

// isSameIntent reports whether two versions of an object ask for the same. The generation
// covers the specification. The other fields are compared as well, because a deletion must
// not depend on the generation alone.
func (a *actor) isSameIntent(decided, now managed.Object) bool {
	return decided.GetUID() == now.GetUID() &&
		decided.GetGeneration() == now.GetGeneration() &&
		decided.IsDeleting() == now.IsDeleting() &&
		decided.HasFinalizer(a.kind) == now.HasFinalizer(a.kind) &&
		decided.EffectiveRemovalPolicy() == now.EffectiveRemovalPolicy() &&
		decided.Spec.DeletionProtection == now.Spec.DeletionProtection &&
		*decided.ID == *now.ID &&
		decided.GetAnnotations()[v1alpha1.AnnotationTakeOver] == now.GetAnnotations()[v1alpha1.AnnotationTakeOver]
}
