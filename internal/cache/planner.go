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
	// get: a list would not do.
	get bool
	// after is when a list must have begun to do as well.
	after time.Time
}

const (
	// fewGets is how many clusters are read one by one while it is not known how many
	// pages a list takes.
	fewGets = 3
	// listGivenUp is after how many failed lists in a row the clusters that objects
	// wait for are read one by one.
	listGivenUp = 3
	// longTransition is how old a transition is before it is read less often: at
	// every transitionPart-th part of its age.
	longTransition = 10 * time.Minute
	transitionPart = 75
)

// plan decides what is to be read now: the cheaper of a GET for each cluster that is
// due and one list. It also sets when to plan again.
func (c *cache) plan(now time.Time) {
	c.planAt = time.Time{}
	c.gets = c.gets[:0]
	c.markStale(now)
	light := c.collect(now)
	if want, at := c.searchDue(now); want {
		c.wantList(ratelimit.PriorityFastList, now)
	} else {
		c.planBy(at)
	}
	if c.lists.surveyAfter.After(c.lists.startedAt) {
		c.wantList(ratelimit.PrioritySlowList, now)
	}
	c.choose(light, now)
	slices.SortStableFunc(c.gets, func(a, b get) int { return int(a.priority - b.priority) })
}

// markStale marks everything stale once the slow cadence has come round.
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

// collect sorts out what is due: GETs go to c.gets, the rest is returned. What is
// not due yet sets when to plan again.
func (c *cache) collect(now time.Time) (light []lightRead) {
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
			light = append(light, lightRead{get{e.id, d.priority}, d.after})
		}
	}
	if watched {
		c.planBy(c.lists.nextSlow)
	}
	return light
}

// lightRead is a cluster that a list which began after a time would return.
type lightRead struct {
	get
	after time.Time
}

// due is when and how a cluster is to be read next; false: not until something
// happens.
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
		consider(c.requested(e, later(after, e.validAfter), now))
	}
	if after, outstanding := e.outstanding(getOnly); outstanding {
		// A GET that began at that very time would not satisfy the request.
		begins := later(after, e.validAfter).Add(time.Nanosecond)
		consider(due{at: later(c.retriedAt(e, e.requestedAt), begins), priority: ratelimit.PriorityConfirm, get: true})
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
	if fast := c.pace(e, now); fast > 0 {
		consider(due{at: e.readAt.Add(fast), priority: ratelimit.PriorityFastList, get: e.unlisted, after: e.newest.StartedAt})
	}
	if e.stale {
		consider(due{at: now, priority: ratelimit.PrioritySlowList, get: e.unlisted, after: e.newest.StartedAt})
	}
	consider(due{at: e.specDue, priority: ratelimit.PriorityDeep, get: true})
	return next, needed
}

// requested is the read that an object waits for, debounced: one list may serve
// many requests. A GET serves one.
func (c *cache) requested(e *entry, after, now time.Time) due {
	debounced := later(e.requestedAt.Add(c.options.Settle), c.createdAt.Add(2*c.options.Settle))
	d := due{at: c.retriedAt(e, debounced), priority: ratelimit.PriorityConfirm, get: e.unlisted || e.absent > 0, after: after}
	if !after.Before(d.at) {
		d.at = after.Add(c.options.Settle)
	}
	if d.get && !e.unlisted && c.looksIncomplete(e, now) {
		d.get = false
	}
	return d
}

// retriedAt is when a requested read is due: at first, or at the fast cadence where
// the last one did not return what was requested.
func (c *cache) retriedAt(e *entry, first time.Time) time.Time {
	if e.readAt.After(e.requestedAt) {
		return e.readAt.Add(c.options.Fast)
	}
	return first
}

// confirmation is the GET that decides about a cluster which a list did not have:
// not while it may be too new to be listed.
func (c *cache) confirmation(e *entry) due {
	d := due{at: later(e.readAt, e.visibleBy(c.options.Grace)), priority: ratelimit.PriorityConfirm, get: true}
	if c.looksIncomplete(e, e.readAt) {
		d.at, d.get, d.after = e.readAt.Add(c.options.Fast), false, e.readAt
	}
	return d
}

// looksIncomplete reports whether so many clusters were absent from the last list
// that the list is more likely to be wrong than each of them is to be gone. A second
// list is cheaper than a GET of each.
func (c *cache) looksIncomplete(e *entry, now time.Time) bool {
	return e.absent < 2 && c.lists.absent > max(fewGets, c.lists.knownPages(now))
}

