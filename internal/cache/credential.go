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

// credential is one credential for one host: its client, whom it authenticates as,
// and whether the workspace accepts it.
type credential struct {
	key     credentialKey
	client  Client
	options Options
	// launch runs something until the Registry ends, changed is called after each
	// transition of what objects see.
	launch  func(run func(ctx context.Context))
	changed func(*credential)

	// objects are those that use it, cache what it was identified for, and stop
	// ends what runs for it. The Registry's lock guards them.
	objects map[Object]struct{}
	cache   *cache
	stop    func()

	// mu guards everything below. No other lock is taken under it but the limiter's.
	mu      sync.Mutex
	limiter *ratelimit.Limiter
	// identifying: Me is in flight, or waits for its turn.
	identifying bool
	// since is since when the principal is not known, waiting why Me has no turn yet.
	since   time.Time
	waiting string
	// principal is set once Me returned.
	principal databricks.Principal
	// failure is how Me failed last, before or after it once succeeded.
	failure error
	// backoff spaces the attempts at Me.
	backoff backoff
	// acceptance is what is known of the credential itself.
	acceptance acceptance
	// acceptedAt is when Me last returned, cleared that it did so after a call was
	// refused.
	acceptedAt time.Time
	cleared    bool
}

// acceptance is whether the workspace accepts a credential. One refusal of a call is
// no evidence: Me decides.
type acceptance int

const (
	accepted acceptance = iota
	// suspected: a call was refused, and Me is asked whether the credential is.
	suspected
	// rejected: Me was refused, too.
	rejected
)

type credentialKey struct{ host, workspaceID, domain, fingerprint string }

const (
	// clearedFor is how long a refusal of a call is the call's own, after Me returned
	// for the same credential.
	clearedFor = time.Minute
	// confirmationPause is how long the second Me waits after the first was refused.
	confirmationPause = time.Second
)

// isRejected reports whether the workspace refuses the credential itself.
func (c *credential) isRejected() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.acceptance == rejected
}

// clockSkew is the workspace's clock minus the operator's, by its last answers.
func (c *credential) clockSkew() time.Duration {
	clock, measures := c.client.(interface{ ClockSkew() (time.Duration, bool) })
	if !measures {
		return 0
	}
	skew, _ := clock.ClockSkew()
	return skew
}

// acquire takes a permit for a call, or returns when to come back.
func (c *credential) acquire(r ratelimit.Request, now time.Time) (*ratelimit.Permit, *WaitError) {
	c.mu.Lock()
	state, retryAt, limiter := c.acceptance, c.backoff.at, c.limiter
	c.mu.Unlock()
	switch state {
	case rejected:
		return nil, &WaitError{At: later(retryAt, now.Add(firstRetry)), Reason: ReasonCredentialRejected, Message: "the workspace refuses the credential"}
	case suspected:
		return nil, &WaitError{
			At: now.Add(firstRetry), Reason: ReasonCredentialUnconfirmed,
			Message: "the workspace refused a call and is asked whether it still accepts the credential",
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
	// ReasonNotIdentified: it is not known yet whom the credential authenticates as.
	ReasonNotIdentified ratelimit.Reason = "NotIdentified"
)

// call makes one call under a permit, which it gives back whatever happens, and
// returns its judged failure.
func (c *credential) call(permit *ratelimit.Permit, made Call, send func() error) (err error) {
	startedAt := time.Now()
	err = errNoAnswer // unless send returns: it may panic
	defer func() {
		now := time.Now()
		release(permit, err, now)
		made.Host, made.Duration, made.Err = c.key.host, now.Sub(startedAt), err
		c.options.Observer(made)
		err = c.judge(err, startedAt, now)
	}()
	err = send()
	return err
}

var errNoAnswer error = &databricks.Error{Class: databricks.ClassAmbiguous, Message: "the call did not return"}

// release gives a permit back with what the call says about its host.
func release(permit *ratelimit.Permit, err error, now time.Time) {
	failed, known := errors.AsType[*databricks.Error](err)
	switch {
	case err == nil:
		permit.Release(now, ratelimit.Outcome{Kind: ratelimit.Served})
	case !known, errors.Is(err, ErrNotSent), strings.HasPrefix(failed.Endpoint, "oidc/"):
		permit.Cancel(now) // nothing was sent to the endpoint: there was no token, or no intent
	case failed.Class == databricks.ClassThrottled:
		permit.Release(now, ratelimit.Outcome{Kind: ratelimit.Throttled, RetryAfter: failed.RetryAfter})
	case !failed.Answered && slices.Contains(hostClasses, failed.Class):
		permit.Release(now, ratelimit.Outcome{Kind: ratelimit.Failed})
	default:
		permit.Release(now, ratelimit.Outcome{Kind: ratelimit.Answered})
	}
}

// hostClasses are the failures that may be the host's, where it did not answer.
var hostClasses = []databricks.Class{databricks.ClassTransient, databricks.ClassAmbiguous, databricks.ClassHost}

// judge returns what a failed call says about its object. A refusal of the credential
// is believed once Me confirms it: until then it is transient, and where Me returned
// just before the call, it is the call that was refused.
func (c *credential) judge(err error, startedAt, now time.Time) error {
	failed, known := errors.AsType[*databricks.Error](err)
	if !known || failed.Class != databricks.ClassUnauthenticated {
		return err
	}
	judged := *failed
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.acceptance == rejected:
		return err
	case c.cleared && startedAt.After(c.acceptedAt) && now.Sub(c.acceptedAt) < clearedFor:
		judged.Class = databricks.ClassForbidden
	default:
		judged.Class = databricks.ClassTransient
		if c.acceptance == accepted && !c.identifying {
			c.acceptance, c.identifying = suspected, true
			c.launch(c.identify)
		}
	}
	return &judged
}

// identity returns whom the credential authenticates as, or why that is not known.
func (c *credential) identity(now time.Time) (databricks.Principal, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.principal.ID != "" && c.acceptance != rejected:
		return c.principal, nil
	case c.failure != nil:
		return databricks.Principal{}, c.failure
	default:
		return databricks.Principal{}, &WaitError{At: now.Add(firstRetry), Reason: ReasonNotIdentified, Message: c.waiting, Since: c.since}
	}
}

