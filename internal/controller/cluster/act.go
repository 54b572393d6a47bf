package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/controller/connector"
	"github.com/databricks-operator/databricks-operator/internal/controller/kubewrite"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/plan"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
	"github.com/databricks-operator/databricks-operator/internal/report"
)

// actor carries out one step. It is the only holder of a Databricks writer.
type actor struct {
	client client.Client
	// uncached reads the current objects of the API server.
	uncached client.Reader
	// kube is the backoff of failing writes to the API server.
	kube     *kubewrite.Writes
	writers  *cache.Writers
	attempts *attemptStore
	options  Options
	// withoutUpdate are the hosts without clusters/update.
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

// outcome is the result of a step.
type outcome struct {
	report.Outcome
	// wait is when a step that was not permitted may be retried; zero if it was permitted.
	wait time.Time
	// hold is why it was not permitted; nil if the reason needs no condition.
	hold *managed.Hold
	// err is a failure of the Kubernetes API, after which the object is requeued.
	err error
	// endedAt is when the step ended. For a call that is when its response came: a read
	// that the cache accepts after the call began later than that.
	endedAt time.Time
}

// act carries out a step, with at most one write to Databricks. The outcome of a step
// that has been held for long enough to be reported has the reason; see plan.Attempts.Held.
func (a *actor) act(ctx context.Context, cluster *v1alpha1.DatabricksCluster, observed observation, next plan.Plan) outcome {
	done := a.carryOut(ctx, cluster, observed, next)
	if done.endedAt.IsZero() {
		done.endedAt = time.Now()
	}
	attempts := a.attempts.of(cluster)
	if done.hold == nil {
		a.attempts.set(cluster, attempts.NotHeld())
		return done
	}
	attempts, reported, reportAt := attempts.Held(cluster, next.Kind(), *done.hold, time.Now())
	a.attempts.set(cluster, attempts)
	if reported == nil {
		done.wait = earliest(done.wait, reportAt)
	}
	done.Held = reported
	return done
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// requests are the requests of the steps that change a workspace. Steps that end costs
// have the priority of terminates.
var requests = map[plan.StepKind]cache.Write{
	plan.StepCreate:             {Priority: ratelimit.PriorityChange, Endpoint: "clusters/create"},
	plan.StepStart:              {Priority: ratelimit.PriorityChange, Endpoint: "clusters/start"},
	plan.StepRestart:            {Priority: ratelimit.PriorityChange, Endpoint: "clusters/restart"},
	plan.StepResize:             {Priority: ratelimit.PriorityChange, Endpoint: "clusters/resize"},
	plan.StepUpdate:             {Priority: ratelimit.PriorityChange, Endpoint: "clusters/update"},
	plan.StepPin:                {Priority: ratelimit.PriorityChange, Endpoint: "clusters/pin"},
	plan.StepSetPermissions:     {Priority: ratelimit.PriorityChange, Endpoint: "permissions/clusters"},
	plan.StepEnforceCompliance:  {Priority: ratelimit.PriorityChange, Endpoint: "policies/clusters/enforce-compliance"},
	plan.StepInstallLibraries:   {Priority: ratelimit.PriorityChange, Endpoint: "libraries/install"},
	plan.StepUninstallLibraries: {Priority: ratelimit.PriorityChange, Endpoint: "libraries/uninstall"},
	plan.StepTerminate:          {Priority: ratelimit.PriorityTerminate, Endpoint: "clusters/delete"},
	plan.StepUnpin:              {Priority: ratelimit.PriorityTerminate, Endpoint: "clusters/unpin"},
	plan.StepPermanentDelete:    {Priority: ratelimit.PriorityTerminate, Endpoint: "clusters/permanent-delete"},
}

// endpointEdit is the endpoint of an update that sends the whole specification.
const endpointEdit = "clusters/edit"

// request returns the request of a step about a cluster.
func request(step plan.Step, id string) cache.Write {
	made := requests[plan.KindOf(step)]
	made.ClusterID = id
	return made
}

func (a *actor) carryOut(ctx context.Context, cluster *v1alpha1.DatabricksCluster, observed observation, next plan.Plan) outcome {
	switch step := next.Step.(type) {
	case nil:
		return outcome{}
	case plan.AddFinalizer:
		return a.patch(ctx, cluster, func() { controllerutil.AddFinalizer(cluster, v1alpha1.FinalizerCluster) })
	case plan.RemoveFinalizer:
		return a.patch(ctx, cluster, func() { controllerutil.RemoveFinalizer(cluster, v1alpha1.FinalizerCluster) })
	case plan.StoreClusterID, plan.PersistOwnership, plan.PersistLibraries, plan.AcknowledgeRequest:
		// The next status write carries it out.
		return outcome{Outcome: report.Outcome{Ran: true}}
	case plan.ReadSpec:
		return a.readSpec(cluster, observed, step)
	case plan.Publish:
		return a.publish(ctx, cluster, observed, step)
	case plan.Create:
		return a.create(ctx, cluster, observed, step)
	case plan.Start:
		return a.writeCluster(ctx, observed, request(step, step.ClusterID), func(ctx context.Context, api databricks.ClusterWriter) error {
			return busyIsDone(api.Start(ctx, step.ClusterID))
		})
	case plan.Restart:
		return a.writeCluster(ctx, observed, request(step, step.ClusterID), a.fenced(cluster, func(ctx context.Context, api databricks.ClusterWriter) error {
			return api.Restart(ctx, step.ClusterID)
		}))
	case plan.Resize:
		return a.resize(ctx, observed, step)
	case plan.Update:
		return a.update(ctx, cluster, observed, step)
	case plan.Terminate:
		return a.writeCluster(ctx, observed, request(step, step.ClusterID), a.fenced(cluster, func(ctx context.Context, api databricks.ClusterWriter) error {
			return api.Terminate(ctx, step.ClusterID)
		}))
	case plan.PermanentDelete:
		return a.writeCluster(ctx, observed, request(step, step.ClusterID), a.fenced(cluster, func(ctx context.Context, api databricks.ClusterWriter) error {
			return missingIsDone(api.PermanentDelete(ctx, step.ClusterID))
		}))
	case plan.Pin:
		return a.writeCluster(ctx, observed, request(step, step.ClusterID), func(ctx context.Context, api databricks.ClusterWriter) error {
			return api.Pin(ctx, step.ClusterID)
		})
	case plan.Unpin:
		return a.writeCluster(ctx, observed, request(step, step.ClusterID), a.fenced(cluster, func(ctx context.Context, api databricks.ClusterWriter) error {
			return api.Unpin(ctx, step.ClusterID)
		}))
	case plan.SetPermissions:
		return a.writePermissions(ctx, observed, request(step, step.ClusterID), func(ctx context.Context, api databricks.PermissionWriter) error {
			return api.SetPermissions(ctx, step.ClusterID, step.Permissions)
		})
	case plan.EnforceCompliance:
		return a.enforce(ctx, cluster, observed, step)
	case plan.InstallLibraries:
		return a.writeLibraries(ctx, observed, request(step, step.ClusterID), func(ctx context.Context, api databricks.LibraryWriter) error {
			return api.InstallLibraries(ctx, step.ClusterID, step.Libraries)
		})
	case plan.UninstallLibraries:
		return a.writeLibraries(ctx, observed, request(step, step.ClusterID), func(ctx context.Context, api databricks.LibraryWriter) error {
			return api.UninstallLibraries(ctx, step.ClusterID, step.Libraries)
		})
	}
	return outcome{}
}

// busyIsDone returns nil for the error of a start whose cluster is already starting or
// running. The next read shows its state.
func busyIsDone(err error) error {
	if databricks.ClassOf(err) == databricks.ClassBusy {
		return nil
	}
	return err
}

// missingIsDone returns nil for the error of a deletion whose cluster does not exist.
func missingIsDone(err error) error {
	if databricks.ClassOf(err) == databricks.ClassMissing {
		return nil
	}
	return err
}

// patch changes the object's metadata. The optimistic lock fails for a stale object.
func (a *actor) patch(ctx context.Context, cluster *v1alpha1.DatabricksCluster, change func()) outcome {
	before := cluster.DeepCopy()
	if err := a.kube.Admit(cluster, kubewrite.Finalizer); err != nil {
		return refusalOutcome(err)
	}
	change()
	err := a.classified(ctx, before, a.client.Patch(ctx, cluster, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})))
	a.kube.Done(cluster, kubewrite.Finalizer, err)
	if err != nil {
		before.DeepCopyInto(cluster)
		return refusalOutcome(fmt.Errorf("patch finalizers: %w", err))
	}
	a.attempts.RecordVersion(cluster)
	return outcome{Outcome: report.Outcome{Ran: true}}
}

