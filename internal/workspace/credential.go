package workspace

import (
	"context"
	"sync"
	"time"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// credential is one credential for one host: its client, who it is, and whether
// it is refused.
type credential struct {
	key    credentialKey
	client Client
	gate   *gate

	// knocking is held by whoever asks Me; the others wait for its outcome.
	knocking chan struct{}

	mu sync.Mutex
	// principal is set once Me told.
	principal databricks.Principal
	// refusal is the last failure of Me, or a 401 since.
	refusal error
	// unanswered spaces the attempts at Me.
	unanswered retries
	// refusedUntil is when a refused credential may be tried once more.
	refusedUntil time.Time

	// objects are those that want it, mirror what it was recognised for. Both are
	// guarded by the Registry.
	objects map[Object]struct{}
	mirror  *mirror
}

type credentialKey struct{ host, fingerprint string }

func newCredential(key credentialKey, client Client, g *gate) *credential {
	return &credential{
		key: key, client: client, gate: g,
		knocking: make(chan struct{}, 1),
		objects:  map[Object]struct{}{},
	}
}

// admit lets a call with this credential through the gate, or says when to come
// back.
func (c *credential) admit(class Class, now time.Time) *WaitError {
	if until := c.refused(); now.Before(until) {
		return &WaitError{At: until, Reason: "the credential was refused"}
	}
	if wait := c.gate.reserve(class, now); wait != nil {
		return wait
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.refusedUntil.IsZero() { // this call is the one that tries
		c.refusedUntil = now.Add(c.gate.limits.ProbeRefused)
	}
	return nil
}

func (c *credential) refused() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refusedUntil
}

// ended takes the outcome of a call that was admitted.
func (c *credential) ended(class Class, startedAt, now time.Time, err error) {
	c.gate.ended(class, startedAt, now, err)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case databricks.ClassOf(err) == databricks.ClassUnauthenticated:
		c.refusedUntil = now.Add(c.gate.limits.ProbeRefused)
	case !passing(err):
		c.refusedUntil = time.Time{}
	}
}

// identify asks Me, unless it is known, or was asked too lately.
func (c *credential) identify(ctx context.Context, deadline time.Duration, observe func(Call)) (databricks.Principal, error) {
	select {
	case c.knocking <- struct{}{}:
		defer func() { <-c.knocking }()
	case <-ctx.Done():
		return databricks.Principal{}, &WaitError{At: time.Now().Add(firstRetry), Reason: "the workspace has not answered yet"}
	}
	now := time.Now()
	c.mu.Lock()
	known, failure, again := c.principal, c.refusal, c.unanswered.at
	c.mu.Unlock()
	if known.ID != "" || now.Before(again) {
		return known, failure
	}
	if wait := c.admit(classConfirm, now); wait != nil {
		if failure != nil {
			return known, failure
		}
		return known, wait
	}
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	principal, err := c.client.Me(ctx)
	if err == nil && principal.ID == "" {
		err = &databricks.Error{Class: databricks.ClassHost, Message: "the workspace does not tell who the credential is"}
	}
	ended := time.Now()
	c.ended(classConfirm, now, ended, err)
	observe(Call{Host: c.key.host, Class: classConfirm, Duration: ended.Sub(now), Err: err})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refusal = err
	if err != nil {
		c.unanswered.failed(err, ended)
		return databricks.Principal{}, err
	}
	c.unanswered.succeeded()
	c.principal = principal
	return principal, nil
}
