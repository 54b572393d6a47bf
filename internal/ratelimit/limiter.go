package ratelimit

import (
	"math"
	"sync"
	"time"
)

// Limiter limits the requests to one workspace of one host. It is safe for concurrent
// use, and none of its methods blocks.
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
	// heldUntil is the latest retry time of a request that the rate held.
	heldUntil time.Time
	// last is the last granted request.
	last     grant
	prunedAt time.Time
}

// Request describes a request before it is sent.
type Request struct {
	Priority Priority
	// Flow is the namespace of the request, which shares the rate fairly with others of
	// the same priority; empty for reads on behalf of all namespaces.
	Flow string
	// Endpoint is the endpoint of the API, such as "clusters/create".
	Endpoint string
	// Resource is the resource of the request, such as the id of a cluster; empty if it
	// has none.
	Resource string
}

// queue has the requests of one priority.
type queue struct {
	// waitingSince is when the first request was held since the last grant; zero if no
	// request is waiting.
	waitingSince time.Time
	// expectedAt is the retry time of the last held request.
	expectedAt time.Time
	// next is the end of the assigned retry slots of all flows.
	next time.Time
	// pausedUntil is the end of a Retry-After.
	pausedUntil time.Time
	// flows are the flows by name.
	flows map[string]*flow

	granted, refused, throttled int64
}

// grant is a granted request.
type grant struct {
	priority Priority
	at       time.Time
	// aged is set for a read that was granted first because it had waited too long.
	aged bool
}

// hold is why a request is held, and the earliest time to retry it.
type hold struct {
	earliest time.Time
	// spacing is the time between two retries.
	spacing time.Duration
	// hasTurn is set if the flow has the turn, so that one of its requests is retried
	// as soon as there is a token.
	hasTurn bool
	reason  Reason
	domain  string
}

const (
	pruneInterval = 10 * time.Second
	// denseFlows is the number of flows that may each have two retries per token.
	denseFlows = 4
)

// New returns a Limiter. The name is that of the host, or of the workspace if a host
// has several. It is the domain of waits that concern all requests.
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

// Acquire returns a permit to send the request now, or a Wait with the retry time and
// the reason. A permit must be returned with Release or Cancel.
func (l *Limiter) Acquire(r Request, now time.Time) (*Permit, *Wait) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.prune(now)
	l.adjust(now)
	q := &l.queues[r.Priority]
	f := q.flow(r.Flow)
	f.recordRequest(now, l.token())
	for _, held := range []func(Request, *flow, time.Time) *hold{
		l.heldByBreaker, l.heldByBudget, l.heldByRetryAfter, l.heldByWrites, l.heldByRate,
	} {
		if h := held(r, f, now); h != nil {
			return nil, l.refuse(r, f, *h, now)
		}
	}
	return l.grant(r, f, now), nil
}

// grant takes a token and returns the permit. There must be a token.
func (l *Limiter) grant(r Request, f *flow, now time.Time) *Permit {
	q := &l.queues[r.Priority]
	p := &Permit{limiter: l, request: r, at: now, order: f.order, waitingSince: q.waitingSince, last: l.last}
	aged := r.Priority > PriorityChange && l.starved(now) == r.Priority
	l.bucket.take(now)
	l.writes.add(r, now)
	p.breakerUse = l.domains.recordSent(r, now)
	f.served(now)
	q.granted++
	q.waitingSince = time.Time{}
	l.last = grant{priority: r.Priority, at: now, aged: aged}
	return p
}

// refuse returns the Wait of a held request.
func (l *Limiter) refuse(r Request, f *flow, h hold, now time.Time) *Wait {
	q := &l.queues[r.Priority]
	// If many flows wait, each gets only its share of the slots.
	spacing := time.Duration(max(1, q.waitingFlows(now)/denseFlows) * int(h.spacing))
	at := h.earliest
	if !h.hasTurn || !f.takeTurn(at, now) {
		at = f.retrySlot(h.earliest, spacing)
	}
	f.reason = h.reason
	if h.reason == ReasonRateLimited || h.reason == ReasonRetryAfter {
		q.next = later(q.next, f.next)
	}
	if h.reason == ReasonRateLimited {
		// Reads on behalf of all namespaces come from few callers, so their retry must
		// not be later than the time at which their priority goes first.
		aged := q.waitingSince.Add(levels[r.Priority].maxStarvation)
		if r.Flow == "" && !r.Priority.isWrite() && at.After(aged) && aged.After(now) {
			at = aged
		}
		q.expectedAt = at
		l.heldUntil = later(l.heldUntil, at)
	}
	q.refused++
	l.waits[h.reason]++
	return &Wait{At: at, Reason: h.reason, Domain: h.domain}
}

// heldByBreaker holds requests to a domain that does not answer. Terminates pass, one
// at a time.
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
	if !now.Before(l.domains.passAt) && (t.ahead == 0 || now.Sub(l.domains.passAt) > slotGrace) {
		return nil
	}
	h.hasTurn, h.spacing = t.ahead == 0, 2*passInterval
	h.earliest = later(l.domains.passAt, now.Add(time.Millisecond)).Add(time.Duration(t.ahead) * passInterval)
	return &h
}