// identify asks Me until it returns. A credential that is refused twice is rejected,
// and from then on tried seldom.
func (c *credential) identify(ctx context.Context) {
	refusals := 0
	for {
		err := c.askMe(ctx)
		if ctx.Err() != nil {
			return
		}
		now := time.Now()
		if databricks.ClassOf(err) == databricks.ClassUnauthenticated {
			refusals++
		} else {
			refusals = 0
		}
		if c.identified(err, refusals, now) {
			c.changed(c)
		}
		if err == nil || !c.isIdentifying() {
			return
		}
		if !pause(ctx, c.retryAt(refusals, now)) {
			return
		}
	}
}

func (c *credential) isIdentifying() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.identifying
}

// retryAt is when Me is asked again after a failure.
func (c *credential) retryAt(refusals int, now time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if refusals == 1 && c.acceptance != rejected {
		return now.Add(confirmationPause)
	}
	return c.backoff.at
}

// identified takes the outcome of Me. It reports whether that changes what objects
// see.
func (c *credential) identified(err error, refusals int, now time.Time) (changed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before, was := c.failure, c.acceptance
	switch {
	case err == nil:
		first := c.acceptedAt.IsZero()
		c.cleared = was == suspected
		c.acceptance, c.acceptedAt, c.failure, c.identifying = accepted, now, nil, false
		c.backoff.succeeded()
		// A suspicion that is cleared changes nothing: calls that wait for it come back.
		return first || was == rejected || before != nil
	case databricks.ClassOf(err) == databricks.ClassUnauthenticated && refusals == 1 && was != rejected:
		return false // one refusal is checked before it is believed
	case databricks.ClassOf(err) == databricks.ClassUnauthenticated:
		c.acceptance, c.failure = rejected, err
		c.backoff.at = now.Add(c.options.Limits.ProbeRefused + c.options.Limits.ProbeRefused/16)
	case was == suspected:
		// Me does not answer, so nothing confirms the refusal.
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

// askMe makes one call of Me as soon as the limiter lets it pass.
func (c *credential) askMe(ctx context.Context) error {
	for {
		c.mu.Lock()
		limiter := c.limiter
		c.mu.Unlock()
		permit, wait := limiter.Acquire(ratelimit.Request{Priority: ratelimit.PriorityConfirm, Endpoint: endpointMe}, time.Now())
		if wait == nil {
			return c.me(ctx, permit)
		}
		c.mu.Lock()
		c.waiting = wait.Error()
		c.mu.Unlock()
		if !pause(ctx, wait.At) {
			return ctx.Err()
		}
	}
}

func (c *credential) me(ctx context.Context, permit *ratelimit.Permit) error {
	ctx, cancel := context.WithTimeout(ctx, c.options.RequestDeadline)
	defer cancel()
	startedAt := time.Now()
	principal, err := c.client.Me(ctx)
	if err == nil && principal.ID == "" {
		err = &databricks.Error{Class: databricks.ClassHost, Message: "the workspace does not return whom the credential authenticates as"}
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

// pause waits until a time; false where ctx ends before.
func pause(ctx context.Context, until time.Time) bool {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
