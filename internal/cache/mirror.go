package cache

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// mirror keeps what one principal sees of one workspace. All its reads are made
// by one goroutine, one at a time; everybody else only looks at what is known.
type mirror struct {
	host      string
	principal databricks.Principal
	options   Options
	log       logr.Logger
	workspace Workspace
	bornAt    time.Time
	// stop ends run; it is the Registry's.
	stop func()
	// wake has an item when the loop should look up.
	wake chan struct{}
	// asides is what lists do not show.
	asides *asides

	mu sync.Mutex
	// objects are all that connected; credentials those they did so with, the
	// newest last.
	objects     map[Object]struct{}
	credentials []*credential

	// records are the clusters that somebody is interested in. watched and
	// demanded find an object's.
	records  map[string]*record
	watched  map[Object]string
	demanded map[demandKey]string
	searches map[Object]*search
	// changed are the objects that have news and have not been told.
	changed map[Object]struct{}

	snapshot snapshot
	// survey wants a complete list that begins after it; zero: none.
	survey   time.Time
	listing  *listing
	pageSize int
	// pages is how many a list took at pagesAt.
	pages   int
	pagesAt time.Time
	// listRetries spaces lists that fail, nextList those that succeed.
	listRetries retries
	nextList    time.Time
	nextSlow    time.Time
	// absentees counts the clusters that only the last list did not have.
	absentees int

	// gets are the GETs to be made, the most urgent first. planAt is when to plan
	// again; zero: when something happens.
	gets   []target
	planAt time.Time
	// heldUntil is what the gate said to the last call that it held, of heldClass.
	heldUntil time.Time
	heldClass Class

	health health
}

func newMirror(host string, principal databricks.Principal, options Options) *mirror {
	m := &mirror{
		host: host, principal: principal, options: options, pageSize: options.PageSize,
		log:      options.Logger.WithValues("host", host, "principal", principal.UserName),
		bornAt:   time.Now(),
		stop:     func() {},
		wake:     make(chan struct{}, 1),
		objects:  map[Object]struct{}{},
		records:  map[string]*record{},
		watched:  map[Object]string{},
		demanded: map[demandKey]string{},
		searches: map[Object]*search{},
		changed:  map[Object]struct{}{},
	}
	m.workspace = Workspace{mirror: m}
	m.asides = newAsides(m)
	return m
}

func (m *mirror) key() mirrorKey { return mirrorKey{m.host, m.principal.ID} }

// run reads until ctx ends.
func (m *mirror) run(ctx context.Context) {
	m.log.V(1).Info("watching workspace")
	defer m.log.V(1).Info("no longer watching workspace")
	var beside sync.WaitGroup
	beside.Go(func() { m.asides.run(ctx) })
	defer beside.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		until := m.step(ctx)
		m.tell()
		timer.Stop()
		var alarm <-chan time.Time
		if !until.IsZero() {
			timer.Reset(time.Until(until))
			alarm = timer.C
		}
		select {
		case <-ctx.Done():
		case <-m.wake:
		case <-alarm:
		}
	}
}

// step makes at most one call. It returns when to go on; zero: when woken.
func (m *mirror) step(ctx context.Context) time.Time {
	now := time.Now()
	m.mu.Lock()
	if !m.planAt.IsZero() && !m.planAt.After(now) {
		m.plan(now)
	}
	class, get, at := m.next(now)
	planAt, held, heldClass := m.planAt, m.heldUntil, m.heldClass
	m.mu.Unlock()
	if class == classes {
		return sooner(at, planAt)
	}
	if held.After(now) && class >= heldClass { // asking again would only queue anew
		return sooner(held, planAt)
	}
	c := m.credential(now)
	if c == nil {
		return planAt
	}
	if wait := c.admit(class, now); wait != nil {
		m.hold(class, wait.At)
		return sooner(wait.At, planAt)
	}
	ctx, cancel := context.WithTimeout(ctx, m.options.RequestDeadline)
	defer cancel()
	if get {
		m.get(ctx, c, class)
	} else {
		m.page(ctx, c, class)
	}
	return now
}

