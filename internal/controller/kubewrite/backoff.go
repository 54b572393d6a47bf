package kubewrite

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

const (
	// maxWriteBackoff is the longest backoff between two attempts to write to the API
	// server in one scope.
	maxWriteBackoff = 30 * time.Second
	// retrySpacing is the shortest time between two retries of this process in all
	// scopes.
	retrySpacing = 7 * time.Second
	// maxScopes is the largest number of scopes in memory.
	maxScopes = 10_000
)

// ErrDropped means that the API server accepted an intent and did not store it.
var ErrDropped = errors.New("the API server accepted the intent to create and did not keep it")

// HeldError means that a write to the API server was not attempted, because recent ones
// failed, or because another operator overwrites the same status again and again.
type HeldError struct {
	// Until is when it may be attempted.
	Until time.Time
	// Refusal is the answer by which the API server refused the last attempt; empty if it
	// refused none.
	Refusal string
}

// Error returns why the write was not attempted.
func (*HeldError) Error() string {
	return "waiting before another write to the API server"
}

// Writes is the backoff of failing writes to the API server. The scope of the
// backoff is a namespace or an object if the writes are refused, and the whole process
// if the API server cannot be reached. In a failing scope one attempt is made at a time.
type Writes struct {
	// first is the backoff after the first failure; it doubles.
	first time.Duration
	now   func() time.Time

	// mu guards the rest.
	mu        sync.Mutex
	scopes    map[string]*writeScope
	lastRetry time.Time
}

// writeScope is the state of a scope in which writes fail.
type writeScope struct {
	failures int
	next     time.Time
	// retrying reports whether an attempt is in progress.
	retrying bool
	// isServer reports whether the API server failed; otherwise it refused, with the answer
	// refusal. isAnnounced reports whether an event has this answer.
	isServer, isAnnounced bool
	refusal               string
}

// New returns the backoff of the writes of one kind. first is the backoff after the first
// failure.
func New(first time.Duration) *Writes {
	return &Writes{first: first, now: time.Now, scopes: map[string]*writeScope{}}
}

// processScope is the scope of failures of all writes.
const processScope = ""

// Kind is the subject of a write.
type Kind int

// The kinds of writes. The scope of a refused intent is its namespace, that of any other
// refused write is its object. A refused change of finalizers holds no status, which
// reports it.
const (
	Intent Kind = iota
	Object
	Finalizer
)

// refusalScope returns the scope of a refused write.
func refusalScope(object client.Object, kind Kind) string {
	switch kind {
	case Intent:
		return "intents/" + object.GetNamespace()
	case Finalizer:
		return "finalizers/" + object.GetNamespace() + "/" + object.GetName()
	default:
	}
	return "objects/" + object.GetNamespace() + "/" + object.GetName()
}

// serverScope returns the scope of a write for which the API server failed.
func serverScope(object client.Object) string { return "server/" + object.GetNamespace() }

func scopesOf(object client.Object, kind Kind) []string {
	return []string{processScope, serverScope(object), refusalScope(object, kind)}
}

// Held returns the *HeldError of a write that may not be attempted now; nil if it
// may. It changes no state.
func (k *Writes) Held(object client.Object, kind Kind) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, err := k.judge(object, kind)
	return err
}

// Admit permits a write, or returns a *HeldError. The caller must call done with the
// outcome of a permitted write.
func (k *Writes) Admit(object client.Object, kind Kind) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	failing, err := k.judge(object, kind)
	if err != nil || len(failing) == 0 {
		return err
	}
	now := k.now()
	k.lastRetry = now
	for _, scope := range failing {
		scope.retrying, scope.next = true, now.Add(k.backoff(scope.failures))
	}
	return nil
}

