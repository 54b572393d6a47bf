package ratelimit

import (
	"container/heap"
	"math/rand/v2"
	"time"
)

// simulation runs requests against a Limiter in virtual time.
type simulation struct {
	*Limiter
	now    time.Time
	events events
	// latency is the duration of a request.
	latency time.Duration
	// serve returns the outcome of a request.
	serve func(r Request, now time.Time) Outcome
	// late bounds the delay of a retry.
	late time.Duration
	sent []sentRequest
	asks int
}

type sentRequest struct {
	Request
	at      time.Time
	outcome Outcome
}

type event struct {
	at time.Time
	do func()
	n  int
}

type events []event

func (e *events) Len() int { return len(*e) }
func (e *events) Less(i, j int) bool {
	a, b := (*e)[i], (*e)[j]
	return a.at.Before(b.at) || a.at.Equal(b.at) && a.n < b.n
}
func (e *events) Swap(i, j int) { (*e)[i], (*e)[j] = (*e)[j], (*e)[i] }
func (e *events) Push(x any)    { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	last := old[len(old)-1]
	*e = old[:len(old)-1]
	return last
}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func newSimulation(options Options) *simulation {
	return &simulation{
		Limiter: New("host", options), now: epoch, latency: 50 * time.Millisecond, late: 20 * time.Millisecond,
		serve: func(Request, time.Time) Outcome { return Outcome{Kind: Served} },
	}
}

// at schedules do at a time.
func (s *simulation) at(at time.Time, do func()) {
	heap.Push(&s.events, event{at: at, do: do, n: s.asks + len(s.events)})
}

func (s *simulation) after(span time.Duration, do func()) { s.at(s.now.Add(span), do) }

// run runs the events until a time.
func (s *simulation) run(until time.Time) {
	for len(s.events) > 0 && !s.events[0].at.After(until) {
		next := heap.Pop(&s.events).(event)
		s.now = next.at
		next.do()
	}
	if until.After(s.now) && until.Before(never) {
		s.now = until
	}
}

var never = epoch.Add(1000 * time.Hour)

// send retries a request until it is sent and calls done with its outcome.
func (s *simulation) send(r Request, done func(waited time.Duration, o Outcome)) {
	s.ask(r, s.now, done)
}

func (s *simulation) ask(r Request, since time.Time, done func(time.Duration, Outcome)) {
	s.asks++
	permit, wait := s.Acquire(r, s.now)
	if wait != nil {
		if !wait.At.After(s.now) {
			panic("a wait without time: " + wait.Error())
		}
		s.at(wait.At.Add(rand.N(s.late+1)), func() { s.ask(r, since, done) })
		return
	}
	waited := s.now.Sub(since)
	s.after(s.latency, func() {
		o := s.serve(r, s.now)
		permit.Release(s.now, o)
		s.sent = append(s.sent, sentRequest{r, s.now, o})
		if done != nil {
			done(waited, o)
		}
	})
}

// untilServed repeats a request until it is not throttled.
func (s *simulation) untilServed(r Request, done func(waited time.Duration)) {
	began := s.now
	var again func()
	again = func() {
		s.send(r, func(_ time.Duration, o Outcome) {
			if o.Kind == Throttled {
				s.after(time.Second, again)
				return
			}
			if done != nil {
				done(s.now.Sub(began) - s.latency)
			}
		})
	}
	again()
}

// count returns the number of requests in a period with an outcome.
func (s *simulation) count(from, to time.Time, kind OutcomeKind) (n int) {
	for _, r := range s.sent {
		if !r.at.Before(from) && r.at.Before(to) && r.outcome.Kind == kind {
			n++
		}
	}
	return n
}

// tokens converts a span to tokens at the current rate.
func (s *simulation) tokens(span time.Duration) float64 {
	return span.Seconds() * s.rate.rate
}

// limited returns a service with a hidden limit.
func limited(bucket *bucket) func(Request, time.Time) Outcome {
	return func(_ Request, now time.Time) Outcome {
		if !bucket.limiter.AllowN(now, 1) {
			return Outcome{Kind: Throttled}
		}
		return Outcome{Kind: Served}
	}
}