// next is the call to be made now: its class, and whether it is a GET or a page.
// classes: none before at.
func (m *mirror) next(now time.Time) (class Class, get bool, at time.Time) {
	class = classes
	if m.listing != nil {
		if m.listing.notBefore.After(now) {
			at = m.listing.notBefore
		} else {
			class = m.listing.class
		}
	}
	for len(m.gets) > 0 {
		if r := m.records[m.gets[0].id]; r != nil && r.writing == 0 {
			break
		}
		m.gets = m.gets[1:]
	}
	if len(m.gets) > 0 && m.gets[0].class <= class {
		return m.gets[0].class, true, at
	}
	return class, false, at
}

func (m *mirror) hold(class Class, until time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.heldClass, m.heldUntil = class, until
}

// get looks at the first cluster in turn.
func (m *mirror) get(ctx context.Context, c *credential, class Class) {
	m.mu.Lock()
	id := m.gets[0].id
	m.gets = m.gets[1:]
	m.mu.Unlock()
	startedAt := time.Now()
	cluster, err := c.client.Get(ctx, id)
	if err == nil && (cluster == nil || cluster.ClusterId != id) {
		err = &databricks.Error{Class: databricks.ClassHost, Message: "the workspace answered with another cluster than was asked for"}
	}
	now := m.ended(c, class, startedAt, err)
	look := Observation{StartedAt: startedAt, CompletedAt: now, Deep: true}
	switch {
	case err == nil:
		look.Presence, look.Cluster = Present, trimmed(cluster)
	case purged(err):
		look.Presence = Purged
	case databricks.ClassOf(err) == databricks.ClassMissing:
		look.Presence = Missing
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case err != nil && look.Presence == Unknown && !single(err):
		m.noteHealth(ctx, err, now)
	case m.listRetries.failures < knownTrouble: // else it is the lists that fail
		m.noteHealth(ctx, nil, now)
	}
	if r := m.records[id]; r != nil {
		m.looked(r, look, err)
	}
	if len(m.gets) == 0 {
		m.planBy(now)
	} else {
		m.planBy(now.Add(m.options.Settle))
	}
}

// looked takes the outcome of a GET.
func (m *mirror) looked(r *record, look Observation, err error) {
	r.lookedAt = later(r.lookedAt, look.StartedAt)
	switch look.Presence {
	case Unknown:
		if single(err) {
			m.refused(r, err)
		}
		if single(err) || passing(err) {
			r.retries.failed(err, look.CompletedAt)
		}
		return
	case Missing:
		if !r.seen && !r.doomed && look.StartedAt.Before(r.visibleBy(m.options.Grace)) {
			return // too new to be called missing
		}
	case Purged:
	case Present:
		r.unlisted = r.absent > 0
		if look.StartedAt.After(r.specAt) {
			r.spec, r.specAt = look.Cluster.Spec, look.StartedAt
		}
		r.deepDue = look.StartedAt.Add(m.options.Deep - m.random(m.options.Deep/10))
	}
	m.accept(r, look)
}

var singleClasses = []databricks.Class{databricks.ClassForbidden, databricks.ClassInvalid, databricks.ClassTooLarge}

// single tells whether a failure says something of the one cluster only.
func single(err error) bool {
	return slices.Contains(singleClasses, databricks.ClassOf(err))
}

// refused notes that a cluster may not be looked at, and tells who waits for it.
func (m *mirror) refused(r *record, err error) {
	if r.err == nil {
		m.tellWatchers(r)
	}
	r.err = err
	m.meet(r)
}

// page fetches the next page of the list under way.
func (m *mirror) page(ctx context.Context, c *credential, class Class) {
	startedAt := time.Now()
	m.mu.Lock()
	if m.listing.pages == 0 {
		m.listing.startedAt = startedAt
	}
	query := m.listing.query()
	m.mu.Unlock()
	page, err := c.client.List(ctx, query)
	now := m.ended(c, class, startedAt, err)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		m.pageFailed(err, now)
	} else {
		err = m.pageArrived(page, now)
	}
	if err != nil || m.listing == nil { // a page in the middle is no success yet
		m.noteHealth(ctx, err, now)
	}
}

