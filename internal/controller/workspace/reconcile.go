package workspace

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/controller/connector"
	"github.com/databricks-operator/databricks-operator/internal/controller/queue"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/report"
)

// +kubebuilder:rbac:groups=compute.databricks-operator.io,resources=databricksworkspaces,verbs=list;watch
// +kubebuilder:rbac:groups=compute.databricks-operator.io,resources=databricksworkspaces/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get

// Reconciler writes the status of DatabricksWorkspaces.
type Reconciler struct {
	client    client.Client
	connector *connector.Connector
	usage     *usageSampler
	options   Options

	// mu guards the rest.
	mu sync.Mutex
	// usageWrittenAt is when the status of a workspace was last written.
	usageWrittenAt map[types.NamespacedName]time.Time
	// conflicts counts the conflicts in a row of each workspace.
	conflicts map[types.NamespacedName]int
}

// Reconcile connects to a workspace with its own credential and writes its status.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	workspace := &v1alpha1.DatabricksWorkspace{}
	if err := r.client.Get(ctx, request.NamespacedName, workspace); err != nil {
		if apierrors.IsNotFound(err) {
			r.forget(request.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	clusters, err := connector.ClustersOf(ctx, r.client, workspace.Name)
	if err != nil {
		return ctrl.Result{}, err
	}
	facts := report.WorkspaceFacts{Workspace: workspace, Clusters: len(clusters), Now: time.Now()}
	if until := r.connect(ctx, workspace, &facts); !until.IsZero() {
		// Nothing is known yet, so the status stays as it is.
		return ctrl.Result{RequeueAfter: queue.After(until)}, nil
	}
	facts.Usage = r.usage.of(request.NamespacedName)
	requeueAfter, err := r.write(ctx, workspace, report.OfWorkspace(facts))
	switch {
	case apierrors.IsConflict(err):
		// The newer version may differ in its status alone, which enqueues nothing.
		return ctrl.Result{RequeueAfter: queue.StalePause(r.options.ConflictPause, r.countConflict(request.NamespacedName))}, nil
	case err != nil:
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	r.endConflicts(request.NamespacedName)
	if facts.Blocked != nil {
		if at, _ := facts.Blocked.KeepsReady(facts.Now); !at.IsZero() {
			requeueAfter = shorter(requeueAfter, queue.After(at))
		}
	}
	if facts.Failure != nil {
		requeueAfter = shorter(requeueAfter, max(time.Until(facts.FailingSince.Add(managed.ReadFailureGrace)), 0))
	}
	return ctrl.Result{RequeueAfter: requeueAfter}, nil
}

// connect adds the connection and its health to the facts, or the reason why there is no
// connection. It returns the deadline of the first answer if one is awaited.
func (r *Reconciler) connect(
	ctx context.Context, workspace *v1alpha1.DatabricksWorkspace, facts *report.WorkspaceFacts,
) (unansweredUntil time.Time) {
	key, self := client.ObjectKeyFromObject(workspace), connector.IdentityOf(v1alpha1.WorkspaceKind, workspace)
	credential, blocked := r.connector.Resolver.ResolveWorkspace(ctx, self.User, workspace)
	if blocked != nil {
		r.usage.forget(key)
		connected := r.connector.Disconnect(self, blocked)
		facts.Blocked = connected.Blocked
		return connected.UnansweredUntil
	}
	connected := r.connector.Connect(self, credential, workspace.Status.Conditions)
	if connected.Workspace == nil {
		if connected.Blocked != nil {
			r.usage.forget(key)
		}
		facts.Blocked = connected.Blocked
		return connected.UnansweredUntil
	}
	found := connected.Workspace
	principal := found.Principal()
	r.usage.follow(key, found.Host(), principal.UserName)
	facts.Principal, facts.WorkspaceID = principal.UserName, principal.WorkspaceID
	health := found.Health()
	facts.Failure = r.connector.MarkHealth(self, health)
	if facts.Failure != nil {
		facts.FailingSince = health.Since
	}
	return time.Time{}
}

// write patches the status if it changed. Changes of the usage alone are written once in
// a UsageInterval: for earlier ones it returns the time until the next write, otherwise
// 0.
func (r *Reconciler) write(
	ctx context.Context, workspace *v1alpha1.DatabricksWorkspace, status v1alpha1.DatabricksWorkspaceStatus,
) (time.Duration, error) {
	if equality.Semantic.DeepEqual(workspace.Status, status) {
		return 0, nil
	}
	key := client.ObjectKeyFromObject(workspace)
	if equality.Semantic.DeepEqual(report.WithoutUsage(workspace.Status), report.WithoutUsage(status)) {
		if wait := r.options.UsageInterval - r.sinceUsageWritten(key); wait > 0 {
			return wait, nil
		}
	}
	patch := client.MergeFromWithOptions(workspace.DeepCopy(), client.MergeFromWithOptimisticLock{})
	workspace.Status = status
	if err := r.client.Status().Patch(ctx, workspace, patch); err != nil {
		return 0, fmt.Errorf("patch the status of a workspace: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.usageWrittenAt[key] = time.Now()
	return 0, nil
}

// countConflict counts a conflict and returns the number of earlier ones in a row.
func (r *Reconciler) countConflict(key types.NamespacedName) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conflicts[key]++
	return r.conflicts[key] - 1
}

// endConflicts begins to count anew.
func (r *Reconciler) endConflicts(key types.NamespacedName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conflicts, key)
}

func (r *Reconciler) sinceUsageWritten(key types.NamespacedName) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Since(r.usageWrittenAt[key])
}

// forget drops the data of a workspace that does not exist any more.
func (r *Reconciler) forget(key types.NamespacedName) {
	r.connector.Release(connector.IdentityOfName(v1alpha1.WorkspaceKind, key))
	r.usage.forget(key)
	r.endConflicts(key)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.usageWrittenAt, key)
}

// shorter returns the shorter one of two durations, of which 0 means none.
func shorter(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
