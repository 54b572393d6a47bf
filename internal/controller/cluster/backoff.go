package cluster

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

const (
	// maxWriteBackoff is the longest pause between two attempts to write to the API
	// server in one scope.
	maxWriteBackoff = 30 * time.Second
	// retrySpacing is the least time between two retries of this process, whatever
	// their scopes.
	retrySpacing = 7 * time.Second
	// maxScopes bounds how many scopes are kept.
	maxScopes = 10_000
)

// errDropped is an intent that the API server accepted and did not keep.
var errDropped = errors.New("the API server accepted the intent to create and did not keep it")

// heldWriteError is a write to the API server that was not attempted: others failed
// lately. It may be attempted at until.
type heldWriteError struct{ until time.Time }

// Error says why nothing was attempted.
func (*heldWriteError) Error() string {
	return "writes to the API server have failed; waiting before another one"
}

// kubeWrites spaces the attempts to write to the API server once they fail: per
// namespace or object where they are refused, for the whole process where the API
// server cannot be reached. In a scope that fails one attempt is made at a time.
type kubeWrites struct {
	// first is the pause after the first failure; it doubles.
	first time.Duration
	now   func() time.Time

	// mu guards the rest.
	mu        sync.Mutex
	scopes    map[string]*writeScope
	lastRetry time.Time
}

// writeScope is a part of the API server's work in which writes fail.
type writeScope struct {
	failures int
	next     time.Time
	// retrying reports that one attempt is under way.
	retrying bool
	// isServer reports that the API server failed; otherwise it refused.
	isServer bool
}

func newKubeWrites(first time.Duration) *kubeWrites {
	return &kubeWrites{first: first, now: time.Now, scopes: map[string]*writeScope{}}
}

// processScope is the scope of failures that concern every write.
const processScope = ""

// writeKind is what a write is about.
type writeKind int

// The kinds of writes: a refusal of an intent speaks for its namespace, of any other
// write for its object.
const (
	intentWrite writeKind = iota
	objectWrite
)

// refusalScope is the scope of a write that is refused.
func refusalScope(cluster *v1alpha1.DatabricksCluster, kind writeKind) string {
	if kind == intentWrite {
		return "intents/" + cluster.Namespace
	}
	return "objects/" + cluster.Namespace + "/" + cluster.Name
}

func serverScope(cluster *v1alpha1.DatabricksCluster) string { return "server/" + cluster.Namespace }

func scopesOf(cluster *v1alpha1.DatabricksCluster, kind writeKind) []string {
	return []string{processScope, serverScope(cluster), refusalScope(cluster, kind)}
}

// held returns the *heldWriteError of a write that may not be attempted now; nil: it may.
// It counts nothing.
func (k *kubeWrites) held(cluster *v1alpha1.DatabricksCluster, kind writeKind) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, err := k.judge(cluster, kind)
	return err
}

// admit lets a write through, or returns a *heldWriteError. The caller must call done with
// the outcome of a write that was let through.
func (k *kubeWrites) admit(cluster *v1alpha1.DatabricksCluster, kind writeKind) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	failing, err := k.judge(cluster, kind)
	if err != nil || len(failing) == 0 {
		return err
	}
	now := k.now()
	k.lastRetry = now
	for _, scope := range failing {
		scope.retrying, scope.next = true, now.Add(k.pause(scope.failures))
	}
	return nil
}

// judge finds the failing scopes of a write, and whether it has to wait for them.
func (k *kubeWrites) judge(cluster *v1alpha1.DatabricksCluster, kind writeKind) (failing []*writeScope, err error) {
	now := k.now()
	for _, name := range scopesOf(cluster, kind) {
		scope := k.scopes[name]
		if scope == nil {
			continue
		}
		if now.Before(scope.next) {
			return nil, &heldWriteError{until: scope.next}
		}
		failing = append(failing, scope)
	}
	if next := k.lastRetry.Add(retrySpacing); len(failing) > 0 && now.Before(next) {
		return nil, &heldWriteError{until: next}
	}
	return failing, nil
}

// done takes the outcome of a write that was let through. A conflict and a missing
// object say that the API server is well.
func (k *kubeWrites) done(cluster *v1alpha1.DatabricksCluster, kind writeKind, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) && !isRefusal(err) {
		for _, name := range scopesOf(cluster, kind) {
			delete(k.scopes, name)
		}
		return
	}
	switch {
	case isRefusal(err):
		delete(k.scopes, processScope)
		k.failed(refusalScope(cluster, kind), refusedWrite)
	case isAnswer(err):
		k.failed(serverScope(cluster), failedWrite)
		if k.failingNamespaces() > 1 {
			k.failed(processScope, failedWrite)
		}
	default:
		k.failed(processScope, failedWrite)
	}
}

// writeFailure is how a write failed.
type writeFailure int

// The failures of a write: the API server refused it, or failed itself.
const (
	refusedWrite writeFailure = iota
	failedWrite
)

// failed counts a failure. Those of attempts that began before it count once.
func (k *kubeWrites) failed(name string, how writeFailure) {
	scope := k.scopes[name]
	now := k.now()
	switch {
	case scope == nil:
		if len(k.scopes) >= maxScopes {
			clear(k.scopes)
		}
		scope = &writeScope{}
		k.scopes[name] = scope
	case !scope.retrying && now.Before(scope.next):
		return
	}
	scope.failures++
	scope.retrying, scope.isServer = false, how == failedWrite
	scope.next = now.Add(k.pause(scope.failures))
}

// failingNamespaces counts those in which the API server fails.
func (k *kubeWrites) failingNamespaces() int {
	count := 0
	for name, scope := range k.scopes {
		if scope.isServer && name != processScope {
			count++
		}
	}
	return count
}

func (k *kubeWrites) pause(failures int) time.Duration {
	pause := k.first
	for range min(failures-1, 16) {
		pause = min(2*pause, maxWriteBackoff)
	}
	return pause
}

// refusedError is a conflict that no newer object explains: admission refused.
type refusedError struct{ error }

// Unwrap returns the API server's answer.
func (e *refusedError) Unwrap() error { return e.error }

// isRefusal reports that the API server will not take this write as it is.
func isRefusal(err error) bool {
	if _, ok := errors.AsType[*refusedError](err); ok || errors.Is(err, errDropped) {
		return true
	}
	answer, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok {
		return false
	}
	code := answer.ErrStatus.Code
	return code >= http.StatusBadRequest && code < http.StatusInternalServerError &&
		code != http.StatusConflict && code != http.StatusTooManyRequests && code != http.StatusUnauthorized
}

// isAnswer reports that the API server answered at all.
func isAnswer(err error) bool {
	_, ok := errors.AsType[*apierrors.StatusError](err)
	return ok
}

// nextFor is when a write of an object may be attempted again; zero: now.
func (k *kubeWrites) nextFor(cluster *v1alpha1.DatabricksCluster) time.Time {
	var next time.Time
	for _, kind := range []writeKind{intentWrite, objectWrite} {
		if held, ok := errors.AsType[*heldWriteError](k.held(cluster, kind)); ok && held.until.After(next) {
			next = held.until
		}
	}
	return next
}

// retryAt spreads those that wait for one moment.
func retryAt(until time.Time) time.Time { return until.Add(rand.N(time.Second)) }
