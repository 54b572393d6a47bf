package connection

import (
	"context"
	"sync"
	"time"
)

// readTimeout bounds one read from the Kubernetes API.
const readTimeout = 10 * time.Second

// verdict is the workspace's verdict on a value.
type verdict int

const (
	untested verdict = iota
	// unreachable: the workspace of a value that was never accepted does not answer.
	unreachable
	rejected
	accepted
)

// poller keeps values that are read one by one, for as long as an object uses
// them. At most one read of a key is in progress.
type poller[K comparable, V any] struct {
	pollerOptions[K, V]

	// wake ends the wait of run: a key may be due earlier.
	wake chan struct{}

	// mu guards entries, their fields, and users. It is not held during a read.
	mu      sync.Mutex
	entries map[K]*entry[K, V]
	users   map[userKey]use[K, V]
}

type pollerOptions[K comparable, V any] struct {
	// read returns the value of a key; an error is one of the Kubernetes API.
	read func(ctx context.Context, key K) (V, error)
	// equal reports whether the users of a value need not know of another.
	equal func(a, b V) bool
	// interval returns when a value is read again after its last read; 0 means
	// never. A value with an interval shorter than Refresh is unusable.
	interval func(key K, value V, verdict verdict) time.Duration
	// intervals have MinReread and the longest backoff.
	intervals Intervals
	enqueue   func(User)
}

// use is the use of a key by the object with a UID. There is one for each object, so it
// has no copies of the names.
type use[K comparable, V any] struct {
	uid   string
	of    *entry[K, V]
	since time.Time
}

// entry is the state of a key.
type entry[K comparable, V any] struct {
	key   K
	users map[userKey]struct{}
	// reading reports that a read is in progress.
	reading bool
	// readAt is when the last read began, failed ones included.
	readAt time.Time
	// value is the last value read, and since is when an equal value was first read;
	// since is zero until a read succeeds.
	value V
	since time.Time
	// err is the failure of the last read, and failures is how many failed in a row.
	err      error
	failures int
	// rejectedBy has the users for which the workspace rejected the value, and
	// others is the verdict for all other users.
	rejectedBy map[userKey]struct{}
	others     verdict
	// early requests a read as soon as MinReread permits.
	early bool
}

func newEntry[K comparable, V any](key K) *entry[K, V] {
	return &entry[K, V]{
		key:        key,
		users:      map[userKey]struct{}{},
		rejectedBy: map[userKey]struct{}{},
	}
}

// verdict returns the workspace's verdict on the value: rejected if it was rejected
// for any user.
func (e *entry[K, V]) verdict() verdict {
	if len(e.rejectedBy) > 0 {
		return rejected
	}
	return e.others
}

// answer is the state of a key for one user.
type answer[V any] struct {
	value V
	// since is when an equal value was first read, or when the user began to use the
	// key if that was later.
	since time.Time
	// err is why there is no value.
	err error
	// pending reports that the first read is in progress on behalf of another user;
	// this one is enqueued when it ends.
	pending bool
}

func newPoller[K comparable, V any](options pollerOptions[K, V]) *poller[K, V] {
	return &poller[K, V]{
		pollerOptions: options,
		wake:          make(chan struct{}, 1),
		entries:       map[K]*entry[K, V]{},
		users:         map[userKey]use[K, V]{},
	}
}

// get records that an object uses a key and returns the state of the key.
func (p *poller[K, V]) get(ctx context.Context, user User, key K) answer[V] {
	p.mu.Lock()
	current, attached := p.attach(user, key)
	if p.shouldRead(key, current, attached) {
		current.reading = true
		p.mu.Unlock()
		p.load(ctx, key, current, user.key())
		p.mu.Lock()
	}
	defer p.mu.Unlock()
	if current.readAt.IsZero() {
		return answer[V]{pending: true}
	}
	if current.since.IsZero() {
		return answer[V]{err: current.err}
	}
	since := current.since
	if usedSince := p.users[user.key()].since; usedSince.After(since) {
		since = usedSince
	}
	return answer[V]{value: current.value, since: since}
}

// attachment reports whether an object used a key before.
type attachment int

const (
	continued attachment = iota
	begun
)

// attach records the use of a key. The caller holds mu.
func (p *poller[K, V]) attach(user User, key K) (*entry[K, V], attachment) {
	if before, found := p.users[user.key()]; found {
		if before.of.key == key && before.uid == user.UID {
			return before.of, continued
		}
		p.detach(user.key())
	}
	current := p.entries[key]
	if current == nil {
		current = newEntry[K, V](key)
		p.entries[key] = current
	}
	current.users[user.key()] = struct{}{}
	p.users[user.key()] = use[K, V]{uid: user.UID, of: current, since: time.Now()}
	return current, begun
}

// shouldRead reports whether the caller of get reads the key now. The caller holds
// mu.
func (p *poller[K, V]) shouldRead(key K, current *entry[K, V], attached attachment) bool {
	switch {
	case current.reading:
		return false
	case current.readAt.IsZero():
		return true
	case attached == continued || !p.unusable(key, current):
		return false
	case time.Since(current.readAt) < p.intervals.MinReread:
		current.early = true
		p.wakeUp()
		return false
	default:
		return true
	}
}