// classified returns the error of a write of the version of an object that was read.
func (a *actor) classified(ctx context.Context, read *v1alpha1.DatabricksCluster, err error) error {
	return kubewrite.Classified(ctx, a.uncached, read, &v1alpha1.DatabricksCluster{}, err)
}

// refusalOutcome returns the outcome of a write to the API server that failed or was held. It
// has the answer of the API server if that refused it.
func refusalOutcome(err error) outcome {
	return outcome{err: err, Outcome: report.Outcome{KubernetesRefusal: kubewrite.RefusalIn(err)}}
}

// clusterCall makes one request that changes a cluster, except for its permissions and
// libraries.
type clusterCall func(ctx context.Context, api databricks.ClusterWriter) error

func (a *actor) writeCluster(ctx context.Context, observed observation, write cache.Write, call clusterCall) outcome {
	return a.write(ctx, observed, write, func(ctx context.Context, api databricks.Writer) error { return call(ctx, api) })
}

func (a *actor) writePermissions(
	ctx context.Context, observed observation, write cache.Write, call func(context.Context, databricks.PermissionWriter) error,
) outcome {
	return a.write(ctx, observed, write, func(ctx context.Context, api databricks.Writer) error { return call(ctx, api) })
}

func (a *actor) writeLibraries(
	ctx context.Context, observed observation, write cache.Write, call func(context.Context, databricks.LibraryWriter) error,
) outcome {
	return a.write(ctx, observed, write, func(ctx context.Context, api databricks.Writer) error { return call(ctx, api) })
}