// pace is how often a cluster is read beyond the slow cadence; 0: no more often. A
// long transition is read ever less often.
func (c *cache) pace(e *entry, now time.Time) time.Duration {
	if !e.wroteAt.IsZero() && now.Sub(e.wroteAt) < 4*c.options.Fast {
		return c.options.Fast
	}
	if e.newest.Cluster == nil || !inTransition(e.newest.Cluster.State) {
		return 0
	}
	if age := now.Sub(e.newest.ChangedAt); age > longTransition {
		return min(max(age/transitionPart, c.options.Fast), c.options.Slow)
	}
	return c.options.Fast
}

var transitions = []compute.State{compute.StatePending, compute.StateRestarting, compute.StateResizing, compute.StateTerminating}

func inTransition(state compute.State) bool {
	return slices.Contains(transitions, state)
}

// choose finds the cheaper way to read what a list would return.
func (c *cache) choose(light []lightRead, now time.Time) {
	if len(light) == 0 {
		return
	}
	if slices.ContainsFunc(light, func(r lightRead) bool { return c.entries[r.id].backoff.at.After(now) }) {
		c.wantList(ratelimit.PrioritySlowList, now) // a list may return what its GET does not
	}
	if c.lists.underway != nil {
		c.besideList(light, now)
		return
	}
	pages := c.lists.knownPages(now)
	if pages == 0 && len(light) <= fewGets || len(light) < pages {
		c.getAll(light, priorities)
		return
	}
	if permitted := later(c.lists.next, c.lists.backoff.at); permitted.After(now) {
		c.planBy(permitted)
		switch {
		case c.lists.backoff.failures >= listGivenUp:
			c.getAll(light, ratelimit.PrioritySlowList)
		case len(light) <= fewGets:
			c.getAll(light, priorities)
		}
		return
	}
	priority := ratelimit.PrioritySlowList
	for _, r := range light {
		if r.priority < ratelimit.PrioritySlowList {
			priority = ratelimit.PriorityFastList
		}
	}
	c.beginList(priority, now)
}

// besideList chooses while a list is under way: what it will return can wait for
// it, unless it is long and they are few.
func (c *cache) besideList(light []lightRead, now time.Time) {
	pages := c.lists.knownPages(now)
	remaining := pages - c.lists.underway.pages
	var covered, uncovered []lightRead
	for _, r := range light {
		if c.lists.underway.startedAt.After(r.after) {
			covered = append(covered, r)
		} else {
			uncovered = append(uncovered, r)
		}
	}
	if remaining >= 5 && len(covered) <= remaining/2 {
		c.getAll(covered, ratelimit.PrioritySlowList)
	}
	if len(uncovered) <= max(fewGets, pages) {
		c.getAll(uncovered, ratelimit.PrioritySlowList)
	}
}

// getAll reads one by one what is due in a priority above the bound.
func (c *cache) getAll(light []lightRead, bound ratelimit.Priority) {
	for _, r := range light {
		switch retryAt := c.entries[r.id].backoff.at; {
		case r.priority >= bound:
		case retryAt.After(time.Now()):
			c.planBy(retryAt)
		default:
			c.gets = append(c.gets, r.get)
		}
	}
}

// wantList begins a list if one may begin now.
func (c *cache) wantList(priority ratelimit.Priority, now time.Time) {
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
		if !s.isDone() && startedAt.After(later(s.After, s.listedAt)) {
			return true
		}
	}
	return false
}

// searchDue reports whether a search needs another list than the one under way, or
// when one will.
func (c *cache) searchDue(now time.Time) (want bool, at time.Time) {
	for _, s := range c.searches {
		if s.isDone() || c.lists.underway != nil && c.lists.underway.startedAt.After(later(s.After, s.listedAt)) {
			continue
		}
		dueAt := later(s.startedAt, s.After).Add(c.options.Settle)
		if s.lists > 0 {
			dueAt = s.listedAt.Add(c.options.Fast)
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

// planBy makes the scheduler, from within, plan again no later than at. It reports
// whether that is sooner than before.
func (c *cache) planBy(at time.Time) (sooner bool) {
	if at.IsZero() || !c.planAt.IsZero() && !at.Before(c.planAt) {
		return false
	}
	c.planAt = at
	return true
}

// wakeBy makes the scheduler, from without, plan again no later than at.
func (c *cache) wakeBy(at time.Time) {
	if c.planBy(at) {
		c.signal()
	}
}