// judge returns the failing scopes of a write, or a *HeldError if the write has to
// wait for them.
func (k *Writes) judge(object client.Object, kind Kind) (failing []*writeScope, err error) {
	now := k.now()
	for _, name := range scopesOf(object, kind) {
		scope := k.scopes[name]
		if scope == nil {
			continue
		}
		if now.Before(scope.next) {
			return nil, &HeldError{Until: scope.next, Refusal: scope.refusal}
		}
		failing = append(failing, scope)
	}
	if next := k.lastRetry.Add(retrySpacing); len(failing) > 0 && now.Before(next) {
		return nil, &HeldError{Until: next, Refusal: failing[len(failing)-1].refusal}
	}
	return failing, nil
}

// Done records the outcome of a permitted write. A conflict and a missing object count
// as successes of the API server.
func (k *Writes) Done(object client.Object, kind Kind, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) && !IsRefusal(err) {
		for _, name := range scopesOf(object, kind) {
			delete(k.scopes, name)
		}
		return
	}
	switch {
	case IsRefusal(err):
		delete(k.scopes, processScope)
		name := refusalScope(object, kind)
		k.failed(name, refusedWrite)
		k.scopes[name].refusal = databricks.PlainText(err.Error())
	case isAnswer(err):
		k.failed(serverScope(object), failedWrite)
		if k.failingNamespaces() > 1 {
			k.failed(processScope, failedWrite)
		}
	default:
		k.failed(processScope, failedWrite)
	}
}

// writeFailure is the way in which a write failed.
type writeFailure int

// The failures of a write: the API server refused it, or failed itself.
const (
	refusedWrite writeFailure = iota
	failedWrite
)

// failed counts a failure of a scope. Failures of attempts that began before its backoff
// count once.
func (k *Writes) failed(name string, how writeFailure) {
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
	scope.next = now.Add(k.backoff(scope.failures))
}

// failingNamespaces returns the number of namespaces in which the API server fails.
func (k *Writes) failingNamespaces() int {
	count := 0
	for name, scope := range k.scopes {
		if scope.isServer && name != processScope {
			count++
		}
	}
	return count
}

// backoff returns the backoff after a number of failures.
func (k *Writes) backoff(failures int) time.Duration {
	backoff := k.first
	for range min(failures-1, 16) {
		backoff = min(2*backoff, maxWriteBackoff)
	}
	return backoff
}

// IsRefusal reports whether the API server refused the content of a write.
func IsRefusal(err error) bool {
	if _, ok := errors.AsType[*RefusedError](err); ok || errors.Is(err, ErrDropped) {
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

// RefusalIn returns the answer by which the API server refused a write, now or before the
// write was held; empty if it did not.
func RefusalIn(err error) string {
	if held, isHeld := errors.AsType[*HeldError](err); isHeld {
		return held.Refusal
	}
	if IsRefusal(err) {
		return databricks.PlainText(err.Error())
	}
	return ""
}

// isAnswer reports whether an error is an answer of the API server.
func isAnswer(err error) bool {
	_, ok := errors.AsType[*apierrors.StatusError](err)
	return ok
}

// Unannounced returns the answer by which the API server refused a status or an intent of
// an object, once until such a write succeeds; empty if there is none. A refused change of
// finalizers is reported in the status.
func (k *Writes) Unannounced(object client.Object) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, kind := range []Kind{Intent, Object} {
		if scope := k.scopes[refusalScope(object, kind)]; scope != nil && !scope.isAnnounced && scope.refusal != "" {
			scope.isAnnounced = true
			return scope.refusal
		}
	}
	return ""
}

// NextFor returns when a write of an object may be attempted again; zero means now.
func (k *Writes) NextFor(object client.Object) time.Time {
	var next time.Time
	for _, kind := range []Kind{Intent, Object, Finalizer} {
		if held, ok := errors.AsType[*HeldError](k.Held(object, kind)); ok && held.Until.After(next) {
			next = held.Until
		}
	}
	return next
}

// RetryAt adds jitter to a time that many objects may wait for.
func RetryAt(until time.Time) time.Time { return until.Add(rand.N(time.Second)) }
