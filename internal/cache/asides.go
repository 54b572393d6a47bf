package cache

import (
	"context"
	"sync"
	"time"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// asides keeps what a list of clusters does not show and only some objects need.
// Nothing is asked for that nobody wants; what is wanted is asked for by one
// goroutine, one call at a time, in what the gate leaves beside the mirror.
type asides struct {
	mirror *mirror
	// wake has an item when the loop should look up.
	wake chan struct{}

	mu     sync.Mutex
	topics map[topic]*aside
	// wanted finds what an object wants by the name of the question.
	wanted map[wantKey]topic
	// heldUntil is what the gate said last, to a call of heldClass.
	heldUntil time.Time
	heldClass Class
}

// topic is a question, about a cluster or, where clusterID is empty, about all.
type topic struct {
	question  *question
	clusterID string
}

type wantKey struct {
	object   Object
	question *question
}

// question is a kind of aside.
type question struct {
	// every is how often it is asked again while somebody wants the answer, and
	// class what such a call counts as.
	every func(Options) time.Duration
	class Class
	// patient: whoever asks for no particular time can wait as long for the first
	// answer as for the next.
	patient bool
	// ask makes one call. Where more are needed, what it returns comes back as
	// sofar.
	ask func(ctx context.Context, api databricks.Reader, clusterID string, sofar any) (answer any, complete bool, err error)
	// same tells that an answer is no news for whose cluster it is.
	same func(before, after any, clusterID string) bool
}

// aside is one topic that somebody wants to know of.
type aside struct {
	wants map[Object]want
	// firstAt is when it is first asked though nobody is in a hurry.
	firstAt time.Time

	answer    any
	startedAt time.Time
	// sofar are the parts of an answer that is not complete; it began at begunAt.
	sofar   any
	begunAt time.Time
	// err is why the newest call failed.
	err     error
	retries retries
}

// want is for whose cluster an object wants to know, and how new it must be.
type want struct {
	clusterID string
	after     time.Time
}

// Look is what was last seen of something that a list of clusters does not show.
type Look[T any] struct {
	// Value may be read freely, and nobody changes what it points to.
	Value T
	// StartedAt is when the call began that saw it; zero: nobody has looked since
	// it mattered.
	StartedAt time.Time
	// Err is why the newest attempt failed. A failure that often passes by itself
	// shows only once it has come three times in a row.
	Err error
}

func newAsides(m *mirror) *asides {
	return &asides{
		mirror: m, wake: make(chan struct{}, 1),
		topics: map[topic]*aside{}, wanted: map[wantKey]topic{},
	}
}

// lookAt is what is known of a topic, and has it known to the object from now on.
func lookAt[T any](a *asides, object Object, t topic, w want) Look[T] {
	a.mu.Lock()
	defer a.mu.Unlock()
	found := a.want(object, t, w)
	look := Look[T]{Err: found.shownErr()}
	if found.meets(w) {
		look.StartedAt = found.startedAt
		look.Value, _ = found.answer.(T)
	}
	return look
}

func (a *asides) want(object Object, t topic, w want) *aside {
	key := wantKey{object, t.question}
	if had, wanted := a.wanted[key]; wanted && had != t {
		a.unwant(key)
	}
	a.wanted[key] = t
	found := a.topics[t]
	if found == nil {
		found = &aside{wants: map[Object]want{}, firstAt: a.firstAt(t.question)}
		a.topics[t] = found
	}
	had, known := found.wants[object]
	if known && had == w {
		return found
	}
	if known && w.after.After(had.after) && !passing(found.err) {
		found.retries = retries{} // something was changed about it
	}
	found.wants[object] = w
	a.signal()
	return found
}

// firstAt is when a patient question is first asked: a restart brings all of
// them at once.
func (a *asides) firstAt(q *question) time.Time {
	now := time.Now()
	if !q.patient {
		return now
	}
	return now.Add(a.mirror.random(q.every(a.mirror.options)))
}

func (a *asides) unwant(key wantKey) {
	t, wanted := a.wanted[key]
	if !wanted {
		return
	}
	delete(a.wanted, key)
	found := a.topics[t]
	delete(found.wants, key.object)
	if len(found.wants) == 0 {
		delete(a.topics, t)
	}
}

// end drops what an object wants to know of a question.
func (a *asides) end(object Object, q *question) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.unwant(wantKey{object, q})
}

