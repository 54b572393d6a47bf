package cache

import (
	"slices"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
)

// target is a cluster to be looked at by GET.
type target struct {
	id    string
	class Class
}

// due is when a cluster is to be looked at next.
type due struct {
	at    time.Time
	class Class
	// get: a list would not do.
	get bool
	// after is when a list must have begun to do as well.
	after time.Time
}

const (
	// fewGets is how many clusters are asked for one by one while nobody knows
	// how many pages a list takes.
	fewGets = 3
	// listGivenUp is after how many failed lists in a row the clusters that
	// somebody waits for are asked for one by one.
	listGivenUp = 3
	// patientAge is how old a transition is before it is looked at less often.
	patientAge = 10 * time.Minute
	// patience is the part of its age that a transition then waits.
	patience = 75
)

// plan decides what is to be read now: the cheaper of a GET for each cluster
// that is due and one list. It also sets when to plan again.
func (m *mirror) plan(now time.Time) {
	m.planAt = time.Time{}
	m.gets = m.gets[:0]
	m.slowRound(now)
	light := m.collect(now)
	if want, at := m.searchDue(now); want {
		m.wantList(classFastList, now)
	} else {
		m.planBy(at)
	}
	if m.survey.After(m.snapshot.startedAt) {
		m.wantList(classSlowList, now)
	}
	m.choose(light, now)
	slices.SortStableFunc(m.gets, func(a, b target) int { return int(a.class - b.class) })
}

// slowRound marks everything stale once the slow cadence has come round.
func (m *mirror) slowRound(now time.Time) {
	if m.nextSlow.IsZero() {
		m.nextSlow = m.slowAfter(now)
	}
	if now.Before(m.nextSlow) {
		return
	}
	fresh := m.nextSlow.Add(-m.options.Slow / 2)
	for _, r := range m.records {
		r.stale = !r.lookedAt.After(fresh)
	}
	m.nextSlow = m.slowAfter(now)
}

// collect sorts out what is due: GETs go to m.gets, the rest is returned. What
// is not due yet sets when to plan again.
func (m *mirror) collect(now time.Time) (light []lightTarget) {
	m.absentees = 0
	watched := false
	for _, r := range m.records {
		watched = watched || len(r.watchers) > 0
		if r.absent == 1 && !r.unlisted && r.wanted() && !r.gone() {
			m.absentees++
		}
	}
	for _, r := range m.records {
		d, needed := m.due(r, now)
		switch {
		case !needed:
		case d.at.After(now):
			m.planBy(d.at)
		case d.get:
			m.gets = append(m.gets, target{r.id, d.class})
		default:
			light = append(light, lightTarget{target{r.id, d.class}, d.after})
		}
	}
	if watched {
		m.planBy(m.nextSlow)
	}
	return light
}

// lightTarget is a cluster that a list which began after a time would show.
type lightTarget struct {
	target
	after time.Time
}

// due is when and how a cluster is to be looked at next; false: not until
// something happens.
func (m *mirror) due(r *record, now time.Time) (due, bool) {
	if r.writing > 0 || !r.wanted() {
		return due{}, false
	}
	next, needed := due{}, false
	consider := func(d due) {
		d.at = later(d.at, r.retries.at)
		switch {
		case !needed:
			next, needed = d, true
		case !d.at.After(now) && !next.at.After(now):
			next.class, next.get, next.after = min(next.class, d.class), next.get || d.get, later(next.after, d.after)
		case d.at.Before(next.at):
			next = d
		}
	}
	after, light, deep := r.unmet()
	if light || len(r.watchers) > 0 && (r.newest.Presence == Unknown || r.unsettled) {
		consider(m.asked(r, later(after, r.believeAfter), now))
	}
	if deep {
		consider(due{at: later(m.retriedAt(r, r.askedAt), r.believeAfter), class: classConfirm, get: true})
	}
	if r.gone() || len(r.watchers) == 0 {
		return next, needed
	}
	if r.unconfirmed() {
		consider(m.confirmation(r))
	}
	if fast := m.pace(r, now); fast > 0 {
		consider(due{at: r.lookedAt.Add(fast), class: classFastList, get: r.unlisted, after: r.newest.StartedAt})
	}
	if r.stale {
		consider(due{at: now, class: classSlowList, get: r.unlisted, after: r.newest.StartedAt})
	}
	consider(due{at: r.deepDue, class: classDeep, get: true})
	return next, needed
}

// asked is the look that somebody waits for, with a little company: a list may
// serve many. A GET would have none to wait for.
func (m *mirror) asked(r *record, after, now time.Time) due {
	company := later(r.askedAt.Add(m.options.Settle), m.bornAt.Add(2*m.options.Settle))
	d := due{at: m.retriedAt(r, company), class: classConfirm, get: r.unlisted || r.absent > 0, after: after}
	if !after.Before(d.at) {
		d.at = after.Add(m.options.Settle)
	}
	if d.get && !r.unlisted && m.doubtful(r, now) {
		d.get = false
	}
	return d
}

// retriedAt is when a look that was asked for is due: at first, or at the fast
// cadence where the last one did not bring what was asked for.
func (m *mirror) retriedAt(r *record, first time.Time) time.Time {
	if r.lookedAt.After(r.askedAt) {
		return r.lookedAt.Add(m.options.Fast)
	}
	return first
}