// ended takes the outcome of a read to the gate and to the observer, and returns
// when that was.
func (m *mirror) ended(c *credential, class Class, startedAt time.Time, err error) time.Time {
	now := time.Now()
	c.ended(class, startedAt, now, err)
	m.options.Observer(Call{Host: m.host, Class: class, Duration: now.Sub(startedAt), Err: err})
	return now
}

// noteHealth takes the outcome of a read; everybody hears of a change.
func (m *mirror) noteHealth(ctx context.Context, err error, now time.Time) {
	if stopping := errors.Is(ctx.Err(), context.Canceled); stopping || !m.health.note(err, now) {
		return
	}
	m.log.Info("health of the workspace's reads changed", "error", err)
	for object := range m.objects {
		m.changed[object] = struct{}{}
	}
}

// accept takes a look at a cluster and marks who should hear of it.
func (m *mirror) accept(r *record, look Observation) {
	if r.accept(look) {
		m.tellWatchers(r)
	}
	m.meet(r)
}

func (m *mirror) tellWatchers(r *record) {
	for object := range r.watchers {
		m.changed[object] = struct{}{}
	}
}

// tell hands on who has news.
func (m *mirror) tell() {
	m.mu.Lock()
	objects := make([]Object, 0, len(m.changed))
	for object := range m.changed {
		objects = append(objects, object)
	}
	clear(m.changed)
	m.mu.Unlock()
	if len(objects) > 0 {
		m.options.OnChange(objects)
	}
}

// beginWrite makes all that is known of a cluster unbelievable.
func (m *mirror) beginWrite(clusterID string, class WriteClass) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if clusterID == "" {
		return
	}
	r := m.record(clusterID)
	r.writing++
	r.doomed = class == ClassTerminate
}

// endWrite notes when a write was over, and from when on looks are believed.
func (m *mirror) endWrite(clusterID string, now, believeAfter time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.records[clusterID]
	if r == nil {
		return
	}
	r.writing--
	r.unsettled = true
	r.wroteAt, r.askedAt = now, now
	r.believeAfter = later(r.believeAfter, believeAfter)
	m.wakeBy(later(now, r.believeAfter).Add(m.options.Settle))
}

// cancelWrite ends a write that sent nothing.
func (m *mirror) cancelWrite(clusterID string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.records[clusterID]; r != nil {
		r.writing--
		r.doomed, r.unsettled = false, true
	}
}

// credential is the one to use now: the newest that is not refused, else the one
// that may be tried soonest.
func (m *mirror) credential(now time.Time) *credential {
	m.mu.Lock()
	defer m.mu.Unlock()
	var best *credential
	var bestAt time.Time
	for _, c := range slices.Backward(m.credentials) {
		at := c.refused()
		if !at.After(now) && at.IsZero() {
			return c
		}
		if best == nil || at.Before(bestAt) {
			best, bestAt = c, at
		}
	}
	return best
}

// join lets an object use the mirror, with a credential.
func (m *mirror) join(object Object, c *credential) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.objects[object] = struct{}{}
	if !slices.Contains(m.credentials, c) {
		m.credentials = append(m.credentials, c)
		m.listRetries.succeeded()
		m.heldUntil = time.Time{}
		m.planBy(time.Now())
		m.signal()
		m.asides.afresh()
	}
}

// leave ends an object's use. It tells whether that was the last one.
func (m *mirror) leave(object Object) (last bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, used := m.objects[object]; !used {
		return false
	}
	delete(m.objects, object)
	m.unwatch(object)
	m.asides.leave(object)
	delete(m.searches, object)
	delete(m.changed, object)
	return len(m.objects) == 0
}

// dismiss lets go of a credential.
func (m *mirror) dismiss(c *credential) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.credentials = slices.DeleteFunc(m.credentials, func(other *credential) bool { return other == c })
}

// signal makes the loop look up.
func (m *mirror) signal() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// random is a random part of a span.
func (m *mirror) random(span time.Duration) time.Duration { return rand.N(span + 1) }

func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
