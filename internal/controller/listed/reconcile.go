package listed

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/internal/controller/connector"
	"github.com/databricks-operator/databricks-operator/internal/controller/kubewrite"
	"github.com/databricks-operator/databricks-operator/internal/controller/process"
	"github.com/databricks-operator/databricks-operator/internal/controller/queue"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// +kubebuilder:rbac:groups=compute.databricks-operator.io,resources=databricksclusterpolicies;databricksinstancepools,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=compute.databricks-operator.io,resources=databricksclusterpolicies/status;databricksinstancepools/status,verbs=patch
// +kubebuilder:rbac:groups=compute.databricks-operator.io,resources=databricksclusterpolicies/finalizers;databricksinstancepools/finalizers,verbs=update

// Reconciler reconciles the objects of one kind.
type Reconciler struct {
	kind      *managed.Kind
	client    client.Client
	connector *connector.Connector
	holders   holders
	actor     *actor
	attempts  *attempts
	kube      *kubewrite.Writes
	recorder  events.EventRecorder
	options   Options
}

// attempts has what this process knows of each object.
type attempts = process.Store[managed.Attempts]

// writeDeadline is the timeout of the writes to the API server for one step.
const writeDeadline = 10 * time.Second

// Reconcile observes, plans, acts and reports. It never waits for a call: missing data is
// requested from the cache, which enqueues the object when it arrives.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	resource := r.kind.New()
	if err := r.client.Get(ctx, request.NamespacedName, resource); err != nil {
		if apierrors.IsNotFound(err) {
			r.forget(request.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if r.attempts.IsAhead(resource) {
		return ctrl.Result{RequeueAfter: r.stalePause(resource)}, nil
	}
	if err := r.noticeRestore(ctx, resource); err != nil {
		return ctrl.Result{}, err
	}
	object := r.kind.View(resource)
	r.attempts.Update(resource, func(known *managed.Attempts) { *known = known.Seen(object, time.Now()) })
	observed := r.observe(ctx, object)
	if until := observed.unansweredUntil; !until.IsZero() {
		// Nothing is known yet, as after a restart, so the status stays as it is.
		return ctrl.Result{RequeueAfter: queue.After(until)}, nil
	}
	in := r.inputOf(object, observed)
	next := managed.Make(in)
	if next.Kind().WritesToDatabricks() {
		// A step is completed and stored even if the operator stops.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), r.options.Limits.RequestDeadline+writeDeadline)
		defer cancel()
	}
	done := r.actor.act(ctx, in, observed, next)
	return r.finish(ctx, in, observed, next, done)
}

// noticeRestore notices that the store of the API server went back in time while the
// informers go on. What this process knows of the object is dropped then.
func (r *Reconciler) noticeRestore(ctx context.Context, resource managed.Resource) error {
	if !r.attempts.IsBehind(resource) {
		return nil
	}
	stored := r.kind.New()
	if err := r.actor.uncached.Get(ctx, client.ObjectKeyFromObject(resource), stored); err != nil {
		return client.IgnoreNotFound(err)
	}
	if stored.GetUID() == resource.GetUID() && r.attempts.IsBehind(stored) {
		now := time.Now()
		r.attempts.Replace(stored, managed.Attempts{}.Reread(now), now)
	}
	return nil
}
