package controller

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/connection"
	"github.com/databricks-operator/databricks-operator/internal/plan"
	"github.com/databricks-operator/databricks-operator/internal/report"
)

// +kubebuilder:rbac:groups=compute.databricks-operator.io,resources=databricksworkspaces,verbs=get;list;watch
// +kubebuilder:rbac:groups=compute.databricks-operator.io,resources=databricksworkspaces/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get

// workspaces tells how each DatabricksWorkspace fares. Nothing depends on what it
// writes: objects find their workspace by its specification alone.
type workspaces struct {
	client      client.Client
	registry    *cache.Registry
	connections *connection.Resolver
	figures     *usageSampler
	options     Options

	mu sync.Mutex
	// figuresAt is when a workspace's figures were last written.
	figuresAt map[types.NamespacedName]time.Time
}

// indexWorkspaceRef finds objects by the workspace that they refer to.
const indexWorkspaceRef = "spec.connection.workspaceRef.name"

func setupWorkspaces(mgr ctrl.Manager, registry *cache.Registry, connections *connection.Resolver, news *EventSource, options Options) error {
	err := mgr.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.DatabricksCluster{}, indexWorkspaceRef, byWorkspaceRef)
	if err != nil {
		return fmt.Errorf("index clusters by workspace: %w", err)
	}
	if options.ForeignWorkspaceStatus {
		return nil
	}
	figures := newUsageSampler(mgr.GetClient(), registry, news.workspaces.add, options.Usage)
	if err := mgr.Add(figures); err != nil {
		return fmt.Errorf("add the figures to the manager: %w", err)
	}
	reconciler := &workspaces{
		client: mgr.GetClient(), registry: registry, connections: connections, figures: figures, options: options,
		figuresAt: map[types.NamespacedName]time.Time{},
	}
	err = ctrl.NewControllerManagedBy(mgr).
		Named("databricksworkspace").
		For(&v1alpha1.DatabricksWorkspace{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.DatabricksCluster{}, workspacesOf()).
		WatchesRawSource(news.workspaces.source()).
		Complete(reconciler)
	if err != nil {
		return fmt.Errorf("set up the controller of workspaces: %w", err)
	}
	return nil
}

// workspaceRef is the name of the workspace that an object refers to; "" for
// none.
func workspaceRef(object client.Object) string {
	cluster, ok := object.(*v1alpha1.DatabricksCluster)
	if !ok || cluster.Spec.Connection == nil || cluster.Spec.Connection.WorkspaceRef == nil {
		return ""
	}
	return cluster.Spec.Connection.WorkspaceRef.Name
}

func byWorkspaceRef(object client.Object) []string {
	if name := workspaceRef(object); name != "" {
		return []string{name}
	}
	return nil
}

// usersOf brings back the objects that refer to a workspace that came, went or
// changed: as news, since they may be thousands. What is there when a process
// begins is no change.
func usersOf(reader client.Reader, news *EventSource) handler.EventHandler {
	tell := func(ctx context.Context, name string) {
		users, err := usersOfWorkspace(ctx, reader, name)
		if err != nil {
			return // the cache fails for a missing index only
		}
		for i := range users.Items {
			news.add(v1alpha1.ClusterKind, client.ObjectKeyFromObject(&users.Items[i]))
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, _ queue) {
			if !e.IsInInitialList {
				tell(ctx, e.Object.GetName())
			}
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, _ queue) { tell(ctx, e.ObjectNew.GetName()) },
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, _ queue) { tell(ctx, e.Object.GetName()) },
	}
}

func usersOfWorkspace(ctx context.Context, reader client.Reader, name string) (*v1alpha1.DatabricksClusterList, error) {
	users := &v1alpha1.DatabricksClusterList{}
	// What the cache holds is only read.
	err := reader.List(ctx, users, client.MatchingFields{indexWorkspaceRef: name}, client.UnsafeDisableDeepCopy)
	return users, err
}

// workspacesOf brings back the workspaces whose number of users changes.
func workspacesOf() handler.EventHandler {
	add := func(to queue, objects ...client.Object) {
		for _, object := range objects {
			if name := workspaceRef(object); name != "" {
				to.Add(reconcile.Request{NamespacedName: types.NamespacedName{Name: name}})
			}
		}
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, to queue) { add(to, e.Object) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, to queue) { add(to, e.Object) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, to queue) {
			if workspaceRef(e.ObjectOld) != workspaceRef(e.ObjectNew) {
				add(to, e.ObjectOld, e.ObjectNew)
			}
		},
	}
}

