package cache

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

// credential is one credential for one host: its client, its principal, and whether
// the workspace accepts it.
type credential struct {
	key     credentialKey
	client  Client
	options Options
	// launch starts identify if it is needed. It must not block. changed is called
	// after each change that objects must be notified of.
	launch  func()
	changed func(*credential)

	// objects are those that use the credential, cache is the one that it was
	// identified for, and stop ends identify. The Registry's lock guards them.
	objects map[Object]struct{}
	cache   *cache
	stop    func()

	// mu guards everything below. Only the limiter's lock is taken under it.
	mu      sync.Mutex
	limiter *ratelimit.Limiter
	// identifying: Me is in flight or scheduled. running: identify runs.
	identifying, running bool
	// since is when the credential was first used, for the errors of identity; waiting is why
	// Me has not returned yet.
	since   time.Time
	waiting string
	// principal is set when Me first succeeds.
	principal databricks.Principal
	// failure is the last failure of Me; nil after a success.
	failure error
	// backoff is the backoff of Me.
	backoff    backoff
	acceptance acceptance
	// acceptedAt is when Me last succeeded. confirmed reports whether that was the
	// confirmation after a refused call.
	acceptedAt time.Time
	confirmed  bool
}

// acceptance is the state of a credential in the workspace. One refused call does not
// reject a credential; Me decides.
type acceptance int

const (
	accepted acceptance = iota
	// suspected: a call was refused, and Me is in flight to confirm that.
	suspected
	// rejected: Me was refused, too.
	rejected
)

type credentialKey struct{ host, workspaceID, domain, fingerprint string }

const (
	// confirmedFor is how long after a success of Me a refused call is Forbidden and
	// does not make the credential suspected.
	confirmedFor = time.Minute
	// confirmationDelay is the delay of the second Me after the first was refused.
	confirmationDelay = time.Second
)

// isRejected reports whether the workspace rejects the credential.
func (c *credential) isRejected() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.acceptance == rejected
}

// clockSkew returns the workspace's clock minus the operator's, as last measured.
func (c *credential) clockSkew() time.Duration {
	clock, measures := c.client.(interface{ ClockSkew() (time.Duration, bool) })
	if !measures {
		return 0
	}
	skew, _ := clock.ClockSkew()
	return skew
}

// acquire returns a permit for a call, or the reason and the time to retry.
func (c *credential) acquire(r ratelimit.Request, now time.Time) (*ratelimit.Permit, *WaitError) {
	c.mu.Lock()
	state, retryAt, limiter := c.acceptance, c.backoff.at, c.limiter
	c.mu.Unlock()
	switch state {
	case rejected:
		return nil, &WaitError{At: later(retryAt, now.Add(minRetryInterval)), Reason: ReasonCredentialRejected, Message: "the workspace refuses the credential"}
	case suspected:
		return nil, &WaitError{
			At: now.Add(minRetryInterval), Reason: ReasonCredentialUnconfirmed,
			Message: "the workspace refused a call; checking whether it still accepts the credential",
		}
	case accepted:
	}
	permit, wait := limiter.Acquire(r, now)
	if wait != nil {
		return nil, &WaitError{At: wait.At, Reason: wait.Reason, Domain: wait.Domain, Message: wait.Error()}
	}
	return permit, nil
}

// The reasons of waits that concern one credential, beside the rate limiter's.
//
//nolint:gosec // the names of reasons, no credentials
const (
	// ReasonCredentialRejected: the workspace refuses the credential.
	ReasonCredentialRejected ratelimit.Reason = "CredentialRejected"
	// ReasonCredentialUnconfirmed: a call was refused, and the credential is being checked.
	ReasonCredentialUnconfirmed ratelimit.Reason = "CredentialUnconfirmed"
	// ReasonNotIdentified: the principal of the credential is not known yet.
	ReasonNotIdentified ratelimit.Reason = "NotIdentified"
)

// call makes one call under a permit, returns the permit in all cases, and classifies
// the error.
func (c *credential) call(permit *ratelimit.Permit, made Call, send func() error) (err error) {
	startedAt := time.Now()
	err = errNoAnswer // if send panics
	defer func() {
		now := time.Now()
		release(permit, err, now)
		made.Host, made.Duration, made.Err = c.key.host, now.Sub(startedAt), err
		c.options.Observer(made)
		err = c.classify(err, startedAt, now)
	}()
	err = send()
	return err
}

var errNoAnswer error = &databricks.Error{Class: databricks.ClassAmbiguous, Message: "the call did not return"}

// release returns a permit with the outcome of the call for its host.
func release(permit *ratelimit.Permit, err error, now time.Time) {
	failed, known := errors.AsType[*databricks.Error](err)
	switch {
	case err == nil:
		permit.Release(now, ratelimit.Outcome{Kind: ratelimit.Served})
	case !known, errors.Is(err, ErrNotSent), strings.HasPrefix(failed.Endpoint, "oidc/"):
		permit.Cancel(now) // nothing was sent to the endpoint
	case failed.Class == databricks.ClassThrottled:
		permit.Release(now, ratelimit.Outcome{Kind: ratelimit.Throttled, RetryAfter: failed.RetryAfter})
	case !failed.Answered && slices.Contains(hostClasses, failed.Class):
		permit.Release(now, ratelimit.Outcome{Kind: ratelimit.Failed})
	default:
		permit.Release(now, ratelimit.Outcome{Kind: ratelimit.Answered})
	}
}

// hostClasses are the classes of failures that count against a host which did not
// answer.
var hostClasses = []databricks.Class{databricks.ClassTransient, databricks.ClassAmbiguous, databricks.ClassHost}

