package cache

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

// maxGets bounds the GETs in flight and maxLookups the lookups of one endpoint in
// flight, so that an endpoint that does not answer does not block the others.
// maxFailingGets bounds the GETs in flight of clusters whose last GET failed.
const maxGets, maxFailingGets, maxLookups = 4, 2, 2

// planPause is the least pause between two plans for each cluster, since a plan takes
// time for every cluster: thousands of objects that a new process connects one after
// another would otherwise cause a plan each.
const planPause = 5 * time.Microsecond

// read is one request that the scheduler may make now. All of its functions except
// send are called under the cache's lock.
type read struct {
	priority   ratelimit.Priority
	endpoint   string
	resource   string
	credential *credential
	// delay delays this read; begin marks it in flight.
	delay func(until time.Time)
	begin func()
	// send makes the request; handle records its outcome.
	send   func(ctx context.Context, api databricks.Reader) error
	handle func(startedAt, now time.Time, err error)
}

// dispatch starts every read that is due and permitted now. It returns when to
// dispatch again; zero means on the next signal.
func (c *cache) dispatch(ctx context.Context, calls *sync.WaitGroup) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if !c.planAt.IsZero() {
		c.planAt = later(c.planAt, c.plannedAt.Add(time.Duration(len(c.entries))*planPause))
	}
	if !c.planAt.IsZero() && !c.planAt.After(now) {
		c.plan(now)
		c.plannedAt = now
	}
	until := c.planAt
	for _, next := range []func(time.Time) (*read, time.Time){c.nextPage, c.nextGet, c.nextLookup} {
		for {
			r, at := next(now)
			until = sooner(until, at)
			if r == nil || r.credential == nil {
				break
			}
			c.start(ctx, r, now, calls)
		}
	}
	return until
}

// start makes one read in the background if the limiter permits it, and delays it
// otherwise.
func (c *cache) start(ctx context.Context, r *read, now time.Time, calls *sync.WaitGroup) {
	permit, wait := r.credential.acquire(ratelimit.Request{Priority: r.priority, Endpoint: r.endpoint, Resource: r.resource}, now)
	if wait != nil {
		if isOfHost(wait.Reason) && wait.Domain != r.endpoint {
			c.hold(r.priority, wait.At)
		} else {
			r.delay(wait.At)
		}
		if wait.Reason == ratelimit.ReasonRetryAfter && wait.At.After(c.pausedUntil) {
			c.pausedUntil = wait.At
			c.wakeBy(now) // plan GETs for deletions
		}
		c.block(wait, now)
		return
	}
	r.begin()
	calls.Go(func() {
		defer c.signal()
		within, cancel := context.WithTimeout(ctx, c.options.RequestDeadline)
		defer cancel()
		err := r.credential.call(permit, Call{Endpoint: r.endpoint, Priority: r.priority}, func() error {
			return r.send(within, r.credential.client)
		})
		c.mu.Lock()
		defer c.mu.Unlock()
		if errors.Is(ctx.Err(), context.Canceled) {
			return // the operator stops, which is no failure of the read
		}
		r.handle(now, time.Now(), err)
	})
}

// hold delays requests of a priority and of all lower ones until a time.
func (c *cache) hold(priority ratelimit.Priority, until time.Time) {
	for p := priority; p < priorities; p++ {
		c.heldUntil[p] = later(c.heldUntil[p], until)
	}
}

// block reports an open breaker to the objects that wait for a read which it holds.
func (c *cache) block(wait *WaitError, now time.Time) {
	ofHost := wait.Reason == ratelimit.ReasonHostUnavailable
	if !ofHost && wait.Reason != ratelimit.ReasonEndpointUnavailable {
		return
	}
	err := &databricks.Error{Class: databricks.ClassTransient, Message: wait.Message}
	for _, e := range c.entries {
		_, anyRead := e.outstanding(anySource)
		_, get := e.outstanding(getOnly)
		if isOfGets := wait.Domain == endpointGet; (get || anyRead) && (ofHost || isOfGets) && e.health.block(err, now) {
			c.markWatchers(e)
		}
	}
	for key, found := range c.lookups.known {
		if ofHost || wait.Domain == key.endpoint.name {
			c.markChanged(found.block(err))
		}
	}
}

// isOfHost reports whether a wait concerns every request of a priority, not only those
// to one endpoint or with one credential.
func isOfHost(reason ratelimit.Reason) bool {
	return slices.Contains([]ratelimit.Reason{
		ratelimit.ReasonRateLimited, ratelimit.ReasonRetryAfter, ratelimit.ReasonHostUnavailable,
	}, reason)
}

// nextPage returns the next page of the list in progress, or when it may be fetched.
func (c *cache) nextPage(now time.Time) (*read, time.Time) {
	l := c.lists.underway
	if l == nil || l.fetching {
		return nil, time.Time{}
	}
	if at := later(l.notBefore, c.heldUntil[l.priority]); at.After(now) {
		return nil, at
	}
	switch {
	case l.credential != nil && !l.credential.isRejected():
	case l.pages == 0:
		l.credential = c.rotate()
	default: // the credential was rejected in the middle of the list
		c.beginList(l.priority, now)
		l = c.lists.underway
	}
	var page databricks.ListPage
	query := l.query()
	return &read{
		priority: l.priority, endpoint: endpointList, credential: l.credential,
		delay: func(until time.Time) { l.notBefore = until },
		begin: func() {
			l.fetching = true
			if l.pages == 0 {
				l.startedAt = now
			}
		},
		send: func(ctx context.Context, api databricks.Reader) (err error) {
			page, err = api.List(ctx, query)
			return err
		},
		handle: func(startedAt, now time.Time, err error) {
			l.answering += now.Sub(startedAt)
			c.handlePage(l, page, now, err)
		},
	}, time.Time{}
}

