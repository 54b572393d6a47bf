package cache

import (
	"slices"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

// get is a cluster to be read by GET.
type get struct {
	id       string
	priority ratelimit.Priority
}

// due is when a cluster is to be read next.
type due struct {
	at       time.Time
	priority ratelimit.Priority
	// get: only a GET serves.
	get bool
	// after is the time after which a list must begin to serve.
	after time.Time
}

const (
	// maxGetsWithoutPages is the number of clusters that are read by GET while the
	// number of pages of a list is not known.
	maxGetsWithoutPages = 3
	// maxListFailures is the number of consecutive failed lists after which the clusters
	// that objects wait for are read by GET.
	maxListFailures = 3
	// longTransition is the age from which a transition is read less often: at
	// intervals of its age divided by transitionFraction.
	longTransition     = 10 * time.Minute
	transitionFraction = 75
)

// plan decides what to read now: a GET for each cluster that is due, or one list if
// that takes fewer calls. It also sets when to plan again.
func (c *cache) plan(now time.Time) {
	c.planAt = time.Time{}
	c.gets = c.gets[:0]
	c.markStale(now)
	listable := c.collect(now)
	if want, at := c.searchDue(now); want {
		c.requestList(ratelimit.PriorityFastList, now)
	} else {
		c.planBy(at)
	}
	if after := c.lists.completeListAfter; !after.IsZero() && !c.lists.startedAt.After(after) {
		c.requestList(ratelimit.PrioritySlowList, now)
	}
	c.choose(listable, now)
	slices.SortStableFunc(c.gets, func(a, b get) int { return int(a.priority - b.priority) })
}

// markStale marks all clusters stale at the end of the slow interval.
func (c *cache) markStale(now time.Time) {
	if c.lists.nextSlow.IsZero() {
		c.lists.nextSlow = c.slowAfter(now)
	}
	if now.Before(c.lists.nextSlow) {
		return
	}
	fresh := c.lists.nextSlow.Add(-c.options.Slow / 2)
	for _, e := range c.entries {
		e.stale = !e.readAt.After(fresh)
	}
	c.lists.nextSlow = c.slowAfter(now)
}

// collect adds the clusters that need a GET now to c.gets and returns those that a
// list may serve. It also plans the reads that are due later.
func (c *cache) collect(now time.Time) (listable []listableRead) {
	c.lists.absent = 0
	watched := false
	for _, e := range c.entries {
		watched = watched || len(e.watchers) > 0
		if e.absent == 1 && !e.unlisted && e.isNeeded() && !e.isGone() {
			c.lists.absent++
		}
	}
	for _, e := range c.entries {
		d, needed := c.due(e, now)
		switch {
		case !needed:
		case d.at.After(now):
			c.planBy(d.at)
		case d.get, now.Before(c.pausedUntil) && e.isAwaitedByDeletion():
			c.gets = append(c.gets, get{e.id, d.priority})
		default:
			listable = append(listable, listableRead{get{e.id, d.priority}, d.after})
		}
	}
	if watched {
		c.planBy(c.lists.nextSlow)
	}
	return listable
}

// listableRead is a cluster that is due and that a list which begins after a time may
// serve.
type listableRead struct {
	get
	after time.Time
}

// due returns when and how to read a cluster next, and whether that is known.
func (c *cache) due(e *entry, now time.Time) (due, bool) {
	_, inFlight := c.getting[e.id]
	if e.writing > 0 || inFlight || !e.isNeeded() {
		return due{}, false
	}
	next, needed := due{}, false
	consider := func(d due) {
		if d.get {
			d.at = later(d.at, e.backoff.at)
		}
		switch {
		case !needed:
			next, needed = d, true
		case !d.at.After(now) && !next.at.After(now):
			next.priority, next.get, next.after = min(next.priority, d.priority), next.get || d.get, later(next.after, d.after)
		case d.at.Before(next.at):
			next = d
		}
	}
	after, outstanding := e.outstanding(anySource)
	if outstanding || len(e.watchers) > 0 && (e.newest.Presence == Unknown || e.needsReread) {
		consider(c.requestedRead(e, later(after, e.validAfter), now))
	}
	if after, outstanding := e.outstanding(getOnly); outstanding {
		// A GET that began at that very time would not satisfy the request.
		begins := later(after, e.validAfter).Add(time.Nanosecond)
		consider(due{at: later(c.nextAttempt(e, e.requestedAt), begins), priority: ratelimit.PriorityConfirm, get: true})
	}
	if e.isGone() || len(e.watchers) == 0 {
		return next, needed
	}
	if e.health.err != nil {
		consider(due{at: e.backoff.at, priority: ratelimit.PriorityDeep, get: true})
	}
	if e.isUnconfirmed() {
		consider(c.confirmation(e))
	}
	if fast := c.fastInterval(e, now); fast > 0 {
		consider(due{at: e.readAt.Add(fast), priority: ratelimit.PriorityFastList, get: e.unlisted, after: e.newest.StartedAt})
	}
	if e.stale {
		consider(due{at: now, priority: ratelimit.PrioritySlowList, get: e.unlisted, after: e.newest.StartedAt})
	}
	consider(due{at: e.specDue, priority: ratelimit.PriorityDeep, get: true})
	return next, needed
}

// requestedRead returns the read that an object waits for, debounced so that one list
// may serve many requests.
func (c *cache) requestedRead(e *entry, after, now time.Time) due {
	debounced := later(e.requestedAt.Add(c.options.Settle), c.createdAt.Add(2*c.options.Settle))
	d := due{at: c.nextAttempt(e, debounced), priority: ratelimit.PriorityConfirm, get: e.unlisted || e.absent > 0, after: after}
	if !after.Before(d.at) {
		d.at = after.Add(c.options.Settle)
	}
	if d.get && !e.unlisted && c.looksIncomplete(e, now) {
		d.get = false
	}
	return d
}

// nextAttempt returns when a requested read is due: at first, or after the fast
// interval if the last read did not satisfy the request.
func (c *cache) nextAttempt(e *entry, first time.Time) time.Time {
	if e.readAt.After(e.requestedAt) {
		return e.readAt.Add(c.options.Fast)
	}
	return first
}

// confirmation returns the GET that decides whether a cluster that is absent from a
// list exists. It is due when the cluster must be visible in lists.
func (c *cache) confirmation(e *entry) due {
	d := due{at: later(e.readAt, e.visibleBy(c.options.Grace)), priority: ratelimit.PriorityConfirm, get: true}
	if c.looksIncomplete(e, e.readAt) {
		d.at, d.get, d.after = e.readAt.Add(c.options.Fast), false, e.readAt
	}
	return d
}

// looksIncomplete reports whether so many clusters were absent from the last list that
// the list is probably incomplete. A second list is then cheaper than a GET of each.
func (c *cache) looksIncomplete(e *entry, now time.Time) bool {
	return e.absent < 2 && c.lists.absent > max(maxGetsWithoutPages, c.lists.knownPages(now))
}

// fastInterval returns the read interval of a cluster that was just written or is in
// transition, which grows with the age of the transition; 0 for other clusters.
func (c *cache) fastInterval(e *entry, now time.Time) time.Duration {
	if !e.wroteAt.IsZero() && now.Sub(e.wroteAt) < 4*c.options.Fast {
		return c.options.Fast
	}
	if e.newest.Cluster == nil || !inTransition(e.newest.Cluster.State) {
		return 0
	}
	if age := now.Sub(e.newest.ChangedAt); age > longTransition {
		return min(max(age/transitionFraction, c.options.Fast), c.options.Slow)
	}
	return c.options.Fast
}

var transitions = []compute.State{compute.StatePending, compute.StateRestarting, compute.StateResizing, compute.StateTerminating}

func inTransition(state compute.State) bool {
	return slices.Contains(transitions, state)
}

// choose decides between a list and GETs for the clusters that a list may serve.
func (c *cache) choose(listable []listableRead, now time.Time) {
	if len(listable) == 0 {
		return
	}
	if slices.ContainsFunc(listable, func(r listableRead) bool { return c.entries[r.id].backoff.at.After(now) }) {
		c.requestList(ratelimit.PrioritySlowList, now) // a list may succeed where the GET fails
	}
	if c.lists.underway != nil {
		c.chooseDuringList(listable, now)
		return
	}
	pages := c.lists.knownPages(now)
	if pages == 0 && len(listable) <= maxGetsWithoutPages || len(listable) < pages {
		c.getAll(listable, priorities)
		return
	}
	if permitted := later(c.lists.next, c.lists.backoff.at); permitted.After(now) {
		c.planBy(permitted)
		switch {
		case c.lists.backoff.failures >= maxListFailures:
			c.getAll(listable, ratelimit.PrioritySlowList)
		case len(listable) <= maxGetsWithoutPages:
			c.getAll(listable, priorities)
		}
		return
	}
	priority := ratelimit.PrioritySlowList
	for _, r := range listable {
		if r.priority < ratelimit.PrioritySlowList {
			priority = ratelimit.PriorityFastList
		}
	}
	c.beginList(priority, now)
}

// chooseDuringList is choose while a list is in progress. Clusters that the list will
// return wait for it, unless the list is long and they are few.
func (c *cache) chooseDuringList(listable []listableRead, now time.Time) {
	pages := c.lists.knownPages(now)
	remaining := pages - c.lists.underway.pages
	var covered, uncovered []listableRead
	for _, r := range listable {
		if c.lists.underway.startedAt.After(r.after) {
			covered = append(covered, r)
		} else {
			uncovered = append(uncovered, r)
		}
	}
	if remaining >= 5 && len(covered) <= remaining/2 {
		c.getAll(covered, ratelimit.PrioritySlowList)
	}
	if len(uncovered) <= max(maxGetsWithoutPages, pages) {
		c.getAll(uncovered, ratelimit.PrioritySlowList)
	}
}

// getAll reads the clusters whose priority is above the bound by GET.
func (c *cache) getAll(listable []listableRead, bound ratelimit.Priority) {
	for _, r := range listable {
		switch retryAt := c.entries[r.id].backoff.at; {
		case r.priority >= bound:
		case retryAt.After(time.Now()):
			c.planBy(retryAt)
		default:
			c.gets = append(c.gets, r.get)
		}
	}
}

// requestList begins a list if none is in progress and one may begin now.
func (c *cache) requestList(priority ratelimit.Priority, now time.Time) {
	if c.lists.underway != nil {
		return
	}
	if permitted := later(c.lists.next, c.lists.backoff.at); permitted.After(now) {
		c.planBy(permitted)
		return
	}
	c.beginList(priority, now)
}

// isSearching reports whether a search waits for a list that began at startedAt.
func (c *cache) isSearching(startedAt time.Time) bool {
	for _, s := range c.searches {
		if !s.isDone() && !s.isAmbiguous() && startedAt.After(later(s.After, s.listedAt)) {
			return true
		}
	}
	return false
}

// searchDue reports whether a search needs a list now, other than the one in progress,
// or returns when it will.
func (c *cache) searchDue(now time.Time) (want bool, at time.Time) {
	for _, s := range c.searches {
		if s.isDone() || c.lists.underway != nil && c.lists.underway.startedAt.After(later(s.After, s.listedAt)) {
			continue
		}
		dueAt := later(s.startedAt, s.After).Add(c.options.Settle)
		if s.lists > 0 {
			dueAt = s.listedAt.Add(c.options.Fast)
		}
		if s.isAmbiguous() {
			dueAt = s.listedAt.Add(c.options.Slow)
		}
		if !dueAt.After(now) {
			return true, time.Time{}
		}
		if at.IsZero() || dueAt.Before(at) {
			at = dueAt
		}
	}
	return false, at
}

// planBy sets when to plan again to at, unless that is earlier already. It reports
// whether it changed.
func (c *cache) planBy(at time.Time) (sooner bool) {
	if at.IsZero() || !c.planAt.IsZero() && !at.Before(c.planAt) {
		return false
	}
	c.planAt = at
	return true
}

// wakeBy is planBy for callers outside of the scheduler, which it wakes.
func (c *cache) wakeBy(at time.Time) {
	if c.planBy(at) {
		c.signal()
	}
}
