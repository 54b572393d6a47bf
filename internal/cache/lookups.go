package cache

import (
	"context"
	"math"
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

// lookupKey identifies a lookup: an endpoint and the id of a cluster or of an item, or the
// whole workspace if the id is empty.
type lookupKey struct {
	endpoint *endpoint
	id       string
}

// needKey identifies a need: an object has at most one of each endpoint. The lookup that
// serves it is one of endpoint.source, if there is one.
type needKey struct {
	object   Object
	endpoint *endpoint
}

// endpoint is a kind of lookup.
type endpoint struct {
	// source is the endpoint whose answers have the data of this one, which then has no
	// name, read and missing of its own. Both are read at the shorter interval.
	source *endpoint
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
	read func(ctx context.Context, api databricks.Reader, id string, known previous) (answer any, complete bool, err error)
	// missing returns the answer that ClassMissing means; nil: it is a failure.
	missing func() any
	// part returns the data of this endpoint in an answer; nil: the whole answer.
	part func(answer any) any
	// same reports whether two answers mean the same for an object.
	same func(before, after any, of subject) bool
}

// previous is what earlier requests of a lookup returned: the last complete answer, and the
// incomplete one that the next request continues. Either is nil if there is none.
type previous struct{ answer, partial any }

// subject is the part of an answer that concerns an object: its cluster, or the items with
// its id and with its name.
type subject struct{ id, name string }

// reader returns the endpoint that reads the data.
func (e *endpoint) reader() *endpoint {
	if e.source != nil {
		return e.source
	}
	return e
}

// dataOf returns the data of the endpoint in an answer.
func (e *endpoint) dataOf(answer any) any {
	if e.part != nil {
		return e.part(answer)
	}
	return answer
}

// lookup is the state of one lookup.
type lookup struct {
	needs map[needKey]need
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

// need is one object's need of a lookup.
type need struct {
	subject
	Lookup
}

func newLookups() lookups {
	return lookups{known: map[lookupKey]*lookup{}, needed: map[needKey]lookupKey{}, reading: map[lookupKey]struct{}{}}
}

// lookUp replaces the lookups that an object needs and adds their answers to the view.
func (c *cache) lookUp(object Object, interest Interest, view *View) {
	id := interest.ClusterID
	ofCluster := func(lookup Lookup) need { return need{subject{id: id}, lookup} }
	view.Libraries = lookAt[librariesAnswer](c, object, &librariesEndpoint, id, ofCluster(interest.Libraries))
	view.Permissions = lookAt[permissionsAnswer](c, object, &permissionsEndpoint, id, ofCluster(interest.Permissions))
	view.Pins = lookAt[map[string]bool](c, object, &pinsEndpoint, "", ofCluster(interest.Pins))
	view.Compliance = lookAt[complianceAnswer](c, object, &complianceEndpoint, interest.PolicyID, ofCluster(interest.Compliance))
	view.Items = c.lookUpItems(object, interest.Items)
	offered := func(cadence Cadence) need {
		lookup := Lookup{Cadence: cadence}
		if cadence == WhileChanging {
			lookup.After = interest.Catalog.After
		}
		return need{Lookup: lookup}
	}
	policies, pools := &itemEndpointsOf[databricks.ClusterPolicies].names, &itemEndpointsOf[databricks.InstancePools].names
	view.Catalog = Catalog{
		Versions:      lookAt[versionsAnswer](c, object, &versionsEndpoint, "", offered(interest.Catalog.Versions)),
		NodeTypes:     lookAt[nodeTypesAnswer](c, object, &nodeTypesEndpoint, "", offered(interest.Catalog.NodeTypes)),
		Policies:      lookAt[map[string]string](c, object, policies, "", offered(interest.Catalog.Policies)),
		InstancePools: lookAt[map[string]string](c, object, pools, "", offered(interest.Catalog.InstancePools)),
	}
}

// lookAt replaces an object's need of a lookup and returns the newest answer.
func lookAt[T any](c *cache, object Object, e *endpoint, id string, n need) Look[T] {
	at := needKey{object, e}
	if n.Cadence == NotNeeded {
		c.lookups.cancel(at)
		return Look[T]{}
	}
	found := c.need(at, lookupKey{e.reader(), id}, n)
	look := Look[T]{Err: found.reportedErr()}
	if found.serves(n) {
		look.StartedAt = found.startedAt
		look.Value, _ = e.dataOf(found.answer).(T)
	}
	return look
}

func (c *cache) need(at needKey, key lookupKey, n need) *lookup {
	if had, needed := c.lookups.needed[at]; needed && had != key {
		c.lookups.cancel(at)
	}
	c.lookups.needed[at] = key
	found := c.lookups.known[key]
	if found == nil {
		found = &lookup{needs: map[needKey]need{}, firstAt: c.firstLookup(at.endpoint, n.Cadence)}
		c.lookups.known[key] = found
	}
	had, known := found.needs[at]
	if known && had == n {
		return found
	}
	if known && n.After.After(had.After) && !isTransient(found.err) {
		found.backoff = backoff{} // the object may have corrected the cause
	}
	found.needs[at] = n
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
	delete(found.needs, at)
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
		due, own := found.due(c.options)
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
	known := previous{found.answer, found.partial}
	return &read{
		priority: priority, endpoint: key.endpoint.name, resource: key.id, credential: c.credentialOf(found),
		delay: found.backoff.delayUntil,
		begin: func() { c.lookups.reading[key] = struct{}{} },
		send: func(ctx context.Context, api databricks.Reader) (err error) {
			answer, complete, err = key.endpoint.read(ctx, api, key.id, known)
			return err
		},
		handle: func(startedAt, now time.Time, err error) {
			delete(c.lookups.reading, key)
			if key.endpoint.missing != nil && databricks.ClassOf(err) == databricks.ClassMissing {
				answer, complete, err = key.endpoint.missing(), true, nil
			}
			if c.lookups.known[key] == found {
				c.handleLookup(found, answer, complete, startedAt, now, err)
			}
		},
	}
}

// credentialOf returns the credential of an object that waits for a lookup, else of an
// object that needs it.
func (c *cache) credentialOf(found *lookup) *credential {
	var some *credential
	for at, n := range found.needs {
		with := c.subscribers[at.object]
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

// due returns when to read the lookup, and with which priority.
func (f *lookup) due(options Options) (at time.Time, priority ratelimit.Priority) {
	interval, priority := time.Duration(math.MaxInt64), ratelimit.PriorityDeep
	var last *endpoint
	var cadence Cadence
	for key, n := range f.needs {
		// Thousands of needs differ in few values.
		if key.endpoint == last && n.Cadence == cadence {
			continue
		}
		last, cadence = key.endpoint, n.Cadence
		interval = min(interval, last.every[cadence](options))
		priority = min(priority, last.priority)
	}
	at = later(f.firstAt, f.startedAt.Add(interval))
	isAwaited := false
	for _, n := range f.needs {
		if outstanding := f.isAwaitedBy(n) && !n.After.IsZero(); outstanding && (!isAwaited || n.After.Before(at)) {
			at, isAwaited, priority = n.After, true, ratelimit.PriorityConfirm
		}
	}
	if f.partial != nil {
		at = f.begunAt
	}
	return later(at, f.backoff.at), priority
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
	for at, n := range f.needs {
		if f.isAwaitedBy(n) {
			waiting = append(waiting, at.object)
		}
	}
	if len(waiting) > 0 {
		f.blocked = err
	}
	return waiting
}

// handleLookup records the outcome of a request and marks the objects to be notified.
func (c *cache) handleLookup(found *lookup, answer any, complete bool, startedAt, now time.Time, err error) {
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
	for at, n := range found.needs {
		newly := !before.serves(n) && found.serves(n)
		changed := err == nil && before.serves(n) && !at.endpoint.same(before.answer, answer, n.subject)
		if newly || changed || failureChanged {
			c.changed[at.object] = struct{}{}
		}
	}
}
