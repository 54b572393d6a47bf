package controller

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/connection"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

// connect finds the object's workspace, or why there is none to speak to.
func (r *Reconciler) connect(ctx context.Context, cluster *v1alpha1.DatabricksCluster, observed *observation) {
	self := identityOf(v1alpha1.ClusterKind, cluster)
	credential, blocked := r.connections.Resolve(ctx, requestOf(cluster))
	if blocked != nil {
		// What an earlier credential reached is released with it.
		r.registry.Release(self.subscriber())
		observed.Blocked, observed.unansweredUntil = blockedBy(blocked)
		return
	}
	config := credential.Config
	observed.Host, observed.Credential = config.Host(), config.Fingerprint()
	observed.LacksUpdate = r.actor.withoutUpdate.has(observed.Host)
	if bound := cluster.Status.Host; bound != "" && bound != observed.Host {
		// Nothing is asked of a workspace that the object does not belong to.
		r.registry.Release(self.subscriber())
		r.connections.MarkRejected(self.User, databricks.ClassHost)
		return
	}
	found, err := r.registry.Connect(self.subscriber(), config, credential.Source.Domain())
	if err != nil {
		if observed.unansweredUntil = r.options.firstAnswerBy(err); observed.unansweredUntil.IsZero() {
			observed.Blocked = r.unconnected(cluster, err)
		}
		return
	}
	observed.workspace = found
	observed.Principal, observed.WorkspaceID = found.Principal().UserName, found.Principal().WorkspaceID
	observed.ClockSkew = found.ClockSkew()
	if observed.isElsewhere(cluster) {
		// Nothing is requested of a workspace that the object does not belong to.
		observed.workspace = nil
	}
}

// isElsewhere reports whether the credential leads to another workspace behind the
// same host than the one that the object is bound to.
func (o *observation) isElsewhere(cluster *v1alpha1.DatabricksCluster) bool {
	bound := cluster.Status.WorkspaceID
	return bound != "" && o.WorkspaceID != "" && bound != o.WorkspaceID
}

// userOf returns the object as a user of a credential.
func userOf(cluster *v1alpha1.DatabricksCluster) connection.User {
	return identityOf(v1alpha1.ClusterKind, cluster).User
}

// requestOf returns what the object asks of its connection. The credential of a
// shared workspace may see clusters of other tenants, so a cluster that was not
// created for the object is named.
func requestOf(cluster *v1alpha1.DatabricksCluster) connection.Request {
	request := connection.Request{User: userOf(cluster), Connection: cluster.Spec.Connection}
	named := cluster.Spec.ClusterID
	if named != "" && (cluster.Status.Adopted || cluster.Status.ClusterID != named) {
		request.AdoptionField = "spec.clusterID"
	}
	return request
}

// blockedBy returns why there is no credential. While a source is read for the
// first time it returns the deadline of that read instead.
func blockedBy(blocked *connection.Blocked) (trouble *plan.Blocked, unansweredUntil time.Time) {
	if blocked.Pending {
		return nil, blocked.RetryAt
	}
	return &plan.Blocked{
		Reason:    blocked.Reason,
		Message:   blocked.Message,
		Stalled:   blocked.Stalled,
		RequeueAt: blocked.RetryAt,
	}, time.Time{}
}

// unconnected is why a credential does not lead to its workspace.
func (r *Reconciler) unconnected(cluster *v1alpha1.DatabricksCluster, err error) *plan.Blocked {
	failure := plan.FailureOf(err)
	r.connections.MarkRejected(userOf(cluster), failure.Class)
	if wait, ok := errors.AsType[*cache.WaitError](err); ok {
		return stillWaiting(cluster.Status.Conditions, wait, r.options.ConnectPause)
	}
	return blockedOf(failure, r.options.ConnectPause)
}

