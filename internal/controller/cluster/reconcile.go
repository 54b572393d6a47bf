package cluster

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/controller/connector"
	"github.com/databricks-operator/databricks-operator/internal/controller/kubewrite"
	"github.com/databricks-operator/databricks-operator/internal/controller/queue"
	"github.com/databricks-operator/databricks-operator/internal/plan"
	"github.com/databricks-operator/databricks-operator/internal/report"
)

// +kubebuilder:rbac:groups=compute.databricks-operator.io,resources=databricksclusters,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=compute.databricks-operator.io,resources=databricksclusters/status,verbs=patch
// +kubebuilder:rbac:groups=compute.databricks-operator.io,resources=databricksclusters/finalizers,verbs=update
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get,namespace=system
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconciler reconciles DatabricksClusters.
type Reconciler struct {
	client    client.Client
	connector *connector.Connector
	secrets   secretReader
	conflicts conflicts
	referents referents
	actor     *actor
	attempts  *attemptStore
	kube      *kubewrite.Writes
	memory    *memory
	recorder  events.EventRecorder
	options   Options
}

// writeDeadline is the timeout of the writes to the API server for one step.
const writeDeadline = 10 * time.Second

// Reconcile observes, plans, acts and reports. It never waits for a call: missing data
// is requested from the cache, which enqueues the object when it arrives.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	cluster := &v1alpha1.DatabricksCluster{}
	if err := r.client.Get(ctx, request.NamespacedName, cluster); err != nil {
		if apierrors.IsNotFound(err) {
			r.forget(request.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if r.attempts.IsAhead(cluster) {
		return ctrl.Result{RequeueAfter: r.stalePause(cluster)}, nil
	}

	if err := r.noticeRestore(ctx, cluster); err != nil {
		return ctrl.Result{}, err
	}

	r.attempts.seen(cluster, time.Now())
	observed := r.observe(ctx, cluster)
	if until := observed.unansweredUntil; !until.IsZero() {
		// Nothing is known yet, as after a restart, so the status stays as it is.
		return ctrl.Result{RequeueAfter: queue.After(until)}, nil
	}
	attempts := r.attempts.of(cluster)
	next := plan.Make(plan.Input{
		Cluster:     cluster,
		Observed:    observed.Observation,
		Attempts:    attempts,
		SearchFirst: r.originOf(cluster) == plan.OlderThanProcess,
		Adoption:    r.options.Adoption,
		Limits:      r.options.Limits,
		Now:         time.Now(),
	})
	if next.Kind().WritesToDatabricks() {
		// A step is completed and stored even if the operator stops.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), r.options.Limits.RequestDeadline+writeDeadline)
		defer cancel()
	}
	outcome := r.actor.act(ctx, cluster, observed, next)
	reported := report.Of(report.Input{
		Cluster:  cluster,
		Observed: observed.Observation,
		Plan:     next,
		Outcome:  outcome.Outcome,
		Limits:   r.options.Limits,
		Now:      time.Now(),

		Corrections: attempts.Corrections(cluster),
	})
	return r.finish(ctx, cluster, observed, next, outcome, reported)
}