// write makes one request that changes a workspace.
func (a *actor) write(ctx context.Context, observed observation, write cache.Write, call func(context.Context, databricks.Writer) error) outcome {
	var endedAt time.Time
	done := outcomeOf(a.writers.Do(ctx, observed.workspace, write, func(ctx context.Context, api databricks.Writer) error {
		err := call(ctx, api)
		endedAt = time.Now()
		return err
	}))
	done.endedAt = endedAt
	return done
}

// outcomeOf returns the outcome of a call with this error.
func outcomeOf(err error) outcome {
	var wait *cache.WaitError
	switch {
	case err == nil:
		return outcome{Outcome: report.Outcome{Ran: true}}
	case errors.As(err, &wait):
		return outcome{wait: wait.At, hold: connector.HoldOf(wait)}
	case isNotSent(err):
		return outcome{err: err}
	default:
		return outcome{Outcome: report.Outcome{Ran: true, Failure: managed.FailureOf(err)}}
	}
}

func (a *actor) resize(ctx context.Context, observed observation, step plan.Resize) outcome {
	body, err := drift.Resize(step.ClusterID, observed.Desired)
	if err != nil {
		return invalid(err)
	}
	return a.writeCluster(ctx, observed, request(step, step.ClusterID), func(ctx context.Context, api databricks.ClusterWriter) error {
		return api.Resize(ctx, body)
	})
}

// readSpec requests a GET of the cluster that begins now.
func (a *actor) readSpec(cluster *v1alpha1.DatabricksCluster, observed observation, step plan.ReadSpec) outcome {
	now := time.Now()
	a.attempts.set(cluster, a.attempts.of(cluster).WithBase(step.Differences, now))
	observed.interest.SpecAfter = now
	observed.subscribe()
	return outcome{}
}

// update changes what differs, on top of the spec that a GET read for this change.
func (a *actor) update(ctx context.Context, cluster *v1alpha1.DatabricksCluster, observed observation, step plan.Update) outcome {
	if step.Method == plan.EditWhole {
		return a.edit(ctx, cluster, observed, step)
	}
	resource, mask, err := drift.Update(correction(observed, step))
	if err != nil {
		return invalid(err)
	}
	call := func(ctx context.Context, api databricks.ClusterWriter) error {
		return api.Update(ctx, databricks.UpdateRequest{ClusterID: step.ClusterID, Cluster: resource, UpdateMask: mask})
	}
	done := a.writeCluster(ctx, observed, request(step, step.ClusterID), a.fencedIfRunning(cluster, observed, call))
	if done.Failure != nil && done.Failure.Class == databricks.ClassUnsupported {
		a.withoutUpdate.add(observed.Host)
		return outcome{wait: time.Now()}
	}
	return done
}

// correction returns the changes of an update, on top of the spec that was last
// requested.
func correction(observed observation, step plan.Update) drift.Correction {
	return drift.Correction{
		Desired: observed.Desired, Observed: observed.base, Differences: step.Differences, Normalized: observed.Normalized, Owner: observed.Owner,
	}
}

// fencedIfRunning fences a change that restarts a running cluster.
func (a *actor) fencedIfRunning(cluster *v1alpha1.DatabricksCluster, observed observation, call clusterCall) clusterCall {
	if observed.Details.State == compute.StateTerminated {
		return call
	}
	return a.fenced(cluster, call)
}

