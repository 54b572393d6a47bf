package cache

import (
	"context"
	"errors"
	"time"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// Writers lets writes through. Only the controller's act.go comes to hold it.
type Writers struct{ options Options }

// Writers gives the way to write; cmd hands it to the controller's actor alone.
func (r *Registry) Writers() *Writers { return &Writers{options: r.options} }

// ErrNotSent is wrapped by the error of a call that decided to send nothing after it
// was let through. It counts neither as a success nor as a failure of the workspace,
// and invalidates nothing that is known of the cluster.
var ErrNotSent = errors.New("nothing was sent to the workspace")

// Do makes one write, if it may be made now: else it fails with a *WaitError,
// and nothing was sent. call gets a context with the request deadline and makes
// one call; its error is returned as it is. A call that sends nothing after all
// returns an error that wraps ErrNotSent.
//
// From its beginning until it completed nothing that is seen of the cluster is
// believed; a write whose answer was lost counts as going on until its deadline
// and a lag have passed. clusterID is empty for a create: Watch the id it learns.
func (s *Writers) Do(
	ctx context.Context, w *Workspace, class WriteClass, clusterID string,
	call func(ctx context.Context, api databricks.Writer) error,
) (err error) {
	m, startedAt := w.mirror, time.Now()
	c := m.credential(startedAt)
	if c == nil {
		return &WaitError{At: startedAt.Add(firstRetry), Reason: "the workspace is not connected", Domain: DomainHost}
	}
	if wait := c.admit(Class(class), startedAt); wait != nil {
		return wait
	}
	deadline := startedAt.Add(s.options.RequestDeadline)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	m.beginWrite(clusterID, class)
	err = errNoAnswer // unless call returns: it may panic
	defer func() {
		now := time.Now()
		if errors.Is(err, ErrNotSent) {
			m.cancelWrite(clusterID)
			c.gate.cancelled(Class(class))
			return
		}
		believeAfter := now
		if unclear(err) {
			believeAfter = later(now, deadline.Add(s.options.Lag))
		}
		m.endWrite(clusterID, now, believeAfter)
		c.ended(Class(class), startedAt, now, err)
		s.options.Observer(Call{Host: c.key.host, Class: Class(class), Duration: now.Sub(startedAt), Err: err})
	}()
	err = call(ctx, c.client)
	return err
}

var errNoAnswer = &databricks.Error{Class: databricks.ClassAmbiguous, Message: "the call did not return"}

// unclear tells whether a write that ended with err may still take effect.
func unclear(err error) bool {
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
