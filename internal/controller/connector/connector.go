package connector

import (
	"errors"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/connection"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

// Connector connects objects to their workspaces.
type Connector struct {
	Registry *cache.Registry
	Resolver *connection.Resolver
	// FirstAnswerDeadline is how long a workspace may leave the first call with a
	// credential unanswered before its objects are blocked.
	FirstAnswerDeadline time.Duration
	// RetryInterval is the shortest time until an object retries a failed connection.
	RetryInterval time.Duration
}

// Connection is an object's workspace, or the reason why it has none.
type Connection struct {
	// Workspace is nil if there is none.
	Workspace *cache.Workspace
	// Blocked is the reason why there is no workspace; nil while the first answer is
	// awaited.
	Blocked *managed.Blocked
	// UnansweredUntil is the deadline of the first answer, of the workspace or of the
	// source of the credential; zero if none is awaited. The object is enqueued when the
	// answer arrives.
	UnansweredUntil time.Time
}

// Connect connects an object to the workspace of a credential. conditions are those of
// the object's status.
func (c *Connector) Connect(object Identity, credential connection.Credential, conditions []metav1.Condition) Connection {
	workspace, err := c.Registry.Connect(object.Subscriber(), credential.Config, credential.Source.Domain())
	if err == nil {
		return Connection{Workspace: workspace}
	}
	wait, waits := errors.AsType[*cache.WaitError](err)
	if waits {
		if until := c.firstAnswerBy(wait); !until.IsZero() {
			return Connection{UnansweredUntil: until}
		}
	}
	failure := managed.FailureOf(err)
	c.Resolver.MarkRejected(object.User, failure.Class)
	if waits {
		blocked := c.stillWaiting(conditions, wait)
		blocked.Outage = &managed.Outage{Failure: failure, Since: wait.Since}
		return Connection{Blocked: blocked}
	}
	verdict := failure.Verdict()
	return Connection{Blocked: &managed.Blocked{
		Reason:    verdict.Reason,
		Message:   verdict.Message,
		Stalled:   verdict.Stalled,
		RequeueAt: time.Now().Add(max(c.RetryInterval, failure.RetryAfter)),
		Outage:    outageOf(err, failure),
	}}
}

// outageOf returns the outage that a failed connection means; nil if the user has to change
// something.
func outageOf(err error, failure *managed.Failure) *managed.Outage {
	unidentified, isUnidentified := errors.AsType[*cache.UnidentifiedError](err)
	if !isUnidentified || !failure.MayPass() {
		return nil
	}
	return &managed.Outage{Failure: failure, Since: unidentified.Since}
}

// Disconnect ends the object's use of the workspace that an earlier credential reached,
// and returns why there is no credential.
func (c *Connector) Disconnect(object Identity, blocked *connection.Blocked) Connection {
	c.Registry.Release(object.Subscriber())
	if blocked.Pending {
		return Connection{UnansweredUntil: blocked.RetryAt}
	}
	return Connection{Blocked: &managed.Blocked{
		Reason:    blocked.Reason,
		Message:   blocked.Message,
		Remedy:    blocked.Remedy,
		Stalled:   blocked.Stalled,
		RequeueAt: blocked.RetryAt,
	}}
}

// Release ends the object's use of its credential and of its workspace.
func (c *Connector) Release(object Identity) {
	c.Resolver.Release(object.User)
	c.Registry.Release(object.Subscriber())
}

// MarkHealth records whether the reads of the object's workspace accept the object's
// credential. It returns the failure of the reads; nil if they succeed.
func (c *Connector) MarkHealth(object Identity, health cache.Health) *managed.Failure {
	if health.Err == nil {
		c.Resolver.MarkAccepted(object.User)
		return nil
	}
	failure := managed.FailureOf(health.Err)
	c.Resolver.MarkRejected(object.User, failure.Class)
	return failure
}

// firstAnswerBy returns the deadline of a workspace's first answer; zero if none is
// awaited or the deadline has passed.
func (c *Connector) firstAnswerBy(wait *cache.WaitError) time.Time {
	if wait.Since.IsZero() {
		return time.Time{}
	}
	if until := wait.Since.Add(c.FirstAnswerDeadline); time.Now().Before(until) {
		return until
	}
	return time.Time{}
}

// stillWaiting returns the reason that the conditions give already, as long as the
// workspace does not answer. The object is enqueued when it answers.
func (c *Connector) stillWaiting(conditions []metav1.Condition, wait *cache.WaitError) *managed.Blocked {
	retryAt := time.Now().Add(c.RetryInterval)
	if wait.At.After(retryAt) {
		retryAt = wait.At
	}
	for i := range conditions {
		current := &conditions[i]
		stalled := current.Type == v1alpha1.ConditionStalled
		if stalled || current.Type == v1alpha1.ConditionReconciling {
			return &managed.Blocked{Reason: current.Reason, Message: current.Message, Stalled: stalled, RequeueAt: retryAt}
		}
	}
	return &managed.Blocked{Reason: v1alpha1.ReasonRetryingAfterError, Message: wait.Message, RequeueAt: retryAt}
}

// HoldOf returns the hold of a write that was not permitted.
func HoldOf(wait *cache.WaitError) *managed.Hold {
	hold := &managed.Hold{Reason: v1alpha1.ReasonRetryingAfterError, Message: "waiting: " + wait.Message}
	if wait.Reason == ratelimit.ReasonRateLimited || wait.Reason == ratelimit.ReasonRetryAfter {
		hold.Reason, hold.Message = v1alpha1.ReasonRateLimited, "waiting for the workspace's request limit: "+wait.Message
	}
	return hold
}
