package cache

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

// Writers makes writes under the rate limit.
type Writers struct{ options Options }

// Writers returns the Writers of the registry's workspaces. Only the controller's actor
// may use it.
func (r *Registry) Writers() *Writers { return &Writers{options: r.options} }

// Write describes a call that changes a workspace.
type Write struct {
	// Priority is ratelimit.PriorityTerminate for terminate, permanent-delete and
	// unpin, which end costs; else ratelimit.PriorityChange.
	Priority ratelimit.Priority
	// Endpoint is the path of the endpoint in the API reference, such as clusters/edit.
	Endpoint string
	// ClusterID is the cluster; empty for a create, and for a write that is not about a
	// cluster.
	ClusterID string
	// Resource is the id of the item of a collection that the write is about; empty for a
	// create and for a cluster. The write invalidates no read of it: the object requests
	// reads that began later by Lookup.After.
	Resource string
}

// resource returns the id of the resource for the rate limiter.
func (w Write) resource() string { return cmp.Or(w.ClusterID, w.Resource) }

// ErrNotSent marks a failure before anything was sent to the workspace. An error of
// call that wraps it cancels the permit.
var ErrNotSent = errors.New("nothing was sent to the workspace")

// Do makes one write with the object's own credential. It fails with a *WaitError, and
// sends nothing, if the rate limiter does not permit the write now. call gets a context
// with the request deadline and makes one call. Do returns its error unchanged, except
// that an unconfirmed refusal of the credential becomes transient.
//
// The write invalidates all reads of the cluster that began before it completed. A
// write whose answer was lost counts as in flight until Options.Lag after its deadline.
func (s *Writers) Do(ctx context.Context, w *Workspace, write Write, call func(ctx context.Context, api databricks.Writer) error) error {
	startedAt := time.Now()
	permit, wait := w.credential.acquire(ratelimit.Request{
		Priority: write.Priority, Flow: w.object.flow(), Endpoint: write.Endpoint, Resource: write.resource(),
	}, startedAt)
	if wait != nil {
		return wait
	}
	deadline := startedAt.Add(s.options.RequestDeadline)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	w.cache.beginWrite(write.ClusterID)
	sent := errNoAnswer // if call panics
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
	_, classified := errors.AsType[*databricks.Error](err)
	return !classified || databricks.ClassOf(err) == databricks.ClassAmbiguous
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
