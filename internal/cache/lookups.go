package cache

import (
	"context"
	"time"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

// lookups has the data that a list of clusters does not contain. The scheduler reads
// a lookup only while an object needs it. The cache's lock guards all fields.
type lookups struct {
	known map[lookupKey]*lookup
	// needed maps an object and an endpoint to the lookup that the object needs.
	needed map[needKey]lookupKey
	// reading are those in flight.
	reading map[lookupKey]struct{}
}

// lookupKey identifies a lookup: an endpoint and the id of a cluster or of a policy, or
// the whole workspace if the id is empty.
type lookupKey struct {
	endpoint *endpoint
	id       string
}

type needKey struct {
	object   Object
	endpoint *endpoint
}

// endpoint is a kind of lookup.
type endpoint struct {
	// name is the path of the endpoint in the API reference.
	name string
	// every is the read interval of each cadence.
	every map[Cadence]func(Options) time.Duration
	// spread delays the first read that no object waits for by a random part of the
	// interval, because a restart creates all lookups at once.
	spread   bool
	priority ratelimit.Priority
	// read makes one request. If the answer is not complete, the next request gets it
	// as partial.
	read func(ctx context.Context, api databricks.Reader, id string, partial any) (answer any, complete bool, err error)
	// same reports whether two answers mean the same for the object of a cluster.
	same func(before, after any, clusterID string) bool
}

// lookup is the state of one lookup.
type lookup struct {
	needs map[Object]need
	// firstAt is when the lookup is first read if no object waits for it.
	firstAt time.Time

	answer    any
	startedAt time.Time
	// partial is an incomplete answer, whose first request began at begunAt.
	partial any
	begunAt time.Time
	// err is the failure of the newest request.
	err     error
	backoff backoff
	// blocked is the error of an open breaker that prevents reads; nil if there is none.
	blocked error
}

// need is one object's need of a lookup, for its cluster.
type need struct {
	clusterID string
	Lookup
}

func newLookups() lookups {
	return lookups{known: map[lookupKey]*lookup{}, needed: map[needKey]lookupKey{}, reading: map[lookupKey]struct{}{}}
}

// lookUp replaces the lookups that an object needs and adds their answers to the view.
func (c *cache) lookUp(object Object, interest Interest, view *View) {
	id := interest.ClusterID
	view.Libraries = lookAt[librariesAnswer](c, object, lookupKey{&librariesEndpoint, id}, need{id, interest.Libraries})
	view.Permissions = lookAt[permissionsAnswer](c, object, lookupKey{&permissionsEndpoint, id}, need{id, interest.Permissions})
	view.Pins = lookAt[map[string]bool](c, object, lookupKey{endpoint: &pinsEndpoint}, need{id, interest.Pins})
	view.Compliance = lookAt[complianceAnswer](c, object, lookupKey{&complianceEndpoint, interest.PolicyID}, need{id, interest.Compliance})
	offered := func(cadence Cadence) need {
		lookup := Lookup{Cadence: cadence}
		if cadence == WhileChanging {
			lookup.After = interest.Catalog.After
		}
		return need{Lookup: lookup}
	}
	view.Catalog = Catalog{
		Versions:      lookAt[versionsAnswer](c, object, lookupKey{endpoint: &versionsEndpoint}, offered(interest.Catalog.Versions)),
		NodeTypes:     lookAt[nodeTypesAnswer](c, object, lookupKey{endpoint: &nodeTypesEndpoint}, offered(interest.Catalog.NodeTypes)),
		Policies:      lookAt[map[string]string](c, object, lookupKey{endpoint: &policiesEndpoint}, offered(interest.Catalog.Policies)),
		InstancePools: lookAt[map[string]string](c, object, lookupKey{endpoint: &poolsEndpoint}, offered(interest.Catalog.InstancePools)),
	}
}

// lookAt replaces an object's need of a lookup and returns the newest answer.
func lookAt[T any](c *cache, object Object, key lookupKey, n need) Look[T] {
	if n.Cadence == NotNeeded {
		c.lookups.cancel(needKey{object, key.endpoint})
		return Look[T]{}
	}
	found := c.need(object, key, n)
	look := Look[T]{Err: found.reportedErr()}
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
		found.backoff = backoff{} // the object may have corrected the cause
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

// cancelAll ends all needs of an object.
func (l *lookups) cancelAll(object Object) {
	for at := range l.needed {
		if at.object == object {
			l.cancel(at)
		}
	}
}

// retryAll ends the backoff of every lookup.
func (l *lookups) retryAll() {
	for _, found := range l.known {
		found.backoff = backoff{}
	}
}

// nextLookup returns the lookup to read now, or when the next one is due. Lookups that
// objects wait for come first.
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
		priority: priority, endpoint: key.endpoint.name, resource: key.id, credential: c.credentialOf(found),
		delay: found.backoff.delayUntil,
		begin: func() { c.lookups.reading[key] = struct{}{} },
		send: func(ctx context.Context, api databricks.Reader) (err error) {
			answer, complete, err = key.endpoint.read(ctx, api, key.id, partial)
			return err
		},
		handle: func(startedAt, now time.Time, err error) {
			delete(c.lookups.reading, key)
			if c.lookups.known[key] == found {
				c.handleLookup(key, found, answer, complete, startedAt, now, err)
			}
		},
	}
}

// credentialOf returns the credential of an object that waits for a lookup, else of an
// object that needs it.
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

// due returns when to read the lookup, and whether an object waits for it.
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

// serves reports whether the answer satisfies a need.
func (f *lookup) serves(n need) bool {
	return !f.startedAt.IsZero() && f.startedAt.After(later(n.After, n.OutdatedBefore))
}

// isAwaitedBy reports whether an object waits for a newer answer. An outdated answer is
// replaced by the next read by cadence.
func (f *lookup) isAwaitedBy(n need) bool {
	return f.startedAt.IsZero() || !f.startedAt.After(n.After)
}

// reportedErr returns the failure to report to objects.
func (f *lookup) reportedErr() error {
	if f.err == nil {
		return f.blocked
	}
	if isTransient(f.err) && f.backoff.failures < minTransientFailures {
		return nil
	}
	return f.err
}

// block records an open breaker and returns the objects to be notified of it.
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

// handleLookup records the outcome of a request and marks the objects to be notified.
func (c *cache) handleLookup(key lookupKey, found *lookup, answer any, complete bool, startedAt, now time.Time, err error) {
	before, shown := *found, found.reportedErr()
	if found.partial == nil {
		found.begunAt = startedAt
	}
	found.err, found.blocked = err, nil
	switch {
	case err != nil:
		found.partial = nil
		found.backoff.failed(err, now)
	case !complete:
		// The failure of the last attempt stays until this one is complete.
		found.partial, found.err = answer, before.err
		return
	default:
		found.partial, found.answer, found.startedAt = nil, answer, found.begunAt
		found.backoff.succeeded()
	}
	failureChanged := databricks.ClassOf(shown) != databricks.ClassOf(found.reportedErr())
	for object, n := range found.needs {
		newly := !before.serves(n) && found.serves(n)
		changed := err == nil && before.serves(n) && !key.endpoint.same(before.answer, answer, n.clusterID)
		if newly || changed || failureChanged {
			c.changed[object] = struct{}{}
		}
	}
}