func (a *actor) edit(ctx context.Context, cluster *v1alpha1.DatabricksCluster, observed observation, step plan.Update) outcome {
	body, err := drift.Edit(step.ClusterID, correction(observed, step))
	if err != nil {
		return invalid(err)
	}
	write := request(step, step.ClusterID)
	write.Endpoint = endpointEdit
	return a.writeCluster(ctx, observed, write, a.fencedIfRunning(cluster, observed, func(ctx context.Context, api databricks.ClusterWriter) error {
		return api.Edit(ctx, step.ClusterID, body)
	}))
}

// enforce lets the workspace change the cluster until it complies with its policy.
func (a *actor) enforce(ctx context.Context, cluster *v1alpha1.DatabricksCluster, observed observation, step plan.EnforceCompliance) outcome {
	var changed []string
	fence := a.fencedIfRunning(cluster, observed, func(context.Context, databricks.ClusterWriter) error { return nil })
	done := a.write(ctx, observed, request(step, step.ClusterID), func(ctx context.Context, api databricks.Writer) (err error) {
		if err := fence(ctx, api); err != nil {
			return err
		}
		changed, err = api.EnforceCompliance(ctx, step.ClusterID)
		return err
	})
	done.Enforced = changed
	return done
}

// invalid returns the outcome of a specification that cannot be encoded as a request.
func invalid(err error) outcome {
	return outcome{Outcome: report.Outcome{Ran: true, Failure: &managed.Failure{Class: databricks.ClassInvalid, Message: err.Error()}}}
}

// create creates the object's cluster, at most once.
//
// The intent is persisted first, under an optimistic lock. Only the process that
// persisted it may send the create, at once and not after the intent's deadline. finish
// persists the id with the status. A lost answer leaves the intent, which prevents
// another create until the result of the first one is known.
func (a *actor) create(ctx context.Context, cluster *v1alpha1.DatabricksCluster, observed observation, step plan.Create) outcome {
	body, err := drift.Creation(observed.Desired, cluster.Namespace+"/"+cluster.Name, observed.Owner)
	if err != nil {
		return invalid(err)
	}
	if err := a.kube.Held(cluster, kubewrite.Intent); err != nil {
		return outcome{err: err}
	}
	var created string
	done := a.write(ctx, observed, request(step, ""), func(ctx context.Context, api databricks.Writer) error {
		if err := a.declare(ctx, cluster, observed, step.Intent); err != nil {
			return fmt.Errorf("%w: %w", cache.ErrNotSent, err)
		}
		if !time.Now().Before(cluster.Status.Creation.NotAfter.Time) {
			return errTooLate
		}
		var err error
		created, err = api.Create(ctx, databricks.CreateRequest{CreateCluster: body, IdempotencyToken: step.Intent.Token})
		return err
	})
	done.Refused = done.Failure != nil && done.Failure.Class != databricks.ClassAmbiguous
	done.Created = created
	return done
}

// errTooLate ends a create whose process was delayed between its intent and its call.
// Another process may already search for the cluster of this intent.
var errTooLate = fmt.Errorf("%w: the deadline of the creation has passed", cache.ErrNotSent)

// declare persists the intent to create. After a conflict this process does not have
// the newest object and must not create.
func (a *actor) declare(ctx context.Context, cluster *v1alpha1.DatabricksCluster, observed observation, intent managed.Intent) error {
	if err := a.kube.Admit(cluster, kubewrite.Intent); err != nil {
		return err
	}
	read := cluster.DeepCopy()
	base := client.MergeFromWithOptions(read, client.MergeFromWithOptimisticLock{})
	notAfter := metav1.NewTime(intent.NotAfter)
	cluster.Status.ClusterID = ""
	cluster.Status.Host = observed.Host
	cluster.Status.OwnedFields = drift.Owned(observed.Desired)
	digest := drift.Digest(observed.Desired)
	if before := cluster.Status.Creation; before == nil || before.Token != intent.Token {
		cluster.Status.SecretsDigest = observed.SecretsDigest
	} else if before.Digest != digest {
		// An earlier call of this creation had another specification.
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
	err := a.classified(ctx, read, a.client.Status().Patch(ctx, cluster, base))
	if err == nil && (cluster.Status.Creation == nil || cluster.Status.Creation.Token != intent.Token) {
		err = kubewrite.ErrDropped
	}
	a.kube.Done(cluster, kubewrite.Intent, err)
	if err != nil {
		return fmt.Errorf("persist the intent to create: %w", err)
	}
	a.attempts.RecordVersion(cluster)
	a.attempts.seen(cluster, time.Now())
	return nil
}