// heldByBudget holds the requests of a flow whose retry budget is used up.
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

// budgetOf returns the budget that a failure of the request is charged to.
func (l *Limiter) budgetOf(r Request) budgetKey {
	key := budgetKey{flow: r.Flow, endpoint: r.Endpoint}
	if l.domains.endpoint(r.Endpoint).isIsolated(r.member()) {
		key.member = r.member()
	}
	return key
}

// heldByRetryAfter holds requests during a Retry-After.
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

// pausedUntil returns the end of the Retry-After of a priority, which applies to all
// lower priorities, too. Terminates are held only by the Retry-After of their endpoint.
func (l *Limiter) pausedUntil(p Priority) (until time.Time) {
	if p == PriorityTerminate {
		return until
	}
	for above := PriorityTerminate; above <= p; above++ {
		until = later(until, l.queues[above].pausedUntil)
	}
	return until
}

// heldByWrites holds writes while too many are in flight. The last place is reserved
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

// heldByRate holds requests that the rate does not permit now, or that do not have the
// turn.
func (l *Limiter) heldByRate(r Request, f *flow, now time.Time) *hold {
	q := &l.queues[r.Priority]
	if !l.isWaiting(r.Priority, now) {
		q.waitingSince, q.expectedAt = now, now
	}
	first, token := l.firstPriority(now), l.token()
	t := q.turn(f, now, token, func(_ string, other *flow) bool { return other.reason == ReasonRateLimited })
	floor, gap := l.floor(r.Priority, first), l.gap(r.Priority, first)
	since, tokens := now.Sub(l.last.at), l.bucket.tokens(now)
	needed, pause := floor, gap
	if t.yields { // leave one token and the next gap to the flow that has the turn
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

// token returns the time that refills one token.
func (l *Limiter) token() time.Duration {
	return time.Duration(float64(time.Second) / l.rate.rate)
}

// floor returns the number of tokens that must be available for a request of the
// priority: one for the first priority, and one more than usual for all others while
// there is a first priority.
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

// gap returns the least time since the last request. It is longer for priorities that
// are not first while another one is.
func (l *Limiter) gap(p, first Priority) time.Duration {
	if first < priorities && first != p {
		return 2 * l.minGap()
	}
	return l.minGap()
}

// minGap returns the least time between two requests, because a host that has throttled
// may accept no bursts.
func (l *Limiter) minGap() time.Duration {
	if l.rate.throttledRate == 0 {
		return 0
	}
	return 9 * l.token() / 10
}

// firstPriority returns the priority that goes before all others now; priorities if
// there is none. That is PriorityTerminate, but consecutive terminates leave every
// second turn to a starved priority. Likewise, starved reads leave every second turn to
// changes.
func (l *Limiter) firstPriority(now time.Time) Priority {
	starved := l.starved(now)
	if l.last.aged && starved > PriorityChange && l.isWaiting(PriorityChange, now) {
		starved = priorities
	}
	if l.isWaiting(PriorityTerminate, now) && (starved == priorities || l.last.priority != PriorityTerminate) {
		return PriorityTerminate
	}
	return starved
}

// isWaiting reports whether a request of the priority was held and its retry is still
// expected.
func (l *Limiter) isWaiting(p Priority, now time.Time) bool {
	q := &l.queues[p]
	if now.After(q.expectedAt.Add(slotGrace)) {
		q.waitingSince = time.Time{}
	}
	return !q.waitingSince.IsZero()
}

// starved returns the priority that has waited longest beyond its maxStarvation;
// priorities if there is none.
func (l *Limiter) starved(now time.Time) Priority {
	found, longest := priorities, time.Duration(0)
	for p := PriorityChange; p < priorities; p++ {
		if !l.isWaiting(p, now) {
			continue
		}
		if over := now.Sub(l.queues[p].waitingSince) - levels[p].maxStarvation; over >= 0 && over >= longest {
			found, longest = p, over
		}
	}
	return found
}

// adjust updates the token bucket to the adaptive rate.
func (l *Limiter) adjust(now time.Time) {
	before := l.rate.rate
	l.rate.advance(now, l.usedUp(now))
	if l.rate.rate != before {
		l.bucket.setRate(now, l.rate.rate)
	}
}

// usedUp reports whether requests wait for the rate, or would: a caller that sends one
// request after another is not waiting while one is in flight, and uses up the rate if
// the next one comes before there is another token.
func (l *Limiter) usedUp(now time.Time) bool {
	if !now.After(l.heldUntil.Add(l.token())) {
		return true
	}
	for p := range l.queues {
		q := &l.queues[p]
		if q.next.After(now) || !q.waitingSince.IsZero() && !now.After(q.expectedAt.Add(slotGrace)) {
			return true
		}
	}
	return false
}

// prune removes unused flows, endpoints, resources and budgets.
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
