package ratelimit

import (
	"math"
	"sync"
	"time"
)

// Limiter limits the requests to one workspace of one host. It is safe for use
// from several goroutines, and none of its methods waits.
type Limiter struct {
	name    string
	options Options

	// mu guards everything below.
	mu      sync.Mutex
	bucket  bucket
	rate    adaptiveRate
	queues  [priorities]queue
	writes  inFlight
	domains domains
	budgets budgets
	waits   map[Reason]int64
	// last is what was sent last.
	last     grant
	prunedAt time.Time
}

// Request describes a request before it is sent.
type Request struct {
	Priority Priority
	// Flow is what shares fairly with others of the same priority: a namespace;
	// empty for the reads that the operator makes for all of them.
	Flow string
	// Endpoint is the method of the API, such as "clusters/create".
	Endpoint string
	// Resource is what the request is about, such as the id of a cluster; empty
	// where it is about none that exists.
	Resource string
}

// queue is the requests of one priority.
type queue struct {
	// wantingSince is since when the priority asks and gets nothing; zero where it
	// got what it asked for last.
	wantingSince time.Time
	// promised is when the last request that was held is to ask again.
	promised time.Time
	// next is the first time for which no request of any flow has been put off.
	next time.Time
	// pausedUntil is what the service asked for.
	pausedUntil time.Time
	// flows are the flows by name. The rate's turns and its times are theirs.
	flows map[string]*flow

	granted, refused, throttled int64
}

// grant is the last request that was sent.
type grant struct {
	priority Priority
	at       time.Time
	// aged is set when a read went first because it had waited too long.
	aged bool
}

// hold is why a request is not sent now, and the earliest time to ask again.
type hold struct {
	earliest time.Time
	// spacing is the time between two requests that ask again.
	spacing time.Duration
	// hasTurn is set when the flow goes next, so that one request of it is to ask
	// as soon as there is a token.
	hasTurn bool
	reason  Reason
	domain  string
}

const (
	pruneInterval = 10 * time.Second
	// denseFlows is how many flows may each have requests ask twice in a token.
	denseFlows = 4
)

// New returns a Limiter. The name is that of the host, or of the workspace where
// a host has several; it is the domain of what holds all requests.
func New(name string, options Options) *Limiter {
	options = options.withDefaults()
	options.Logger = options.Logger.WithValues("host", name)
	l := &Limiter{
		name: name, options: options,
		rate:    newAdaptiveRate(options),
		writes:  newInFlight(),
		domains: newDomains(),
		budgets: budgets{},
		waits:   map[Reason]int64{},
	}
	for p := range l.queues {
		l.queues[p].flows = map[string]*flow{}
	}
	l.bucket = newBucket(l.rate.rate, options.Burst)
	return l
}

// Acquire returns a permit to send the request now, or a Wait that says when to
// ask again and why. A permit must be given back with Release or Cancel.
func (l *Limiter) Acquire(r Request, now time.Time) (*Permit, *Wait) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.prune(now)
	l.adjust(now)
	q := &l.queues[r.Priority]
	f := q.flow(r.Flow)
	f.ask(now, l.token())
	for _, held := range []func(Request, *flow, time.Time) *hold{
		l.heldByBreaker, l.heldByBudget, l.heldByRetryAfter, l.heldByWrites, l.heldByRate,
	} {
		if h := held(r, f, now); h != nil {
			return nil, l.refuse(r, f, *h, now)
		}
	}
	return l.grant(r, f, now), nil
}

// grant takes a token, which must be there, and returns the permit.
func (l *Limiter) grant(r Request, f *flow, now time.Time) *Permit {
	q := &l.queues[r.Priority]
	p := &Permit{limiter: l, request: r, at: now, order: f.order, wantingSince: q.wantingSince, last: l.last}
	aged := r.Priority > PriorityChange && l.starved(now) == r.Priority
	l.bucket.take(now)
	l.writes.add(r, now)
	p.sending = l.domains.sent(r, now)
	f.served(now)
	q.granted++
	q.wantingSince = time.Time{}
	l.last = grant{priority: r.Priority, at: now, aged: aged}
	return p
}

