package controller

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/plan"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
	"github.com/databricks-operator/databricks-operator/internal/report"
)

// actor carries out one step. It alone holds what can write to Databricks.
type actor struct {
	client client.Client
	// uncached reads what the API server has now.
	uncached client.Reader
	// kube spaces the writes to the API server that fail.
	kube     *kubeWrites
	writers  *cache.Writers
	attempts *attemptStore
	options  Options
	// withoutUpdate are the hosts that do not know clusters/update.
	withoutUpdate hosts
}

// hosts is a set of workspaces.
type hosts struct {
	mu    sync.Mutex
	names map[string]bool
}

func (h *hosts) add(host string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.names == nil {
		h.names = map[string]bool{}
	}
	h.names[host] = true
}

func (h *hosts) has(host string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.names[host]
}

// outcome is what came of a step.
type outcome struct {
	report.Outcome
	// wait is when a step that had no turn may be tried; zero: it had one.
	wait time.Time
	// hold is why it had none; nil: for no reason worth a condition.
	hold *plan.Hold
	// err is a failure of the Kubernetes API: the queue brings the object back.
	err error
}

// holdReported is how long a step waits before the object's conditions say so.
const holdReported = 5 * time.Second

// act does one thing: at most one call to Databricks that writes. A step that has
// waited for a while says what holds it up.
func (a *actor) act(ctx context.Context, cluster *v1alpha1.DatabricksCluster, observed observation, next plan.Plan) outcome {
	done := a.carryOut(ctx, cluster, observed, next)
	if done.hold == nil {
		a.attempts.holdEnded(cluster)
		return done
	}
	said, reportAt := a.attempts.hold(cluster, next.Step, *done.hold, time.Now())
	if said == nil {
		done.wait = earliest(done.wait, reportAt)
	}
	done.Held = said
	return done
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func (a *actor) carryOut(ctx context.Context, cluster *v1alpha1.DatabricksCluster, observed observation, next plan.Plan) outcome {
	switch next.Step {
	case plan.StepAddFinalizer:
		return a.patch(ctx, cluster, func() { controllerutil.AddFinalizer(cluster, v1alpha1.FinalizerCluster) })
	case plan.StepRemoveFinalizer:
		return a.patch(ctx, cluster, func() { controllerutil.RemoveFinalizer(cluster, v1alpha1.FinalizerCluster) })
	case plan.StepStoreClusterID, plan.StepPersistOwnership, plan.StepPersistLibraries, plan.StepAcknowledgeRequest:
		return outcome{Outcome: report.Outcome{Ran: true}}
	case plan.StepCreate:
		return a.create(ctx, cluster, observed, next)
	case plan.StepTerminate:
		return a.write(ctx, observed, next, ends("clusters/delete"), a.fenced(cluster, func(ctx context.Context, api databricks.Writer) error {
			return api.Terminate(ctx, next.ClusterID)
		}))
	case plan.StepPublish:
		return a.publish(ctx, cluster, observed)
	case plan.StepPin:
		return a.write(ctx, observed, next, changes("clusters/pin"), func(ctx context.Context, api databricks.Writer) error {
			return api.Pin(ctx, next.ClusterID)
		})
	case plan.StepUnpin:
		return a.write(ctx, observed, next, ends("clusters/unpin"), a.fenced(cluster, func(ctx context.Context, api databricks.Writer) error {
			return api.Unpin(ctx, next.ClusterID)
		}))
	case plan.StepPermanentDelete:
		return a.write(ctx, observed, next, ends("clusters/permanent-delete"), a.fenced(cluster, func(ctx context.Context, api databricks.Writer) error {
			return missingIsDone(api.PermanentDelete(ctx, next.ClusterID))
		}))
	case plan.StepStart:
		return a.write(ctx, observed, next, changes("clusters/start"), func(ctx context.Context, api databricks.Writer) error {
			return busyIsDone(api.Start(ctx, next.ClusterID))
		})
	case plan.StepRestart:
		return a.write(ctx, observed, next, changes("clusters/restart"), a.fenced(cluster, func(ctx context.Context, api databricks.Writer) error {
			return api.Restart(ctx, next.ClusterID)
		}))
	case plan.StepResize:
		return a.resize(ctx, observed, next)
	case plan.StepUpdate:
		return a.update(ctx, cluster, observed, next)
	case plan.StepSetPermissions:
		return a.write(ctx, observed, next, changes("permissions/clusters"), func(ctx context.Context, api databricks.Writer) error {
			return api.SetPermissions(ctx, next.ClusterID, next.Permissions)
		})
	case plan.StepInstallLibraries:
		return a.write(ctx, observed, next, changes("libraries/install"), func(ctx context.Context, api databricks.Writer) error {
			return api.InstallLibraries(ctx, next.ClusterID, next.Libraries)
		})
	case plan.StepUninstallLibraries:
		return a.write(ctx, observed, next, changes("libraries/uninstall"), func(ctx context.Context, api databricks.Writer) error {
			return api.UninstallLibraries(ctx, next.ClusterID, next.Libraries)
		})
	default:
		return outcome{}
	}
}

// busyIsDone takes a start that met a cluster already starting or running for
// one that went well: the next look tells which.
func busyIsDone(err error) error {
	if databricks.ClassOf(err) == databricks.ClassBusy {
		return nil
	}
	return err
}

// missingIsDone takes a cluster that is already gone for a deletion that went well.
func missingIsDone(err error) error {
	if databricks.ClassOf(err) == databricks.ClassMissing {
		return nil
	}
	return err
}

// patch changes the object's metadata. The lock makes a stale cache fail.
func (a *actor) patch(ctx context.Context, cluster *v1alpha1.DatabricksCluster, change func()) outcome {
	base := client.MergeFromWithOptions(cluster.DeepCopy(), client.MergeFromWithOptimisticLock{})
	if err := a.kube.admit(cluster, objectWrite); err != nil {
		return outcome{err: err}
	}
	change()
	err := a.client.Patch(ctx, cluster, base)
	a.kube.done(cluster, objectWrite, err)
	if err != nil {
		return outcome{err: fmt.Errorf("patch finalizers: %w", err)}
	}
	a.attempts.recordVersion(cluster)
	return outcome{Outcome: report.Outcome{Ran: true}}
}

// call makes one request that changes a workspace.
type call func(ctx context.Context, api databricks.Writer) error

// changes describes a call that changes a workspace, ends one that ends costs there.
func changes(endpoint string) cache.Write {
	return cache.Write{Priority: ratelimit.PriorityChange, Endpoint: endpoint}
}

func ends(endpoint string) cache.Write {
	return cache.Write{Priority: ratelimit.PriorityTerminate, Endpoint: endpoint}
}

// write makes one call that changes a cluster.
func (a *actor) write(ctx context.Context, observed observation, next plan.Plan, write cache.Write, call call) outcome {
	write.ClusterID = next.ClusterID
	return outcomeOf(a.writers.Do(ctx, observed.workspace, write, call))
}

// outcomeOf tells a call that had no turn from one that failed.
func outcomeOf(err error) outcome {
	var wait *cache.WaitError
	switch {
	case err == nil:
		return outcome{Outcome: report.Outcome{Ran: true}}
	case errors.As(err, &wait):
		return outcome{wait: wait.At, hold: holdOf(wait)}
	case isNotSent(err):
		return outcome{err: err}
	default:
		return outcome{Outcome: report.Outcome{Ran: true, Failure: failureOf(err)}}
	}
}

// holdOf is what a refusal to send says in a condition.
func holdOf(wait *cache.WaitError) *plan.Hold {
	hold := &plan.Hold{Reason: v1alpha1.ReasonRetryingAfterError, Message: "waiting: " + wait.Message}
	if wait.Reason == ratelimit.ReasonRateLimited || wait.Reason == ratelimit.ReasonRetryAfter {
		hold.Reason, hold.Message = v1alpha1.ReasonRateLimited, "waiting for the workspace's request limit: "+wait.Message
	}
	return hold
}

func (a *actor) resize(ctx context.Context, observed observation, next plan.Plan) outcome {
	body, err := drift.Resize(next.ClusterID, observed.Desired)
	if err != nil {
		return invalid(err)
	}
	return a.write(ctx, observed, next, changes("clusters/resize"), func(ctx context.Context, api databricks.Writer) error {
		return api.Resize(ctx, body)
	})
}

// update changes what differs, on top of what was last asked of the cluster,
// looked up for this very change: there is no other guard against what was
// changed elsewhere meanwhile. A workspace that does not know clusters/update
// gets the whole specification.
func (a *actor) update(ctx context.Context, cluster *v1alpha1.DatabricksCluster, observed observation, next plan.Plan) outcome {
	if since := a.attempts.correctingSince(cluster, next.Differences); observed.SpecAt.Before(since) || !observed.base.SpecKnown() {
		observed.interest.SpecAfter = since
		observed.subscribe()
		return outcome{}
	}
	if a.withoutUpdate.has(observed.Host) || drift.NeedsEdit(observed.Desired, next.Differences) {
		return a.edit(ctx, cluster, observed, next)
	}
	resource, mask, err := drift.Update(correction(observed, next))
	if err != nil {
		return invalid(err)
	}
	done := a.write(ctx, observed, next, changes("clusters/update"), a.fencedIfRunning(cluster, observed, func(ctx context.Context, api databricks.Writer) error {
		return api.Update(ctx, databricks.UpdateRequest{ClusterID: next.ClusterID, Cluster: resource, UpdateMask: mask})
	}))
	if done.Failure != nil && done.Failure.Class == databricks.ClassUnsupported {
		a.withoutUpdate.add(observed.Host)
		return outcome{wait: time.Now()}
	}
	return done
}

// correction is what is to be changed, on top of what the cluster was last asked to
// be.
func correction(observed observation, next plan.Plan) drift.Correction {
	return drift.Correction{
		Desired: observed.Desired, Observed: observed.base, Differences: next.Differences, Normalized: observed.Normalized, Owner: observed.Owner,
	}
}

// fencedIfRunning fences a change that restarts a running cluster.
func (a *actor) fencedIfRunning(cluster *v1alpha1.DatabricksCluster, observed observation, call call) call {
	if observed.Details.State == compute.StateTerminated {
		return call
	}
	return a.fenced(cluster, call)
}

func (a *actor) edit(ctx context.Context, cluster *v1alpha1.DatabricksCluster, observed observation, next plan.Plan) outcome {
	body, err := drift.Edit(next.ClusterID, correction(observed, next))
	if err != nil {
		return invalid(err)
	}
	return a.write(ctx, observed, next, changes("clusters/edit"), a.fencedIfRunning(cluster, observed, func(ctx context.Context, api databricks.Writer) error {
		return api.Edit(ctx, next.ClusterID, body)
	}))
}

// invalid is a specification that cannot even be spelled.
func invalid(err error) outcome {
	return outcome{Outcome: report.Outcome{Ran: true, Failure: &plan.Failure{Class: databricks.ClassInvalid, Message: err.Error()}}}
}

// create makes the object's cluster, at most once whatever happens.
//
// The intent is persisted first, under a lock that only one process can win; it
// alone may send the create, at once, and not after the intent's deadline. The
// id is persisted with the status that finish writes. An answer that was lost
// leaves the intent: nobody creates again before it is known what became of it.
func (a *actor) create(ctx context.Context, cluster *v1alpha1.DatabricksCluster, observed observation, next plan.Plan) outcome {
	body, err := drift.Creation(observed.Desired, cluster.Namespace+"/"+cluster.Name, observed.Owner)
	if err != nil {
		return invalid(err)
	}
	if err := a.kube.held(cluster, intentWrite); err != nil {
		return outcome{err: err}
	}
	var created string
	err = a.writers.Do(ctx, observed.workspace, changes("clusters/create"), func(ctx context.Context, api databricks.Writer) error {
		if err := a.declare(ctx, cluster, observed, next.Intent); err != nil {
			return fmt.Errorf("%w: %w", cache.ErrNotSent, err)
		}
		if !time.Now().Before(cluster.Status.Creation.NotAfter.Time) {
			return errTooLate
		}
		var err error
		created, err = api.Create(ctx, databricks.CreateRequest{CreateCluster: body, IdempotencyToken: next.Intent.Token})
		return err
	})
	done := outcomeOf(err)
	done.Refused = done.Failure != nil && done.Failure.Class != databricks.ClassAmbiguous
	done.Created = created
	return done
}

// isNewest reports that the API server has no newer version of an object than the one
// that was read: then no conflict is explained by it.
func (a *actor) isNewest(ctx context.Context, cluster *v1alpha1.DatabricksCluster, read string) bool {
	var now v1alpha1.DatabricksCluster
	err := a.uncached.Get(ctx, client.ObjectKeyFromObject(cluster), &now)
	return err == nil && now.UID == cluster.UID && now.ResourceVersion == read
}

// errTooLate ends a creation whose process was held up between its intent and
// its call: somebody may already be looking for what it would have made.
var errTooLate = fmt.Errorf("%w: the deadline of the creation has passed", cache.ErrNotSent)

// declare persists the intent to create. A conflict means that this process did
// not see the newest object, and must not create.
func (a *actor) declare(ctx context.Context, cluster *v1alpha1.DatabricksCluster, observed observation, intent plan.Intent) error {
	if err := a.kube.admit(cluster, intentWrite); err != nil {
		return err
	}
	read := cluster.ResourceVersion
	base := client.MergeFromWithOptions(cluster.DeepCopy(), client.MergeFromWithOptimisticLock{})
	notAfter := metav1.NewTime(intent.NotAfter)
	cluster.Status.ClusterID = ""
	cluster.Status.Host = observed.Host
	cluster.Status.OwnedFields = drift.Owned(observed.Desired)
	digest := drift.Digest(observed.Desired)
	if before := cluster.Status.Creation; before == nil || before.Token != intent.Token {
		cluster.Status.SecretsDigest = observed.SecretsDigest
	} else if before.Digest != digest {
		// An earlier call of this creation asked for another specification.
		digest = ""
	}
	cluster.Status.NormalizedFields = nil
	cluster.Status.Creation = &v1alpha1.CreationIntent{
		Digest:      digest,
		Token:       intent.Token,
		Incarnation: intent.Incarnation,
		Attempt:     intent.Attempt,
		NotAfter:    &notAfter,
	}
	err := a.client.Status().Patch(ctx, cluster, base)
	switch {
	case err == nil && (cluster.Status.Creation == nil || cluster.Status.Creation.Token != intent.Token):
		err = errDropped
	case apierrors.IsConflict(err) && a.isNewest(ctx, cluster, read):
		err = &refusedError{err}
	}
	a.kube.done(cluster, intentWrite, err)
	if err != nil {
		return fmt.Errorf("persist the intent to create: %w", err)
	}
	a.attempts.recordVersion(cluster)
	a.attempts.creationSince(cluster)
	return nil
}