// classify returns the error of a call with the class that its object must see. A
// refusal of the credential is transient until Me confirms it. If Me succeeded just
// before the call, the refusal concerns the call alone and is Forbidden.
func (c *credential) classify(err error, startedAt, now time.Time) error {
	failed, known := errors.AsType[*databricks.Error](err)
	if !known || failed.Class != databricks.ClassUnauthenticated {
		return err
	}
	classified := *failed
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.acceptance == rejected:
		return err
	case c.confirmed && startedAt.After(c.acceptedAt) && now.Sub(c.acceptedAt) < confirmedFor:
		classified.Class = databricks.ClassForbidden
	default:
		classified.Class = databricks.ClassTransient
		if c.acceptance == accepted && !c.identifying {
			c.acceptance, c.identifying = suspected, true
			c.launch()
		}
	}
	return &classified
}

// identity returns the principal of the credential, or why it is not known.
func (c *credential) identity(now time.Time) (databricks.Principal, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.principal.ID != "" && c.acceptance != rejected:
		return c.principal, nil
	case c.failure != nil:
		return databricks.Principal{}, &UnidentifiedError{Since: c.since, Err: c.failure}
	default:
		return databricks.Principal{}, &WaitError{At: now.Add(minRetryInterval), Reason: ReasonNotIdentified, Message: c.waiting, Since: c.since}
	}
}

// claim reports whether identify is needed and not running. If so, the caller must run
// it.
func (c *credential) claim() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.identifying || c.running {
		return false
	}
	c.running = true
	return true
}

// identify calls Me until it succeeds. A credential that is refused twice in a row is
// rejected, and from then on retried at Limits.ProbeRefused. The caller has claimed it.
func (c *credential) identify(ctx context.Context) {
	refusals := 0
	for {
		err := c.callMe(ctx)
		if ctx.Err() != nil {
			c.interrupt()
			return
		}
		now := time.Now()
		if databricks.ClassOf(err) == databricks.ClassUnauthenticated {
			refusals++
		} else {
			refusals = 0
		}
		changed, done := c.identified(err, refusals, now)
		if changed {
			c.changed(c)
		}
		if done {
			return
		}
		if !waitUntil(ctx, c.retryAt(refusals, now)) {
			c.interrupt()
			return
		}
	}
}

// interrupt records that identify ended before Me succeeded.
func (c *credential) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = false
}

// retryAt returns when to call Me again after a failure.
func (c *credential) retryAt(refusals int, now time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if refusals == 1 && c.acceptance != rejected {
		return now.Add(confirmationDelay)
	}
	return c.backoff.at
}

// identified records the outcome of Me. It reports whether objects must be notified,
// and whether identify is done. Both states change under one lock, so that a later
// refusal starts identify again.
func (c *credential) identified(err error, refusals int, now time.Time) (changed, done bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	changed = c.record(err, refusals, now)
	c.running = c.identifying
	return changed, !c.identifying
}

// record records the outcome of Me and reports whether objects must be notified.
func (c *credential) record(err error, refusals int, now time.Time) (changed bool) {
	before, was := c.failure, c.acceptance
	switch {
	case err == nil:
		first := c.acceptedAt.IsZero()
		c.confirmed = was == suspected
		c.acceptance, c.acceptedAt, c.failure, c.identifying = accepted, now, nil, false
		c.backoff.succeeded()
		// A refused call whose credential is accepted needs no notification.
		return first || was == rejected || before != nil
	case databricks.ClassOf(err) == databricks.ClassUnauthenticated && refusals == 1 && was != rejected:
		return false // a second call confirms the refusal
	case databricks.ClassOf(err) == databricks.ClassUnauthenticated:
		c.acceptance, c.failure = rejected, err
		c.backoff.at = now.Add(c.options.Limits.ProbeRefused + c.options.Limits.ProbeRefused/16)
	case was == suspected:
		// Me failed for another reason, so nothing confirms the refusal.
		c.acceptance, c.identifying = accepted, false
		return false
	case was == rejected:
		c.backoff.at = now.Add(c.options.Limits.ProbeRefused)
		return false
	default:
		c.failure = err
		c.backoff.failed(err, now)
	}
	return before == nil || was != c.acceptance || before.Error() != c.failure.Error()
}

// callMe calls Me as soon as the limiter permits it.
func (c *credential) callMe(ctx context.Context) error {
	for {
		c.mu.Lock()
		limiter := c.limiter
		c.mu.Unlock()
		permit, wait := limiter.Acquire(ratelimit.Request{Priority: ratelimit.PriorityConfirm, Endpoint: endpointMe}, time.Now())
		if wait == nil {
			return c.sendMe(ctx, permit)
		}
		c.mu.Lock()
		c.waiting = wait.Error()
		c.mu.Unlock()
		if !waitUntil(ctx, wait.At) {
			return ctx.Err()
		}
	}
}

func (c *credential) sendMe(ctx context.Context, permit *ratelimit.Permit) error {
	ctx, cancel := context.WithTimeout(ctx, c.options.RequestDeadline)
	defer cancel()
	startedAt := time.Now()
	principal, err := c.client.Me(ctx)
	if err == nil && principal.ID == "" {
		err = &databricks.Error{Class: databricks.ClassHost, Message: "the workspace does not return the principal of the credential"}
	}
	now := time.Now()
	release(permit, err, now)
	c.options.Observer(Call{Host: c.key.host, Priority: ratelimit.PriorityConfirm, Endpoint: endpointMe, Duration: now.Sub(startedAt), Err: err})
	if err == nil {
		c.mu.Lock()
		c.principal = principal
		c.mu.Unlock()
	}
	return err
}

// waitUntil waits until a time and reports whether it came before ctx ended.
func waitUntil(ctx context.Context, until time.Time) bool {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