// refuse gives the request a time to ask again.
func (l *Limiter) refuse(r Request, f *flow, h hold, now time.Time) *Wait {
	q := &l.queues[r.Priority]
	// Where many flows wait, each fills only its share of the time.
	spacing := time.Duration(max(1, q.waiting(now)/denseFlows) * int(h.spacing))
	at := h.earliest
	if !h.hasTurn || !f.takeTurn(at, now) {
		at = f.line(h.earliest, spacing)
	}
	f.reason = h.reason
	if h.reason == ReasonRateLimited || h.reason == ReasonRetryAfter {
		q.next = later(q.next, f.next)
	}
	if h.reason == ReasonRateLimited {
		// The operator's own readers are few and each asks for many, so one may come
		// for its priority as soon as that has aged. The others are crowds, of which
		// one comes anyway.
		aged := q.wantingSince.Add(levels[r.Priority].maxStarvation)
		if r.Flow == "" && !r.Priority.isWrite() && at.After(aged) && aged.After(now) {
			at = aged
		}
		q.promised = at
	}
	q.refused++
	l.waits[h.reason]++
	return &Wait{At: at, Reason: h.reason, Domain: h.domain}
}

// heldByBreaker holds what would go to a domain that does not answer. Terminates
// pass, one at a time.
func (l *Limiter) heldByBreaker(r Request, f *flow, now time.Time) *hold {
	until, reason := l.domains.hold(r, now)
	if until.IsZero() {
		return nil
	}
	h := hold{earliest: until.Add(time.Millisecond), spacing: l.token(), reason: reason, domain: l.name}
	if reason == ReasonEndpointUnavailable {
		h.domain = r.Endpoint
	}
	if r.Priority != PriorityTerminate {
		return &h
	}
	t := l.queues[r.Priority].turn(f, now, passInterval, func(_ string, other *flow) bool {
		return other.reason == ReasonHostUnavailable || other.reason == ReasonEndpointUnavailable || other.reason == ReasonUnanswered
	})
	if !now.Before(l.domains.passAt) && (t.ahead == 0 || now.Sub(l.domains.passAt) > grace) {
		return nil
	}
	h.hasTurn, h.spacing = t.ahead == 0, 2*passInterval
	h.earliest = later(l.domains.passAt, now.Add(time.Millisecond)).Add(time.Duration(t.ahead) * passInterval)
	return &h
}

// heldByBudget holds the requests of a flow of which too many failed.
func (l *Limiter) heldByBudget(r Request, _ *flow, now time.Time) *hold {
	if r.Priority == PriorityTerminate {
		return nil
	}
	wait := l.budgets.wait(l.budgetOf(r), now)
	if wait == 0 {
		return nil
	}
	return &hold{earliest: now.Add(wait), spacing: budgetSpacing, reason: ReasonRetryBudget, domain: r.Endpoint}
}

// budgetOf returns the name of the budget that the request's failure is charged to.
func (l *Limiter) budgetOf(r Request) budgetKey {
	key := budgetKey{flow: r.Flow, endpoint: r.Endpoint}
	if l.domains.endpoint(r.Endpoint).isIsolated(r.member()) {
		key.member = r.member()
	}
	return key
}

// heldByRetryAfter holds what the service wants no request of now.
func (l *Limiter) heldByRetryAfter(r Request, _ *flow, now time.Time) *hold {
	until, domain := l.domains.endpoint(r.Endpoint).pausedUntil, r.Endpoint
	if paused := l.pausedUntil(r.Priority); paused.After(until) {
		until, domain = paused, l.name
	}
	if !now.Before(until) {
		return nil
	}
	return &hold{earliest: until, spacing: l.token(), reason: ReasonRetryAfter, domain: domain}
}

// pausedUntil is until when the service wants no request of the priority: what it
// asked of a priority holds for those below it too. Terminates are held only
// where it asked that of their endpoint.
func (l *Limiter) pausedUntil(p Priority) (until time.Time) {
	if p == PriorityTerminate {
		return until
	}
	for above := PriorityTerminate; above <= p; above++ {
		until = later(until, l.queues[above].pausedUntil)
	}
	return until
}

// heldByWrites holds writes while too many are in flight. The last place is kept
// for the flow that has the turn.
func (l *Limiter) heldByWrites(r Request, f *flow, now time.Time) *hold {
	if !r.Priority.isWrite() {
		return nil
	}
	own, all := l.writes.free(r.Priority, r.Flow)
	if own > 0 && all > 1 {
		return nil
	}
	t := l.queues[r.Priority].turn(f, now, l.token(), func(name string, other *flow) bool {
		otherOwn, _ := l.writes.free(r.Priority, name)
		return otherOwn > 0 && (other.reason == ReasonUnanswered || other.reason == ReasonRateLimited)
	})
	if own > 0 && all == 1 && t.ahead == 0 {
		return nil
	}
	pause := max(l.token()/2, l.writes.pause(r.Priority, own, now))
	return &hold{earliest: now.Add(pause), spacing: l.token(), reason: ReasonUnanswered, domain: l.name}
}