// confirmation is the GET that decides about a cluster which a list did not
// have: not while it may be too new to be listed.
func (m *mirror) confirmation(r *record) due {
	d := due{at: later(r.lookedAt, r.visibleBy(m.options.Grace)), class: classConfirm, get: true}
	if m.doubtful(r, r.lookedAt) {
		d.at, d.get, d.after = r.lookedAt.Add(m.options.Fast), false, r.lookedAt
	}
	return d
}

// doubtful tells whether so many clusters were absent from the last list that
// the list is more likely to be wrong than each of them is to be gone. A second
// list is cheaper than asking for all.
func (m *mirror) doubtful(r *record, now time.Time) bool {
	return r.absent < 2 && m.absentees > max(fewGets, m.knownPages(now))
}

// pace is how often a cluster is looked at beyond the slow cadence; 0: no more
// often. A long transition is looked at ever less often.
func (m *mirror) pace(r *record, now time.Time) time.Duration {
	if !r.wroteAt.IsZero() && now.Sub(r.wroteAt) < 4*m.options.Fast {
		return m.options.Fast
	}
	if r.newest.Cluster == nil || !inTransition(r.newest.Cluster.State) {
		return 0
	}
	if age := now.Sub(r.newest.ChangedAt); age > patientAge {
		return min(max(age/patience, m.options.Fast), m.options.Slow)
	}
	return m.options.Fast
}

var transitions = []compute.State{compute.StatePending, compute.StateRestarting, compute.StateResizing, compute.StateTerminating}

func inTransition(state compute.State) bool {
	return slices.Contains(transitions, state)
}

// choose finds the cheaper way to look at what a list would show.
func (m *mirror) choose(light []lightTarget, now time.Time) {
	if len(light) == 0 {
		return
	}
	if m.listing != nil {
		m.besideList(light, now)
		return
	}
	pages := m.knownPages(now)
	if pages == 0 && len(light) <= fewGets || len(light) < pages {
		m.getAll(light, classes)
		return
	}
	if permitted := later(m.nextList, m.listRetries.at); permitted.After(now) {
		m.planBy(permitted)
		switch {
		case m.listRetries.failures >= listGivenUp:
			m.getAll(light, classSlowList)
		case len(light) <= fewGets:
			m.getAll(light, classes)
		}
		return
	}
	class := classSlowList
	for _, t := range light {
		if t.class < classSlowList {
			class = classFastList
		}
	}
	m.beginList(class, now)
}

// besideList chooses while a list is under way: what it will show can wait for
// it, unless it is long and they are few.
func (m *mirror) besideList(light []lightTarget, now time.Time) {
	pages := m.knownPages(now)
	remaining := pages - m.listing.pages
	var covered, uncovered []lightTarget
	for _, t := range light {
		if m.listing.startedAt.After(t.after) {
			covered = append(covered, t)
		} else {
			uncovered = append(uncovered, t)
		}
	}
	if remaining >= 5 && len(covered) <= remaining/2 {
		m.getAll(covered, classSlowList)
	}
	if len(uncovered) <= max(fewGets, pages) {
		m.getAll(uncovered, classSlowList)
	}
}

// getAll asks one by one for what is due in a class below the bound.
func (m *mirror) getAll(light []lightTarget, below Class) {
	for _, t := range light {
		if t.class < below {
			m.gets = append(m.gets, t.target)
		}
	}
}

// wantList begins a list if one may begin now.
func (m *mirror) wantList(class Class, now time.Time) {
	if m.listing != nil {
		return
	}
	if permitted := later(m.nextList, m.listRetries.at); permitted.After(now) {
		m.planBy(permitted)
		return
	}
	m.beginList(class, now)
}

// searching tells whether a search waits for a list that began at startedAt.
func (m *mirror) searching(startedAt time.Time) bool {
	for _, s := range m.searches {
		if !s.done() && startedAt.After(later(s.after, s.listedAt)) {
			return true
		}
	}
	return false
}

// searchDue tells whether a search needs another list than the one under way,
// or when one will.
func (m *mirror) searchDue(now time.Time) (want bool, at time.Time) {
	for _, s := range m.searches {
		if s.done() || m.listing != nil && m.listing.startedAt.After(later(s.after, s.listedAt)) {
			continue
		}
		dueAt := later(s.askedAt, s.after).Add(m.options.Settle)
		if s.lists > 0 {
			dueAt = s.listedAt.Add(m.options.Fast)
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

// planBy makes the loop, from within, plan again no later than at.
func (m *mirror) planBy(at time.Time) (sooner bool) {
	if at.IsZero() || !m.planAt.IsZero() && !at.Before(m.planAt) {
		return false
	}
	m.planAt = at
	return true
}

// wakeBy makes the loop, from without, plan again no later than at.
func (m *mirror) wakeBy(at time.Time) {
	if m.planBy(at) {
		m.signal()
	}
}

// firstDeep puts the first GET of a cluster off, somewhere within the time over
// which all are read: a restart brings all of them at once, and has enough to
// do at first.
func (m *mirror) firstDeep(now time.Time) time.Time {
	return now.Add(3*m.options.Slow + m.random(m.options.Deep))
}
