package cache

import (
	"context"
	"errors"
	"time"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

// Writers makes writes under the rate limit. Only the controller's act.go comes to
// hold it.
type Writers struct{ options Options }

// Writers returns the way to write; cmd hands it to the controller's actor alone.
func (r *Registry) Writers() *Writers { return &Writers{options: r.options} }

// Write describes a call that changes a workspace.
type Write struct {
	// Priority is ratelimit.PriorityTerminate for what ends costs: terminate,
	// permanent-delete and unpin; else ratelimit.PriorityChange.
	Priority ratelimit.Priority
	// Endpoint is the endpoint as the API reference has it, such as clusters/edit.
	Endpoint string
	// ClusterID is the cluster; empty for a create.
	ClusterID string
}

// ErrNotSent marks a failure that came before anything was sent to the workspace:
// wrapped by what call returns, it gives the permit back as if it had not been taken.
var ErrNotSent = errors.New("nothing was sent to the workspace")

// Do makes one write with the object's own credential, if it may be made now: else it
// fails with a *WaitError, and nothing was sent. call gets a context with the request
// deadline and makes one call; its error is returned as it is, but for a refusal of
// the credential that nothing has confirmed yet.
//
// From its beginning until it completed no read of the cluster is valid; a write whose
// answer was lost counts as in flight until its deadline and a lag have passed.
func (s *Writers) Do(ctx context.Context, w *Workspace, write Write, call func(ctx context.Context, api databricks.Writer) error) error {
	startedAt := time.Now()
	permit, wait := w.credential.acquire(ratelimit.Request{
		Priority: write.Priority, Flow: w.object.flow(), Endpoint: write.Endpoint, Resource: write.ClusterID,
	}, startedAt)
	if wait != nil {
		return wait
	}
	deadline := startedAt.Add(s.options.RequestDeadline)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	w.cache.beginWrite(write.ClusterID)
	sent := errNoAnswer // unless call returns: it may panic
	defer func() {
		now := time.Now()
		switch {
		case errors.Is(sent, ErrNotSent):
			w.cache.cancelWrite(write.ClusterID)
		case isUnclear(sent):
			w.cache.endWrite(write, now, later(now, deadline.Add(s.options.Lag)))
		default:
			w.cache.endWrite(write, now, now)
		}
	}()
	return w.credential.call(permit, Call{Endpoint: write.Endpoint, Priority: write.Priority}, func() error {
		sent = call(ctx, w.credential.client)
		return sent
	})
}

// isUnclear reports whether a write that ended with err may still take effect.
func isUnclear(err error) bool {
	if err == nil {
		return false
	}
	_, judged := errors.AsType[*databricks.Error](err)
	return !judged || databricks.ClassOf(err) == databricks.ClassAmbiguous
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
