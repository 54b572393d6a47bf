package ratelimit

import "time"

// OutcomeKind is the kind of an Outcome.
type OutcomeKind int

const (
	// Failed: the connection broke, the request timed out, or the answer was a 5xx
	// without an error of the service.
	Failed OutcomeKind = iota
	// Unreachable: no connection was established.
	Unreachable
	// Served: the request succeeded.
	Served
	// Answered: the service answered with an error of its own, of any status.
	Answered
	// Throttled: the service answered 429.
	Throttled
	// NotSent: no request was sent, as for Permit.Cancel.
	NotSent
)

// Outcome is the result of a request.
type Outcome struct {
	Kind OutcomeKind
	// RetryAfter is the Retry-After of a 429; 0 if it had none.
	RetryAfter time.Duration
}

// Permit allows one request. The first call of Release or Cancel returns it; later
// calls have no effect.
type Permit struct {
	limiter *Limiter
	request Request
	at      time.Time
	// The previous values, which Cancel restores.
	order, waitingSince time.Time
	last                grant
	breakerUse          breakerUse
	// returned is guarded by limiter.mu.
	returned bool
}

// Release returns the permit after the request, with its outcome.
func (p *Permit) Release(now time.Time, o Outcome) {
	if o.Kind == NotSent {
		p.Cancel(now)
		return
	}
	l := p.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.returned {
		return
	}
	p.returned = true
	l.writes.remove(p.request, p.at)
	switch o.Kind {
	case Served, Answered:
		l.budgets.succeeded(l.budgetOf(p.request), now)
		l.answered(p.request, now)
		l.rate.served(now)
	case Throttled:
		l.throttled(p, o, now)
	case Failed, Unreachable, NotSent:
		l.failed(p.request, o.Kind, now)
	}
}

// Cancel returns the permit if nothing was sent. It restores the token and the turn.
func (p *Permit) Cancel(now time.Time) {
	l := p.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.returned {
		return
	}
	p.returned = true
	q := &l.queues[p.request.Priority]
	q.granted--
	l.writes.remove(p.request, p.at)
	l.bucket.refund(now)
	l.domains.cancelSent(p.breakerUse, now)
	if f := q.flows[p.request.Flow]; f != nil && f.order.Equal(p.at) {
		f.order = p.order
	}
	if q.waitingSince.IsZero() && !p.waitingSince.Equal(p.at) {
		q.waitingSince = p.waitingSince
	}
	if l.last.at.Equal(p.at) {
		l.last = p.last
	}
}

// Do calls call if the request may be sent now; else it returns the Wait. It returns
// the permit in all cases, as Failed if call panics.
func (l *Limiter) Do(r Request, now func() time.Time, call func() Outcome) *Wait {
	permit, wait := l.Acquire(r, now())
	if wait != nil {
		return wait
	}
	outcome := Outcome{Kind: Failed} // if call panics
	defer func() { permit.Release(now(), outcome) }()
	outcome = call()
	return nil
}

func (l *Limiter) answered(r Request, now time.Time) {
	if l.domains.answered(r, now) {
		l.options.Logger.Info("circuit breaker closed", "endpoint", r.Endpoint)
	}
}

func (l *Limiter) failed(r Request, kind OutcomeKind, now time.Time) {
	l.budgets.failed(l.budgetOf(r), now)
	if l.domains.failed(r, kind, now) {
		l.options.Logger.Info("circuit breaker opened", "endpoint", r.Endpoint, "hostUnavailable", l.domains.host.isOpen())
	}
}

// throttled records a 429. If only the endpoint is limited, the endpoint is paused;
// else the rate is cut, and the priority and all lower ones are paused for the
// Retry-After.
func (l *Limiter) throttled(p *Permit, o Outcome, now time.Time) {
	q, e := &l.queues[p.request.Priority], l.domains.endpoint(p.request.Endpoint)
	q.throttled++
	l.domains.resetBreakers(e)
	asked := now.Add(max(0, min(o.RetryAfter, l.options.MaxRetryAfter)))
	if e.throttling.throttled(now) {
		e.pausedUntil = later(e.pausedUntil, later(asked, now.Add(e.throttling.pause())))
		return
	}
	if asked.After(now) {
		q.pausedUntil = later(q.pausedUntil, asked)
		if p.request.Priority == PriorityTerminate {
			e.pausedUntil = later(e.pausedUntil, asked)
		}
	}
	if l.rate.throttled(p.at, now) {
		l.bucket.setRate(now, l.rate.rate)
		l.options.Logger.V(1).Info("throttled", "priority", p.request.Priority.String(), "rate", l.rate.rate, "learned", l.rate.learned)
	}
}