// unusable reports whether a key is read more often than one that works. The caller
// holds mu.
func (p *poller[K, V]) unusable(key K, current *entry[K, V]) bool {
	if current.failures > 0 {
		return true
	}
	interval := p.interval(key, current.value, current.verdict())
	return interval > 0 && interval < p.intervals.Refresh
}

// load reads a key whose entry is marked as reading, and enqueues the affected users
// except one.
func (p *poller[K, V]) load(ctx context.Context, key K, current *entry[K, V], except userKey) {
	startedAt := time.Now()
	limited, cancel := context.WithTimeout(ctx, readTimeout)
	value, err := p.read(limited, key)
	cancel()

	p.mu.Lock()
	var affected []User
	if p.take(current, startedAt, value, err) {
		for name := range current.users {
			if name != except {
				affected = append(affected, name.user(p.users[name].uid))
			}
		}
	}
	p.wakeUp()
	p.mu.Unlock()
	for _, user := range affected {
		p.enqueue(user)
	}
}

// take records the outcome of a read and reports whether it changed the answers of
// the users. The first read does, because all others are waiting for it. The caller
// holds mu.
func (p *poller[K, V]) take(current *entry[K, V], startedAt time.Time, value V, err error) (changed bool) {
	noValue, before := current.since.IsZero(), current.err
	current.reading, current.early, current.readAt, current.err = false, false, startedAt, err
	if err != nil {
		current.failures++
		return noValue && (before == nil || apiReason(before) != apiReason(err))
	}
	current.failures = 0
	if !noValue && p.equal(current.value, value) {
		return false
	}
	current.value, current.since = value, startedAt
	current.others, current.rejectedBy = untested, map[userKey]struct{}{}
	return true
}

// reload reads a key now, unless a read is in progress or nothing uses it.
func (p *poller[K, V]) reload(ctx context.Context, key K) {
	p.mu.Lock()
	current := p.entries[key]
	if current == nil || current.reading {
		p.mu.Unlock()
		return
	}
	current.reading = true
	p.mu.Unlock()
	p.load(ctx, key, current, userKey{})
}

// expire requests a read of a key as soon as MinReread permits.
func (p *poller[K, V]) expire(key K) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if current := p.entries[key]; current != nil {
		current.early = true
		p.wakeUp()
	}
}

// mark records the workspace's verdict on the value that an object uses.
func (p *poller[K, V]) mark(user User, next verdict) {
	p.mu.Lock()
	defer p.mu.Unlock()
	used, found := p.users[user.key()]
	if !found || used.uid != user.UID {
		return
	}
	current := used.of
	before := current.verdict()
	switch next {
	case rejected:
		current.rejectedBy[user.key()] = struct{}{}
	case accepted:
		delete(current.rejectedBy, user.key())
		current.others = accepted
	default:
		if current.others != accepted {
			current.others = next
		}
	}
	if current.verdict() != before {
		p.wakeUp()
	}
}

// release ends an object's use. A user without UID matches any object of the name.
func (p *poller[K, V]) release(user User) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if used, found := p.users[user.key()]; found && (user.UID == "" || used.uid == user.UID) {
		p.detach(user.key())
	}
}

// detach ends the use of a key, and removes the key with its last user. The caller
// holds mu.
func (p *poller[K, V]) detach(name userKey) {
	current := p.users[name].of
	delete(p.users, name)
	delete(current.users, name)
	delete(current.rejectedBy, name)
	if len(current.users) == 0 {
		delete(p.entries, current.key)
	}
}

// run reads keys when they are due, one after the other, until ctx ends.
func (p *poller[K, V]) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		case <-timer.C:
		}
		due, wait := p.due(time.Now())
		for _, key := range due {
			if ctx.Err() != nil {
				return
			}
			p.reload(ctx, key)
		}
		timer.Reset(wait) // a read wakes run again
	}
}

// due returns the keys to read now, those of which a read is in progress included, and
// how long until the next one is due.
func (p *poller[K, V]) due(now time.Time) (keys []K, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	wait = p.intervals.Refresh
	for key, current := range p.entries {
		at, scheduled := p.nextRead(key, current)
		switch {
		case !scheduled:
		case !now.Before(at):
			keys = append(keys, key)
		default:
			wait = min(wait, at.Sub(now))
		}
	}
	return keys, wait
}

// nextRead returns when a key is read again, if it is. The caller holds mu.
func (p *poller[K, V]) nextRead(key K, current *entry[K, V]) (at time.Time, scheduled bool) {
	interval := p.interval(key, current.value, current.verdict())
	if current.failures > 0 {
		interval = p.backoff(current.failures)
	}
	if current.early {
		interval = p.intervals.MinReread
	}
	return current.readAt.Add(interval), interval > 0
}

// backoff returns when a read is repeated after a number of failures in a row.
func (p *poller[K, V]) backoff(failures int) time.Duration {
	longest := 4 * p.intervals.Retry
	wait := min(p.intervals.MinReread, longest)
	for range failures - 1 {
		wait = min(2*wait, longest)
	}
	return wait
}

// wakeUp makes run look for due keys.
func (p *poller[K, V]) wakeUp() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}