func (c *cache) handlePage(l *listing, page databricks.ListPage, now time.Time, err error) {
	l.fetching = false
	if c.lists.underway != l {
		return // the list was dropped
	}
	if err == nil {
		err = c.addPage(l, page, now)
	} else if c.handlePageError(l, err, now); c.lists.pageSize < l.pageSize {
		return // the list was restarted with smaller pages
	}
	changed := false
	switch {
	case err != nil:
		changed = c.lists.health.failed(err, now)
	case c.lists.underway != l: // only the last page is a success
		changed = c.lists.health.succeeded(now)
	}
	if changed {
		c.log.Info("health of the lists changed", "error", err)
		c.markAll()
	}
}

// nextGet returns the most urgent GET that is due, or when one may be made. During a
// Retry-After, a GET that a deletion waits for gets the priority of a terminate.
func (c *cache) nextGet(now time.Time) (due *read, held time.Time) {
	if len(c.getting) >= maxGets {
		return nil, time.Time{}
	}
	failing := c.failingGets()
	for _, next := range c.gets {
		e := c.entries[next.id]
		if _, inFlight := c.getting[next.id]; e == nil || e.writing > 0 || inFlight {
			continue
		}
		if e.health.err != nil && failing >= maxFailingGets {
			continue
		}
		until := c.heldUntil[next.priority]
		if !until.After(now) {
			return c.readOf(e, next.priority), time.Time{}
		}
		held = sooner(held, until)
		if !now.Before(c.pausedUntil) {
			return nil, held // later ones are held, too
		}
		if e.isAwaitedByDeletion() && !c.heldUntil[ratelimit.PriorityTerminate].After(now) {
			return c.readOf(e, ratelimit.PriorityTerminate), time.Time{}
		}
	}
	return nil, held
}

// failingGets returns the number of GETs in flight of clusters whose last GET failed.
func (c *cache) failingGets() (n int) {
	for id := range c.getting {
		if e := c.entries[id]; e != nil && e.health.err != nil {
			n++
		}
	}
	return n
}

func (c *cache) readOf(e *entry, priority ratelimit.Priority) *read {
	var got databricks.Cluster
	return &read{
		priority: priority, endpoint: endpointGet, resource: e.id, credential: c.credentialFor(e),
		delay: func(until time.Time) {
			c.dropGet(e.id)
			e.backoff.delayUntil(until)
			c.planBy(until)
		},
		begin: func() {
			c.dropGet(e.id)
			c.getting[e.id] = struct{}{}
		},
		send: func(ctx context.Context, api databricks.Reader) (err error) {
			got, err = api.Get(ctx, e.id)
			if err == nil && (got.Details == nil || got.Details.ClusterId != e.id) {
				err = &databricks.Error{Class: databricks.ClassHost, Message: "the workspace returned another cluster than the requested one"}
			}
			return err
		},
		handle: func(startedAt, now time.Time, err error) {
			delete(c.getting, e.id)
			if c.entries[e.id] == e {
				c.handleGet(e, got, startedAt, now, err)
			}
			if len(c.gets) == 0 {
				c.planBy(now)
			} else {
				c.planBy(now.Add(c.options.Settle))
			}
		},
	}
}

// dropGet removes a cluster from the GETs to be made.
func (c *cache) dropGet(clusterID string) {
	c.gets = slices.DeleteFunc(c.gets, func(g get) bool { return g.id == clusterID })
}

// handleGet records the outcome of a GET.
func (c *cache) handleGet(e *entry, got databricks.Cluster, startedAt, now time.Time, err error) {
	readAt := e.readAt
	e.readAt = later(e.readAt, startedAt)
	observed := Observation{StartedAt: startedAt, CompletedAt: now, FromGet: true}
	switch {
	case err == nil:
		observed.Presence, observed.Cluster = Present, trimmed(got.Details)
		e.unlisted = e.absent > 0
		if e.acceptSpec(got.Spec, startedAt) {
			c.markWatchers(e)
		}
		e.specDue = startedAt.Add(c.options.Deep - c.random(c.options.Deep/10))
	case isPurged(err):
		observed.Presence = Purged
	case databricks.ClassOf(err) != databricks.ClassMissing:
		e.readAt = readAt // the backoff delays the next GET
		c.getFailed(e, err, now)
		return
	case !e.seen && !e.deleting && startedAt.Before(e.visibleBy(c.options.Grace)):
		return // too new to be Missing
	default:
		observed.Presence = Missing
	}
	if _, isNeeded := e.outstanding(getOnly); isNeeded && err == nil && got.Spec == nil {
		c.getFailed(e, errOmitted, now)
	} else {
		e.backoff.succeeded()
		if e.health.succeeded(now) {
			c.markWatchers(e)
		}
	}
	c.accept(e, observed)
}

// getFailed records the failure of a GET of one cluster.
func (c *cache) getFailed(e *entry, err error, now time.Time) {
	if isTransient(err) {
		e.backoff.failed(err, now)
	} else {
		e.backoff.refused(now)
	}
	if e.health.failed(err, now) {
		c.log.Info("health of a cluster's reads changed", "clusterID", e.id, "error", err)
		c.markWatchers(e)
	}
}
