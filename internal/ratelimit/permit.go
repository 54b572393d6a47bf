package ratelimit

import "time"

// OutcomeKind is what became of a request.
type OutcomeKind int

const (
	// Failed: the connection broke, there was no answer in time, or an answer
	// without an error of the service's own (a bare 5xx).
	Failed OutcomeKind = iota
	// Unreachable: there was no connection at all. It is a failure that soon
	// speaks of the host.
	Unreachable
	// Served: the service did what was asked.
	Served
	// Answered: the service answered with an error of its own, whatever the status.
	Answered
	// Throttled: the service answered 429.
	Throttled
	// NotSent: no request was made after all. It is the same as Permit.Cancel.
	NotSent
)

// Outcome is what became of a request.
type Outcome struct {
	Kind OutcomeKind
	// RetryAfter is what the service asked for with 429; 0 where it did not.
	RetryAfter time.Duration
}

// Permit allows one request. It is given back once, with Release or Cancel;
// what follows does nothing.
type Permit struct {
	limiter *Limiter
	request Request
	at      time.Time
	// These are what they were before, for Cancel.
	order, wantingSince time.Time
	last                grant
	sending             sending
	// returned is guarded by limiter.mu.
	returned bool
}

// Release gives the permit back after the request, with what became of it.
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
		l.answeredThrottled(p, o, now)
	case Failed, Unreachable, NotSent:
		l.failed(p.request, o.Kind, now)
	}
}

// Cancel gives the permit back when nothing was sent: the token and the turn come
// back, and nothing is learned.
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
	l.bucket.giveBack(now)
	l.domains.unsent(p.sending, now)
	if f := q.flows[p.request.Flow]; f != nil && f.order.Equal(p.at) {
		f.order = p.order
	}
	if q.wantingSince.IsZero() && !p.wantingSince.Equal(p.at) {
		q.wantingSince = p.wantingSince
	}
	if l.last.at.Equal(p.at) {
		l.last = p.last
	}
}

// Do sends a request through call if it may be sent now; else it returns the Wait
// and does not call. The permit is given back however call ends: as Failed if it
// panics.
func (l *Limiter) Do(r Request, now func() time.Time, call func() Outcome) *Wait {
	permit, wait := l.Acquire(r, now())
	if wait != nil {
		return wait
	}
	outcome := Outcome{Kind: Failed} // until call returns
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

// answeredThrottled takes a 429. Where the limit is that of the endpoint alone,
// the endpoint pauses; else the rate is cut, and the priority and those below it
// wait as long as the service asked.
func (l *Limiter) answeredThrottled(p *Permit, o Outcome, now time.Time) {
	q, e := &l.queues[p.request.Priority], l.domains.endpoint(p.request.Endpoint)
	q.throttled++
	l.domains.alive(e)
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
