package cache

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

// cache holds the data of one workspace that one authority can read. One goroutine
// schedules all reads.
type cache struct {
	key       cacheKey
	principal databricks.Principal
	options   Options
	log       logr.Logger
	limiter   *ratelimit.Limiter
	createdAt time.Time
	// stop ends run; the Registry's lock guards it.
	stop func()
	// wake has an item when the scheduler should plan again.
	wake chan struct{}

	// mu guards everything below. It is taken before a credential's and the
	// limiter's, and after the Registry's.
	mu sync.Mutex
	// subscribers are the connected objects, with the credential of each.
	subscribers map[Object]*credential
	// credentials are those of the subscribers, in the order in which they were added.
	// turn is the index of the credential that made the last unrequested read.
	credentials []*credential
	turn        int

	// entries are the clusters that objects need; watched maps an object to its
	// cluster.
	entries  map[string]*entry
	watched  map[Object]string
	searches map[Object]*search
	lists    lists
	lookups  lookups
	// changed are the objects to be notified.
	changed map[Object]struct{}

	// gets are the GETs to be made, in order of urgency; getting are those in flight.
	gets    []get
	getting map[string]struct{}
	// planAt is when to plan again; zero means on the next signal. plannedAt is the time
	// of the last plan.
	planAt, plannedAt time.Time
	// heldUntil is when the limiter may grant a request of each priority again.
	heldUntil [priorities]time.Time
	// pausedUntil is the end of a Retry-After that holds some requests.
	pausedUntil time.Time
}

// cacheKey identifies a cache. Objects share a cache only if they have the same
// authority in the same workspace.
type cacheKey struct {
	host, workspaceID string
	// domain separates the users of a DatabricksWorkspace from the tenants' own
	// credentials; authority separates tokens and OAuth clients.
	domain, authority string
}

func newCache(key cacheKey, principal databricks.Principal, limiter *ratelimit.Limiter, options Options) *cache {
	return &cache{
		key: key, principal: principal, limiter: limiter, options: options,
		log:         options.Logger.WithValues("host", key.host, "workspaceID", key.workspaceID, "principal", principal.UserName),
		createdAt:   time.Now(),
		stop:        func() {},
		wake:        make(chan struct{}, 1),
		subscribers: map[Object]*credential{},
		entries:     map[string]*entry{},
		watched:     map[Object]string{},
		searches:    map[Object]*search{},
		lists:       lists{pageSize: options.PageSize},
		lookups:     newLookups(),
		changed:     map[Object]struct{}{},
		getting:     map[string]struct{}{},
	}
}

// notify calls OnChange with the objects whose view changed.
func (c *cache) notify() {
	c.mu.Lock()
	objects := make([]Object, 0, len(c.changed))
	for object := range c.changed {
		objects = append(objects, object)
	}
	clear(c.changed)
	c.mu.Unlock()
	if len(objects) > 0 {
		c.options.OnChange(objects)
	}
}

// accept stores an observation of a cluster and marks the objects to be notified.
func (c *cache) accept(e *entry, observed Observation) {
	if e.accept(observed) {
		c.markWatchers(e)
	}
	c.satisfy(e)
}

func (c *cache) markWatchers(e *entry) {
	for _, object := range e.watchers {
		c.changed[object] = struct{}{}
	}
}

func (c *cache) markChanged(objects []Object) {
	for _, object := range objects {
		c.changed[object] = struct{}{}
	}
}

func (c *cache) markAll() {
	for object := range c.subscribers {
		c.changed[object] = struct{}{}
	}
}

// beginWrite invalidates everything cached about the cluster.
func (c *cache) beginWrite(clusterID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if clusterID == "" {
		return
	}
	c.entry(clusterID).writing++
}

// endWrite records that a write ended at now. Reads that begin after validAfter are
// valid.
func (c *cache) endWrite(write Write, now, validAfter time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[write.ClusterID]
	if e == nil {
		return
	}
	e.writing--
	e.deleting = write.Priority == ratelimit.PriorityTerminate
	e.needsReread = true
	e.wroteAt, e.requestedAt = now, now
	e.validAfter = later(e.validAfter, validAfter)
	c.wakeBy(later(now, e.validAfter).Add(c.options.Settle))
}