// leave drops all that an object wants to know.
func (a *asides) leave(object Object) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for key := range a.wanted {
		if key.object == object {
			a.unwant(key)
		}
	}
}

func (a *asides) signal() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// run asks until ctx ends.
func (a *asides) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		until := a.step(ctx)
		timer.Stop()
		var alarm <-chan time.Time
		if !until.IsZero() {
			timer.Reset(time.Until(until))
			alarm = timer.C
		}
		select {
		case <-ctx.Done():
		case <-a.wake:
		case <-alarm:
		}
	}
}

// step makes at most one call. It returns when to go on; zero: when woken.
func (a *asides) step(ctx context.Context) time.Time {
	now := time.Now()
	t, class, at := a.next(now)
	if at.IsZero() || at.After(now) {
		return at
	}
	c := a.mirror.credential(now)
	if c == nil {
		return now.Add(firstRetry)
	}
	if wait := c.admit(class, now); wait != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.heldUntil, a.heldClass = wait.At, class
		return now
	}
	a.mu.Lock()
	var sofar any
	if found := a.topics[t]; found != nil {
		sofar = found.sofar
	}
	a.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, a.mirror.options.RequestDeadline)
	defer cancel()
	answer, complete, err := t.question.ask(ctx, c.client, t.clusterID, sofar)
	ended := a.mirror.ended(c, class, now, err)
	if told := a.take(t, now, ended, answer, complete, err); len(told) > 0 {
		a.mirror.options.OnChange(told)
	}
	return ended
}

// next is what to ask first, and when: of what is due, that which somebody waits
// for. A class that has no turn holds back itself and those below it.
func (a *asides) next(now time.Time) (first topic, class Class, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for t, found := range a.topics {
		due, urgent := found.due(t.question.every(a.mirror.options))
		due = later(due, now)
		rank := t.question.class
		if urgent {
			rank = classConfirm
		}
		if rank >= a.heldClass {
			due = later(due, a.heldUntil)
		}
		if at.IsZero() || due.Before(at) || due.Equal(at) && rank < class {
			first, class, at = t, rank, due
		}
	}
	return first, class, at
}

// afresh lets all be asked at once again: there is another credential.
func (a *asides) afresh() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.heldUntil = time.Time{}
	for _, found := range a.topics {
		found.retries = retries{}
	}
	a.signal()
}

// due is when to ask, and whether somebody waits for it.
func (f *aside) due(every time.Duration) (at time.Time, urgent bool) {
	at = later(f.firstAt, f.startedAt.Add(every))
	for _, w := range f.wants {
		if unmet := !f.meets(w) && !w.after.IsZero(); unmet && (!urgent || w.after.Before(at)) {
			at, urgent = w.after, true
		}
	}
	if f.sofar != nil {
		at = f.begunAt
	}
	return later(at, f.retries.at), urgent
}

func (f *aside) meets(w want) bool {
	return !f.startedAt.IsZero() && f.startedAt.After(w.after)
}

// shownErr is the failure that may be told.
func (f *aside) shownErr() error {
	if passing(f.err) && f.retries.failures < knownTrouble {
		return nil
	}
	return f.err
}

// take notes what came of a call, and returns the objects for which that is news.
func (a *asides) take(t topic, startedAt, now time.Time, answer any, complete bool, err error) (told []Object) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.heldUntil = time.Time{}
	found := a.topics[t]
	if found == nil {
		return nil
	}
	before, shown := *found, found.shownErr()
	if found.sofar == nil {
		found.begunAt = startedAt
	}
	found.err = err
	switch {
	case err != nil:
		found.sofar = nil
		found.retries.failed(err, now)
	case !complete:
		found.sofar = answer
		return nil
	default:
		found.sofar, found.answer, found.startedAt = nil, answer, found.begunAt
		found.retries.succeeded()
	}
	otherwise := databricks.ClassOf(shown) != databricks.ClassOf(found.shownErr())
	for object, w := range found.wants {
		newly := !before.meets(w) && found.meets(w)
		changed := err == nil && before.meets(w) && !t.question.same(before.answer, answer, w.clusterID)
		if newly || changed || otherwise {
			told = append(told, object)
		}
	}
	return told
}
