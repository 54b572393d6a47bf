package cache

import (
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/time/rate"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// gate holds the calls of everybody to one host to what the host bears. Nobody
// waits in it: a call is let through now, or is told when to come back.
type gate struct {
	host     string
	limits   Limits
	deadline time.Duration
	log      logr.Logger

	mu     sync.Mutex
	bucket *rate.Limiter
	pace   pace
	// granted is the class of the last call that was let through, grantedAt when.
	granted   Class
	grantedAt time.Time
	breaker   breaker
	queues    [classes]queue
	// writing counts the writes that the host has not answered yet.
	writing int
}

// queue is what the gate knows of those who want a call of one class.
type queue struct {
	// wantingSince is since when the class asks and gets nothing; zero where it
	// got what it asked for last.
	wantingSince time.Time
	// promised is when the last of those refused was told to come back.
	promised time.Time
	// next is the first time that nobody was told yet.
	next time.Time
	// pausedUntil is what the server asked for.
	pausedUntil time.Time

	granted, refused, throttled int64
}

const (
	// horizon bounds how far ahead a refused call is sent away: further, the
	// rate may have risen meanwhile.
	horizon = 10 * time.Second
	// late is how long a promise is kept for who does not come.
	late = time.Second
	// mostWrites is how many writes may wait for a host's answer at once. More would
	// take the workers from other hosts while this one is silent, and no host that
	// answers needs them at any rate that Databricks allows. Terminates may be a few
	// more: they do not wait for changes.
	mostWrites, mostTerminates = 4, 6
)

func newGate(host string, options Options) *gate {
	g := &gate{
		host: host, limits: options.Limits, deadline: options.RequestDeadline,
		log:     options.Logger.WithValues("host", host),
		pace:    newPace(options.Limits),
		breaker: newBreaker(),
	}
	g.bucket = rate.NewLimiter(rate.Limit(g.pace.rate), g.limits.Burst)
	return g
}

// reserve lets a call of a class through, or says when to ask again and why.
// Whoever was let through must call ended.
func (g *gate) reserve(class Class, now time.Time) *WaitError {
	g.mu.Lock()
	defer g.mu.Unlock()
	q := &g.queues[class]
	g.adjust(now)
	if until, reason := g.breaker.refusal(class, now); reason != "" {
		q.refused++
		return &WaitError{At: spread(until), Reason: reason, Domain: DomainHost}
	}
	if until := g.pausedUntil(class); now.Before(until) {
		q.refused++
		return &WaitError{At: q.slot(until, g.pace.rate), Reason: "the workspace asked to wait before more requests", Domain: DomainLimit}
	}
	if g.writing >= mostWriting(class) {
		q.refused++
		return &WaitError{At: spread(now), Reason: "earlier requests to the workspace have not been answered yet", Domain: DomainHost}
	}
	if !g.waits(class, now) {
		q.wantingSince, q.promised = now, now
	}
	first := g.first(now)
	floor, gap := g.floor(class, first), g.gap(class, first, now)
	tokens := g.bucket.TokensAt(now)
	if tokens >= floor && gap <= 0 && g.bucket.AllowN(now, 1) {
		q.granted++
		if isWrite(class) {
			g.writing++
		}
		q.wantingSince, g.granted, g.grantedAt = time.Time{}, class, now
		g.breaker.admitted(now, g.deadline)
		return nil
	}
	q.refused++
	refill := time.Duration((floor - tokens) / g.pace.rate * float64(time.Second))
	at := q.slot(now.Add(max(refill, gap, time.Millisecond)), g.pace.rate)
	// Readers are few and each asks for many, so one may come for its class as
	// soon as that loses its patience. Writers are a crowd: theirs come anyway.
	if patience := q.wantingSince.Add(ranks[class].patience); class >= classConfirm && at.After(patience) && patience.After(now) {
		at = patience
	}
	q.promised = at
	return &WaitError{At: at, Reason: "the workspace's request limit is used up", Domain: DomainLimit}
}

// mostWriting is how many writes may be unanswered for one more of the class.
func mostWriting(class Class) int {
	switch class {
	case classTerminate:
		return mostTerminates
	case classChange:
		return mostWrites
	default:
		return math.MaxInt
	}
}

func isWrite(class Class) bool { return class <= classChange }

// floor is how many tokens must be there for the class now: one for the class
// that goes first; until it went, one more than usual for everybody else.
func (g *gate) floor(class, first Class) float64 {
	if first == class {
		return 1
	}
	floor := ranks[class].floor
	if first < classes {
		floor++
	}
	return min(floor, float64(g.limits.Burst))
}

// gap is how long to wait since the last call: a host that has throttled may
// bear its rate and no bursts at all. Who does not go first leaves the next
// moment to the class that does.
func (g *gate) gap(class, first Class, now time.Time) time.Duration {
	if g.pace.failed == 0 {
		return 0
	}
	gap := time.Duration(0.9 * float64(time.Second) / g.pace.rate)
	if first < classes && first != class {
		gap *= 2
	}
	return gap - now.Sub(g.grantedAt)
}

// first is the class that goes before all others now; classes where none does. A
// terminate waits for nobody, but many one after another leave every second
// turn to the class that has lost its patience.
func (g *gate) first(now time.Time) Class {
	impatient := g.impatient(now)
	terminates := g.waits(classTerminate, now)
	if terminates && (impatient == classes || g.granted != classTerminate) {
		return classTerminate
	}
	return impatient
}

// waits tells that the class was refused, and is still expected back.
func (g *gate) waits(class Class, now time.Time) bool {
	q := &g.queues[class]
	if now.After(q.promised.Add(late)) {
		q.wantingSince = time.Time{}
	}
	return !q.wantingSince.IsZero()
}

// impatient is the class that has waited longest beyond its patience; classes
// where none has.
func (g *gate) impatient(now time.Time) Class {
	found, longest := classes, time.Duration(0)
	for class := classChange; class < classes; class++ {
		if !g.waits(class, now) {
			continue
		}
		if over := now.Sub(g.queues[class].wantingSince) - ranks[class].patience; over >= 0 && over >= longest {
			found, longest = class, over
		}
	}
	return found
}

// slot is when one of those refused may come back, from earliest on: spread as
// tokens come, two to a token since not all come. Who finds no place before the
// horizon comes to ask again.
func (q *queue) slot(earliest time.Time, perSecond float64) time.Time {
	if q.next.Before(earliest) {
		q.next = earliest
	}
	if q.next.After(earliest.Add(horizon)) {
		return earliest.Add(horizon/2 + rand.N(horizon/2))
	}
	at := q.next
	q.next = q.next.Add(time.Duration(float64(time.Second) / perSecond / 2))
	return at
}

// pausedUntil is how long the server wants no call of the class: what it asked
// of a class holds for those below it too.
func (g *gate) pausedUntil(class Class) time.Time {
	var until time.Time
	for c := classTerminate; c <= class; c++ {
		if g.queues[c].pausedUntil.After(until) {
			until = g.queues[c].pausedUntil
		}
	}
	return until
}

// ended takes the outcome of a call that was let through.
func (g *gate) ended(class Class, startedAt, now time.Time, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if isWrite(class) {
		g.writing--
	}
	if g.breaker.ended(err, now) {
		g.log.Info("circuit breaker changed", "open", !g.breaker.openUntil.IsZero(), "failures", g.breaker.failures)
	}
	if databricks.ClassOf(err) != databricks.ClassThrottled {
		if !sick(err) {
			g.pace.served(now)
		}
		return
	}
	q := &g.queues[class]
	q.throttled++
	if until := now.Add(g.retryAfter(err)); until.After(q.pausedUntil) && until.After(now) {
		q.pausedUntil = until
	}
	if g.pace.throttled(startedAt, now) {
		g.bucket.SetLimitAt(now, rate.Limit(g.pace.rate))
		g.log.V(1).Info("throttled", "class", class.String(), "rate", g.pace.rate, "learned", g.pace.learned)
	}
}

// cancelled takes back a call that was let through and sent nothing.
func (g *gate) cancelled(class Class) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if isWrite(class) {
		g.writing--
	}
	g.queues[class].granted--
}

// retryAfter is what a server asked for, within what is believed.
func (g *gate) retryAfter(err error) time.Duration {
	asked := retryAfter(err)
	return max(0, min(asked, g.limits.MaxRetryAfter))
}

// adjust lets the rate follow what was learned.
func (g *gate) adjust(now time.Time) {
	before := g.pace.rate
	g.pace.advance(now, g.usedUp(now))
	if g.pace.rate != before {
		g.bucket.SetLimitAt(now, rate.Limit(g.pace.rate))
	}
}

// usedUp tells whether more calls are wanted than let through.
func (g *gate) usedUp(now time.Time) bool {
	for class := range g.queues {
		q := &g.queues[class]
		if q.next.After(now) || !q.wantingSince.IsZero() && !now.After(q.promised.Add(late)) {
			return true
		}
	}
	return false
}

// spread keeps those who wait for one moment from coming at once.
func spread(until time.Time) time.Time { return until.Add(rand.N(time.Second)) }