// cancelWrite undoes beginWrite for a write that was not sent.
func (c *cache) cancelWrite(clusterID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[clusterID]; e != nil {
		e.writing--
		c.wakeBy(time.Now())
	}
}

// addSubscriber makes an object with a credential a subscriber.
func (c *cache) addSubscriber(object Object, with *credential) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.subscribers[object] = with
	if slices.Contains(c.credentials, with) {
		return
	}
	c.credentials = append(c.credentials, with)
	c.retryAll()
}

// retryAll ends all backoffs, because of a new credential or one that works again.
func (c *cache) retryAll() {
	c.lists.backoff.succeeded()
	if c.lists.underway != nil {
		c.lists.underway.notBefore = time.Time{}
	}
	for _, e := range c.entries {
		e.backoff.succeeded()
	}
	c.lookups.retryAll()
	c.heldUntil, c.pausedUntil = [priorities]time.Time{}, time.Time{}
	c.planBy(time.Now())
	c.signal()
}

// unsubscribe ends an object's subscription and reports whether it was the last one.
func (c *cache) unsubscribe(object Object) (last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, subscribed := c.subscribers[object]; !subscribed {
		return false
	}
	delete(c.subscribers, object)
	c.unwatch(object)
	c.lookups.cancelAll(object)
	delete(c.searches, object)
	delete(c.changed, object)
	return len(c.subscribers) == 0
}

// removeCredential removes a credential that no object uses any more.
func (c *cache) removeCredential(gone *credential) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.credentials = slices.DeleteFunc(c.credentials, func(other *credential) bool { return other == gone })
	if l := c.lists.underway; l != nil && l.credential == gone {
		c.lists.underway = nil
		c.planBy(time.Now())
		c.signal()
	}
}

// rotate returns the credential of the next unrequested read. Credentials take turns,
// so that a revoked one is noticed even if nothing is written with it.
func (c *cache) rotate() *credential {
	for range c.credentials {
		c.turn = (c.turn + 1) % len(c.credentials)
		if next := c.credentials[c.turn]; !next.isRejected() {
			return next
		}
	}
	if len(c.credentials) == 0 {
		return nil
	}
	return c.credentials[c.turn%len(c.credentials)]
}

// credentialFor returns the credential of an object that waits for a read of the
// cluster, else of one that watches it, because credentials may have different
// permissions. Of several objects any one is chosen, so that a credential that may not
// read the cluster is not used every time.
func (c *cache) credentialFor(e *entry) *credential {
	for _, i := range rand.Perm(len(e.requests)) {
		r := e.requests[i]
		if with := c.subscribers[r.object]; with != nil && !e.satisfies(r.source, r.after) && !with.isRejected() {
			return with
		}
	}
	for _, i := range rand.Perm(len(e.watchers)) {
		if with := c.subscribers[e.watchers[i]]; with != nil && !with.isRejected() {
			return with
		}
	}
	return c.rotate()
}

// signal makes the scheduler plan again.
func (c *cache) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// random returns a random part of a span.
func (c *cache) random(span time.Duration) time.Duration { return rand.N(span + 1) }

func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// firstSpecRead returns when the spec of a new entry is first read: at a random time
// within Options.Deep, because a restart creates all entries at once.
func (c *cache) firstSpecRead(now time.Time) time.Time {
	return now.Add(3*c.options.Slow + c.random(c.options.Deep))
}

// run schedules reads until ctx ends.
func (c *cache) run(ctx context.Context) {
	c.log.V(1).Info("cache started")
	defer c.log.V(1).Info("cache stopped")
	var calls sync.WaitGroup
	defer calls.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		until := c.dispatch(ctx, &calls)
		c.notify()
		timer.Stop()
		var timerC <-chan time.Time
		if !until.IsZero() {
			timer.Reset(time.Until(until))
			timerC = timer.C
		}
		select {
		case <-ctx.Done():
		case <-c.wake:
		case <-timerC:
		}
	}
}