// heldByRate holds what the rate does not allow now, or what has not the turn.
func (l *Limiter) heldByRate(r Request, f *flow, now time.Time) *hold {
	q := &l.queues[r.Priority]
	if !l.expects(r.Priority, now) {
		q.wantingSince, q.promised = now, now
	}
	first, token := l.first(now), l.token()
	t := q.turn(f, now, token, func(_ string, other *flow) bool { return other.reason == ReasonRateLimited })
	floor, gap := l.floor(r.Priority, first), l.gap(r.Priority, first)
	since, tokens := now.Sub(l.last.at), l.bucket.tokens(now)
	needed, pause := floor, gap
	if t.yields { // leaves one token, and the next moment, to the flow that has the turn
		needed, pause = min(floor+1, float64(l.options.Burst)), gap+l.minGap()
	}
	if tokens >= needed && since >= pause {
		return nil
	}
	refill := time.Duration(math.Ceil((floor - tokens) / l.rate.rate * float64(time.Second)))
	wait := max(refill, gap-since, 0) + time.Duration(t.ahead)*token
	return &hold{
		earliest: now.Add(max(wait, time.Millisecond)), spacing: token, hasTurn: t.ahead == 0,
		reason: ReasonRateLimited, domain: l.name,
	}
}

// token is the time in which one token comes.
func (l *Limiter) token() time.Duration {
	return time.Duration(float64(time.Second) / l.rate.rate)
}

// floor is how many tokens must be there for the priority now: one for the
// priority that goes first; until it went, one more than usual for all others.
func (l *Limiter) floor(p, first Priority) float64 {
	if first == p {
		return 1
	}
	floor := levels[p].floor
	if first < priorities {
		floor++
	}
	return min(floor, float64(l.options.Burst))
}

// gap is how long to wait since the last request. What does not go first leaves
// the next moment to the priority that does.
func (l *Limiter) gap(p, first Priority) time.Duration {
	if first < priorities && first != p {
		return 2 * l.minGap()
	}
	return l.minGap()
}

// minGap is the least time between two requests: a host that has throttled may
// accept its rate and no bursts at all.
func (l *Limiter) minGap() time.Duration {
	if l.rate.failed == 0 {
		return 0
	}
	return 9 * l.token() / 10
}

// first is the priority that goes before all others now; priorities where none
// does. A terminate waits for no other priority, but many one after another leave
// every second turn to the priority that has aged, and so do changes.
func (l *Limiter) first(now time.Time) Priority {
	starved := l.starved(now)
	if l.last.aged && starved > PriorityChange && l.expects(PriorityChange, now) {
		starved = priorities
	}
	if l.expects(PriorityTerminate, now) && (starved == priorities || l.last.priority != PriorityTerminate) {
		return PriorityTerminate
	}
	return starved
}

// expects reports whether a request of the priority was held, and is still
// expected to ask again.
func (l *Limiter) expects(p Priority, now time.Time) bool {
	q := &l.queues[p]
	if now.After(q.promised.Add(grace)) {
		q.wantingSince = time.Time{}
	}
	return !q.wantingSince.IsZero()
}

// starved is the priority that has waited longest beyond its maxStarvation;
// priorities where none has.
func (l *Limiter) starved(now time.Time) Priority {
	found, longest := priorities, time.Duration(0)
	for p := PriorityChange; p < priorities; p++ {
		if !l.expects(p, now) {
			continue
		}
		if over := now.Sub(l.queues[p].wantingSince) - levels[p].maxStarvation; over >= 0 && over >= longest {
			found, longest = p, over
		}
	}
	return found
}

// adjust lets the rate follow what was learned.
func (l *Limiter) adjust(now time.Time) {
	before := l.rate.rate
	l.rate.advance(now, l.usedUp(now))
	if l.rate.rate != before {
		l.bucket.setRate(now, l.rate.rate)
	}
}

// usedUp reports whether more requests are wanted than the rate allows.
func (l *Limiter) usedUp(now time.Time) bool {
	for p := range l.queues {
		q := &l.queues[p]
		if q.next.After(now) || !q.wantingSince.IsZero() && !now.After(q.promised.Add(grace)) {
			return true
		}
	}
	return false
}

// prune forgets flows, endpoints, resources and budgets that are not used.
func (l *Limiter) prune(now time.Time) {
	if now.Sub(l.prunedAt) < pruneInterval {
		return
	}
	l.prunedAt = now
	for p := range l.queues {
		l.queues[p].pruneFlows(now)
	}
	l.domains.prune(now)
	l.budgets.prune(now)
}
