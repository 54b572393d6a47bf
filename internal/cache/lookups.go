package cache

import (
	"context"
	"time"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

// lookups hold what a list of clusters does not show and only some objects need.
// Only what an object needs is read, by the scheduler. The cache's lock guards them.
type lookups struct {
	known map[lookupKey]*lookup
	// needed finds what an object needs by the name of the endpoint.
	needed map[needKey]lookupKey
	// reading are those in flight.
	reading map[lookupKey]struct{}
}

// lookupKey is an endpoint, about a cluster or, where clusterID is empty, about all.
type lookupKey struct {
	endpoint  *endpoint
	clusterID string
}

type needKey struct {
	object   Object
	endpoint *endpoint
}

// endpoint is a kind of lookup.
type endpoint struct {
	// name is the endpoint as the API reference has it, for the rate limiter.
	name string
	// every is how often it is read again by cadence, while an object needs it.
	every map[Cadence]func(Options) time.Duration
	// spread puts the first read off at random, up to the interval, where no object
	// waits for it: a restart brings all of them at once.
	spread   bool
	priority ratelimit.Priority
	// read makes one request. Where more are needed, what it returns comes back as
	// partial.
	read func(ctx context.Context, api databricks.Reader, clusterID string, partial any) (answer any, complete bool, err error)
	// same reports whether an answer changes nothing for the object of a cluster.
	same func(before, after any, clusterID string) bool
}

// lookup is what is known of one key.
type lookup struct {
	needs map[Object]need
	// firstAt is when it is first read though no object waits for it.
	firstAt time.Time

	answer    any
	startedAt time.Time
	// partial are the parts of an answer that is not complete; it began at begunAt.
	partial any
	begunAt time.Time
	// err is why the newest request failed.
	err     error
	backoff backoff
	// blocked is the open breaker that keeps it from being read; nil: none.
	blocked error
}

// need is for whose cluster an object needs a lookup, and how new it must be.
type need struct {
	clusterID string
	Lookup
}

func newLookups() lookups {
	return lookups{known: map[lookupKey]*lookup{}, needed: map[needKey]lookupKey{}, reading: map[lookupKey]struct{}{}}
}

// lookUp states what an object needs beside its cluster, and fills the view.
func (c *cache) lookUp(object Object, interest Interest, view *View) {
	id := interest.ClusterID
	view.Libraries = lookAt[librariesAnswer](c, object, lookupKey{&librariesEndpoint, id}, need{id, interest.Libraries})
	view.Permissions = lookAt[permissionsAnswer](c, object, lookupKey{&permissionsEndpoint, id}, need{id, interest.Permissions})
	view.Pins = lookAt[map[string]bool](c, object, lookupKey{endpoint: &pinsEndpoint}, need{id, interest.Pins})
	offered := func(cadence Cadence) need { return need{Lookup: Lookup{Cadence: cadence}} }
	view.Catalog = Catalog{
		Versions:      lookAt[versionsAnswer](c, object, lookupKey{endpoint: &versionsEndpoint}, offered(interest.Catalog.Versions)),
		NodeTypes:     lookAt[nodeTypesAnswer](c, object, lookupKey{endpoint: &nodeTypesEndpoint}, offered(interest.Catalog.NodeTypes)),
		Policies:      lookAt[map[string]string](c, object, lookupKey{endpoint: &policiesEndpoint}, offered(interest.Catalog.Policies)),
		InstancePools: lookAt[map[string]string](c, object, lookupKey{endpoint: &poolsEndpoint}, offered(interest.Catalog.InstancePools)),
	}
}

// lookAt states an object's need of a lookup, and returns what is known.
func lookAt[T any](c *cache, object Object, key lookupKey, n need) Look[T] {
	if n.Cadence == NotNeeded {
		c.lookups.cancel(needKey{object, key.endpoint})
		return Look[T]{}
	}
	found := c.need(object, key, n)
	look := Look[T]{Err: found.shownErr()}
	if found.serves(n) {
		look.StartedAt = found.startedAt
		look.Value, _ = found.answer.(T)
	}
	return look
}

func (c *cache) need(object Object, key lookupKey, n need) *lookup {
	at := needKey{object, key.endpoint}
	if had, needed := c.lookups.needed[at]; needed && had != key {
		c.lookups.cancel(at)
	}
	c.lookups.needed[at] = key
	found := c.lookups.known[key]
	if found == nil {
		found = &lookup{needs: map[Object]need{}, firstAt: c.firstLookup(key.endpoint, n.Cadence)}
		c.lookups.known[key] = found
	}
	had, known := found.needs[object]
	if known && had == n {
		return found
	}
	if known && n.After.After(had.After) && !isTransient(found.err) {
		found.backoff = backoff{} // something was changed about it
	}
	found.needs[object] = n
	c.signal()
	return found
}

func (c *cache) firstLookup(e *endpoint, cadence Cadence) time.Time {
	now := time.Now()
	if !e.spread {
		return now
	}
	return now.Add(c.random(e.every[cadence](c.options)))
}

func (l *lookups) cancel(at needKey) {
	key, needed := l.needed[at]
	if !needed {
		return
	}
	delete(l.needed, at)
	found := l.known[key]
	delete(found.needs, at.object)
	if len(found.needs) == 0 {
		delete(l.known, key)
	}
}

// leave ends all needs of an object.
func (l *lookups) leave(object Object) {
	for at := range l.needed {
		if at.object == object {
			l.cancel(at)
		}
	}
}

// retryAll lets every lookup that failed be tried at once.
func (l *lookups) retryAll() {
	for _, found := range l.known {
		found.backoff = backoff{}
	}
}

// nextLookup returns the lookup to make first: of what is due, that which an object
// waits for; or when the next one is due.
func (c *cache) nextLookup(now time.Time) (*read, time.Time) {
	inFlight := map[*endpoint]int{}
	for key := range c.lookups.reading {
		inFlight[key.endpoint]++
	}
	var first lookupKey
	var priority ratelimit.Priority
	var at time.Time
	for key, found := range c.lookups.known {
		if _, reading := c.lookups.reading[key]; reading || inFlight[key.endpoint] >= maxLookups {
			continue
		}
		due, isAwaited := found.due(key.endpoint, c.options)
		own := key.endpoint.priority
		if isAwaited {
			own = ratelimit.PriorityConfirm
		}
		due = later(later(due, now), c.heldUntil[own])
		if at.IsZero() || due.Before(at) || due.Equal(at) && own < priority {
			first, priority, at = key, own, due
		}
	}
	if at.IsZero() || at.After(now) {
		return nil, at
	}
	return c.readLookup(first, c.lookups.known[first], priority), time.Time{}
}

func (c *cache) readLookup(key lookupKey, found *lookup, priority ratelimit.Priority) *read {
	var answer any
	var complete bool
	partial := found.partial
	return &read{
		priority: priority, endpoint: key.endpoint.name, resource: key.clusterID, credential: c.credentialOf(found),
		putOff: found.backoff.heldUntil,
		begin:  func() { c.lookups.reading[key] = struct{}{} },
		send: func(ctx context.Context, api databricks.Reader) (err error) {
			answer, complete, err = key.endpoint.read(ctx, api, key.clusterID, partial)
			return err
		},
		take: func(startedAt, now time.Time, err error) {
			delete(c.lookups.reading, key)
			if c.lookups.known[key] == found {
				c.takeLookup(key, found, answer, complete, startedAt, now, err)
			}
		},
	}
}

// credentialOf returns the credential of an object that waits for a lookup, else of
// one that needs it.
func (c *cache) credentialOf(found *lookup) *credential {
	var some *credential
	for object, n := range found.needs {
		with := c.subscribers[object]
		if with == nil || with.isRejected() {
			continue
		}
		if found.isAwaitedBy(n) {
			return with
		}
		some = with
	}
	if some == nil {
		return c.rotate()
	}
	return some
}

// due is when to read, and whether an object waits for it.
func (f *lookup) due(e *endpoint, options Options) (at time.Time, isAwaited bool) {
	cadence := WhileQuiet
	for _, n := range f.needs {
		cadence = min(cadence, n.Cadence)
	}
	at = later(f.firstAt, f.startedAt.Add(e.every[cadence](options)))
	for _, n := range f.needs {
		if outstanding := f.isAwaitedBy(n) && !n.After.IsZero(); outstanding && (!isAwaited || n.After.Before(at)) {
			at, isAwaited = n.After, true
		}
	}
	if f.partial != nil {
		at = f.begunAt
	}
	return later(at, f.backoff.at), isAwaited
}

// serves reports whether the answer may be shown to an object.
func (f *lookup) serves(n need) bool {
	return !f.startedAt.IsZero() && f.startedAt.After(later(n.After, n.OutdatedBefore))
}

// isAwaitedBy reports whether an object waits for a newer answer. For one that is only
// outdated the next read by cadence suffices.
func (f *lookup) isAwaitedBy(n need) bool {
	return f.startedAt.IsZero() || !f.startedAt.After(n.After)
}

// shownErr is the failure that may be shown.
func (f *lookup) shownErr() error {
	if f.err == nil {
		return f.blocked
	}
	if isTransient(f.err) && f.backoff.failures < shownAfter {
		return nil
	}
	return f.err
}

// block records an open breaker, and returns the objects that wait and did not know.
func (f *lookup) block(err error) (waiting []Object) {
	if f.blocked != nil || f.err != nil {
		return nil
	}
	for object, n := range f.needs {
		if f.isAwaitedBy(n) {
			waiting = append(waiting, object)
		}
	}
	if len(waiting) > 0 {
		f.blocked = err
	}
	return waiting
}

// takeLookup takes the outcome of a request, and marks the objects for which that
// changes something.
func (c *cache) takeLookup(key lookupKey, found *lookup, answer any, complete bool, startedAt, now time.Time, err error) {
	before, shown := *found, found.shownErr()
	if found.partial == nil {
		found.begunAt = startedAt
	}
	found.err, found.blocked = err, nil
	switch {
	case err != nil:
		found.partial = nil
		found.backoff.failed(err, now)
	case !complete:
		found.partial = answer
		return
	default:
		found.partial, found.answer, found.startedAt = nil, answer, found.begunAt
		found.backoff.succeeded()
	}
	failureChanged := databricks.ClassOf(shown) != databricks.ClassOf(found.shownErr())
	for object, n := range found.needs {
		newly := !before.serves(n) && found.serves(n)
		changed := err == nil && before.serves(n) && !key.endpoint.same(before.answer, answer, n.clusterID)
		if newly || changed || failureChanged {
			c.changed[object] = struct{}{}
		}
	}
}