// blockedOf is a failure to connect, to be tried again after a pause at least.
func blockedOf(failure *plan.Failure, pause time.Duration) *plan.Blocked {
	verdict := failure.Verdict()
	return &plan.Blocked{
		Reason:    verdict.Reason,
		Message:   verdict.Message,
		Stalled:   verdict.Stalled,
		RequeueAt: time.Now().Add(max(pause, failure.RetryAfter)),
	}
}

// firstAnswerBy is until when a workspace that has never answered is no trouble yet;
// zero: it is, or has passed.
func (o Options) firstAnswerBy(err error) time.Time {
	wait, waits := errors.AsType[*cache.WaitError](err)
	if !waits || wait.Since.IsZero() {
		return time.Time{}
	}
	if until := wait.Since.Add(o.ConnectDeadline); time.Now().Before(until) {
		return until
	}
	return time.Time{}
}

// stillWaiting keeps saying why the workspace could not be reached while it has
// not answered. Its answer is news, so that there is no hurry to ask again.
func stillWaiting(said []metav1.Condition, wait *cache.WaitError, pause time.Duration) *plan.Blocked {
	again := latest(wait.At, time.Now().Add(pause))
	for i := range said {
		was := &said[i]
		stalled := was.Type == v1alpha1.ConditionStalled
		if stalled || was.Type == v1alpha1.ConditionReconciling {
			return &plan.Blocked{Reason: was.Reason, Message: was.Message, Stalled: stalled, RequeueAt: again}
		}
	}
	return &plan.Blocked{Reason: v1alpha1.ReasonRetryingAfterError, Message: wait.Message, RequeueAt: again}
}

// secretReader reads the values that a specification names, uncached and from
// the object's own namespace.
type secretReader struct{ reader client.Reader }

func (s secretReader) resolve(ctx context.Context, cluster *v1alpha1.DatabricksCluster) (drift.Secrets, *plan.Blocked) {
	var values drift.Secrets
	var trouble *plan.Blocked
	if image := cluster.Spec.DockerImage; image != nil && image.BasicAuthSecretRef != nil {
		name := image.BasicAuthSecretRef.Name
		if values.DockerUsername, trouble = s.value(ctx, cluster, "spec.dockerImage.basicAuthSecretRef", name, "username"); trouble != nil {
			return values, trouble
		}
		if values.DockerPassword, trouble = s.value(ctx, cluster, "spec.dockerImage.basicAuthSecretRef", name, "password"); trouble != nil {
			return values, trouble
		}
	}
	if azure := cluster.Spec.AzureAttributes; azure != nil && azure.LogAnalyticsInfo != nil {
		if ref := azure.LogAnalyticsInfo.LogAnalyticsPrimaryKeySecretRef; ref != nil {
			values.LogAnalyticsPrimaryKey, trouble = s.value(ctx, cluster, "spec.azureAttributes.logAnalyticsInfo.logAnalyticsPrimaryKeySecretRef", ref.Name, ref.Key)
		}
	}
	return values, trouble
}

// secretPause is how soon a Secret that a specification names is looked for again.
const secretPause = 20 * time.Second

func (s secretReader) value(ctx context.Context, cluster *v1alpha1.DatabricksCluster, field, name, key string) (string, *plan.Blocked) {
	trouble := &plan.Blocked{Reason: v1alpha1.ReasonCredentialsNotReady, RequeueAt: time.Now().Add(secretPause)}
	var object corev1.Secret
	err := s.reader.Get(ctx, types.NamespacedName{Namespace: cluster.Namespace, Name: name}, &object)
	if err != nil {
		trouble.Message = fmt.Sprintf("%s: Secret %q cannot be read (%s); create it in namespace %s", field, name, apierrors.ReasonForError(err), cluster.Namespace)
		return "", trouble
	}
	value, ok := object.Data[key]
	if !ok {
		trouble.Message = fmt.Sprintf("%s: Secret %q has no key %q; add it", field, name, key)
		return "", trouble
	}
	return string(value), nil
}