// Reconcile looks at a workspace as its users do, and tells.
func (w *workspaces) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	declared := &v1alpha1.DatabricksWorkspace{}
	if err := w.client.Get(ctx, request.NamespacedName, declared); err != nil {
		if apierrors.IsNotFound(err) {
			w.forget(request.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	users, err := usersOfWorkspace(ctx, w.client, declared.Name)
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("count the users of a workspace: %w", err)
	}
	facts := report.WorkspaceFacts{Workspace: declared, Clusters: len(users.Items), Now: time.Now()}
	if until := w.connect(ctx, request.NamespacedName, declared, &facts); !until.IsZero() {
		// Nothing is known yet, so nothing is said.
		return ctrl.Result{RequeueAfter: max(time.Until(until), soon)}, nil
	}
	facts.Usage = w.figures.of(request.NamespacedName)
	again, err := w.write(ctx, declared, report.OfWorkspace(facts))
	switch {
	case apierrors.IsNotFound(err):
		return ctrl.Result{}, nil
	case apierrors.IsConflict(err):
		// The newer object may differ in its status alone, of which nobody hears.
		return ctrl.Result{RequeueAfter: w.options.ConflictPause}, nil
	}
	if trouble := facts.Blocked; trouble != nil && !trouble.RequeueAt.IsZero() {
		again = earlier(again, max(time.Until(trouble.RequeueAt), soon))
	}
	if facts.Failure != nil {
		again = earlier(again, max(time.Until(facts.FailingSince.Add(report.ReadsFailTooLong)), 0))
	}
	return ctrl.Result{RequeueAfter: again}, err
}

// connect finds the workspace, or why there is none to speak to: trouble, or
// until when it is given time for its first answer.
func (w *workspaces) connect(
	ctx context.Context, key types.NamespacedName, declared *v1alpha1.DatabricksWorkspace, facts *report.WorkspaceFacts,
) (unansweredUntil time.Time) {
	self := identityOf(v1alpha1.WorkspaceKind, declared)
	credential, blocked := w.connections.ResolveWorkspace(ctx, self.User, declared)
	if blocked != nil {
		w.registry.Release(self.subscriber())
		w.figures.forget(key)
		facts.Blocked, unansweredUntil = blockedBy(blocked)
		return unansweredUntil
	}
	found, err := w.registry.Connect(self.subscriber(), credential.Config, credential.Source.Domain())
	if until := w.options.firstAnswerBy(err); !until.IsZero() {
		return until
	}
	if err != nil {
		w.figures.forget(key)
		failure := plan.FailureOf(err)
		w.connections.MarkRejected(self.User, failure.Class)
		if wait, ok := errors.AsType[*cache.WaitError](err); ok {
			facts.Blocked = stillWaiting(declared.Status.Conditions, wait, w.options.ConnectPause)
			return time.Time{}
		}
		facts.Blocked = blockedOf(failure, w.options.ConnectPause)
		return time.Time{}
	}
	principal := found.Principal()
	w.figures.follow(key, found.Host(), principal.UserName)
	facts.Principal, facts.WorkspaceID = principal.UserName, principal.WorkspaceID
	if health := found.Health(); health.Err != nil {
		facts.Failure, facts.FailingSince = plan.FailureOf(health.Err), health.Since
		w.connections.MarkRejected(self.User, facts.Failure.Class)
	} else {
		w.connections.MarkAccepted(self.User)
	}
	return time.Time{}
}

// write patches the status where it says something new. Usage alone are worth
// a write from time to time only; it returns when that is, 0 for not at all.
func (w *workspaces) write(ctx context.Context, declared *v1alpha1.DatabricksWorkspace, status v1alpha1.DatabricksWorkspaceStatus) (time.Duration, error) {
	if equality.Semantic.DeepEqual(declared.Status, status) {
		return 0, nil
	}
	key := client.ObjectKeyFromObject(declared)
	if equality.Semantic.DeepEqual(report.WithoutUsage(declared.Status), report.WithoutUsage(status)) {
		if wait := w.options.Usage - w.sinceUsage(key); wait > 0 {
			return wait, nil
		}
	}
	before := declared.DeepCopy()
	declared.Status = status
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := w.client.Status().Patch(ctx, declared, patch); err != nil {
		return 0, fmt.Errorf("patch the status of a workspace: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.figuresAt[key] = time.Now()
	return 0, nil
}

func (w *workspaces) sinceUsage(key types.NamespacedName) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Since(w.figuresAt[key])
}

// forget drops what is kept about a workspace that is gone.
func (w *workspaces) forget(key types.NamespacedName) {
	gone := identityOfName(v1alpha1.WorkspaceKind, key)
	w.connections.Release(gone.User)
	w.registry.Release(gone.subscriber())
	w.figures.forget(key)
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.figuresAt, key)
}

// earlier is the shorter of two spans; 0 is none.
func earlier(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
