package cache

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

	mu sync.Mutex
	// asking: Me is under way, or waits for its turn, since held.
	asking bool
	// soughtAt is since when nobody knows who it is, held why Me has no turn.
	soughtAt time.Time
	held     string
	// principal is set once Me told.
	principal databricks.Principal
	// refusal is the last failure of Me.
	refusal error
	// unanswered spaces the attempts at Me.
	unanswered retries
	// refusedUntil is when a refused credential may be tried once more.
	refusedUntil time.Time

	// objects are those that want it, mirror what it was recognised for, and stop
	// ends the asking. All are guarded by the Registry.
	objects map[Object]struct{}
	mirror  *mirror
	stop    func()
}

type credentialKey struct{ host, fingerprint string }

func newCredential(key credentialKey, client Client, g *gate) *credential {
	return &credential{
		key: key, client: client, gate: g,
		soughtAt: time.Now(), held: "the workspace has not answered yet",
		objects: map[Object]struct{}{},
		stop:    func() {},
	}
}

// admit lets a call with this credential through the gate, or says when to come
// back.
func (c *credential) admit(class Class, now time.Time) *WaitError {
	if until := c.refused(); now.Before(until) {
		return &WaitError{At: until, Reason: "the credential was refused", Domain: DomainCredential}
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

// recognised is who the credential is, or why that is not known. due tells that
// Me is to be asked, and that the caller must see to it.
func (c *credential) recognised(now time.Time) (principal databricks.Principal, due bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.principal.ID != "" {
		return c.principal, false, nil
	}
	due = !c.asking && !now.Before(c.unanswered.at)
	c.asking = c.asking || due
	if c.refusal != nil {
		return databricks.Principal{}, due, c.refusal
	}
	return databricks.Principal{}, due, &WaitError{At: now.Add(firstRetry), Reason: c.held, Since: c.soughtAt}
}

// sought tells that Me is to be asked.
func (c *credential) sought() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asking
}

// introduce asks Me as soon as it has its turn. It tells whether what came of it
// is news.
func (c *credential) introduce(ctx context.Context, deadline time.Duration, observe func(Call)) (news bool) {
	startedAt, ok := c.turn(ctx)
	if !ok {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	principal, err := c.client.Me(ctx)
	if err == nil && principal.ID == "" {
		err = &databricks.Error{Class: databricks.ClassHost, Message: "the workspace does not tell who the credential is"}
	}
	endedAt := time.Now()
	c.ended(classConfirm, startedAt, endedAt, err)
	observe(Call{Host: c.key.host, Class: classConfirm, Duration: endedAt.Sub(startedAt), Err: err})
	return c.introduced(principal, err, endedAt)
}

// turn waits until Me is let through, and tells when that was; not where ctx
// ends before.
func (c *credential) turn(ctx context.Context) (at time.Time, ok bool) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return time.Time{}, false
		case <-timer.C:
		}
		now := time.Now()
		wait := c.admit(classConfirm, now)
		if wait == nil {
			return now, true
		}
		c.mu.Lock()
		c.held = wait.Reason
		c.mu.Unlock()
		timer.Reset(time.Until(wait.At))
	}
}

// introduced takes the outcome of Me.
func (c *credential) introduced(principal databricks.Principal, err error, now time.Time) (news bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.refusal
	c.asking, c.refusal = false, err
	if err != nil {
		c.unanswered.failed(err, now)
		return before == nil || before.Error() != err.Error()
	}
	c.unanswered.succeeded()
	c.principal = principal
	return true
}
