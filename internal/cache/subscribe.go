package cache

import (
	"slices"
	"time"

	"github.com/databricks-operator/databricks-operator/internal/owner"
)

// source is the kind of read that satisfies a request.
type source int

const (
	// anySource: a list or a GET.
	anySource source = iota
	// getOnly: a GET.
	getOnly
)

// requestKey identifies a request. An object has at most one for each source.
type requestKey struct {
	object Object
	source source
}

// readRequest is a read that an object waits for.
type readRequest struct {
	requestKey
	after   time.Time
	purpose Purpose
	// notified: the object was notified that the request is satisfied, and it still is. The
	// request is kept so that the same Interest in the next reconcile is no new request.
	notified bool
}

// search is the state of an object's search.
type search struct {
	Query
	startedAt time.Time
	// lists counts the complete lists that began after Query.After, anew from a list that
	// lacks what the one before had; the newest of them began at listedAt.
	lists    int
	listedAt time.Time
	matches  []Observation
}

// isDone reports whether no further list is needed. A match does not end a search,
// because a tag can be forged.
func (s *search) isDone() bool { return s.lists >= 2 && len(s.matches) < 2 }

// isAmbiguous reports whether the search is over and found several clusters. The result
// is renewed by later lists, because a user may delete all but one.
func (s *search) isAmbiguous() bool { return s.lists >= 2 && len(s.matches) >= 2 }

func (s *search) result() SearchResult {
	return SearchResult{CompleteLists: s.lists, Matches: s.matches}
}

// subscribe replaces the object's Interest and returns its View.
func (c *cache) subscribe(object Object, interest Interest) View {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watch(object, interest.ClusterID)
	c.request(interest.ClusterID, readRequest{requestKey: requestKey{object, anySource}, after: interest.After, purpose: interest.Purpose})
	c.request(interest.ClusterID, readRequest{requestKey: requestKey{object, getOnly}, after: interest.SpecAfter, purpose: interest.Purpose})
	view := View{Health: c.lists.health.state()}
	if e := c.entries[interest.ClusterID]; e != nil {
		view.Cluster, view.Spec, view.Health = e.observation(), e.specification(), c.healthOf(e)
	}
	view.Search = c.search(object, interest.Search)
	c.lookUp(object, interest, &view)
	return view
}

// healthOf returns the health of the reads of a cluster: that of the lists if only
// they fail and the newest observation is older than their first failure, else that of
// its GETs.
func (c *cache) healthOf(e *entry) Health {
	own, lists := e.health.state(), c.lists.health.state()
	if own.Err == nil && lists.Err != nil && !e.newest.StartedAt.After(lists.Since) {
		return lists
	}
	own.LastSuccess, own.OfCluster = later(own.LastSuccess, lists.LastSuccess), own.Err != nil
	return own
}

// watch sets the cluster that the object watches.
func (c *cache) watch(object Object, clusterID string) {
	if c.watched[object] == clusterID {
		return
	}
	c.unwatch(object)
	if clusterID == "" {
		return
	}
	e := c.entry(clusterID)
	e.watchers = append(e.watchers, object)
	c.watched[object] = clusterID
	c.wakeBy(e.requestedAt.Add(c.options.Settle))
}

// unwatch ends the object's watch and its requests.
func (c *cache) unwatch(object Object) {
	for _, from := range []source{anySource, getOnly} {
		c.cancel(requestKey{object, from})
	}
	if e := c.entries[c.watched[object]]; e != nil {
		e.watchers = slices.DeleteFunc(e.watchers, func(watcher Object) bool { return watcher == object })
		c.prune(e)
	}
	delete(c.watched, object)
}

// request replaces a request of an object, or cancels it if wanted.after is zero. The
// object is notified once, when a later read satisfies the request.
func (c *cache) request(clusterID string, wanted readRequest) {
	if clusterID == "" || wanted.after.IsZero() {
		c.cancel(wanted.requestKey)
		return
	}
	e := c.entry(clusterID)
	known := e.requested(wanted.requestKey)
	if known != nil && known.after.Equal(wanted.after) && known.purpose == wanted.purpose {
		return
	}
	// The caller returns a read that satisfies the request already.
	wanted.notified = e.satisfies(wanted.source, wanted.after)
	if known != nil {
		*known = wanted
	} else {
		e.requests = append(e.requests, wanted)
	}
	if wanted.notified {
		return
	}
	e.requestedAt = time.Now()
	if !isTransient(e.health.err) {
		e.backoff = backoff{} // the object may have corrected the cause
	}
	if wanted.source == getOnly {
		c.wakeBy(e.requestedAt)
		return
	}
	c.wakeBy(e.requestedAt.Add(c.options.Settle))
}

func (c *cache) cancel(key requestKey) {
	if e := c.entries[c.watched[key.object]]; e != nil {
		e.requests = slices.DeleteFunc(e.requests, func(r readRequest) bool { return r.requestKey == key })
	}
}

// requested returns the request of a key; nil if there is none. It is valid until the
// requests change.
func (e *entry) requested(key requestKey) *readRequest {
	for i := range e.requests {
		if e.requests[i].requestKey == key {
			return &e.requests[i]
		}
	}
	return nil
}

// entry returns the entry of a cluster. It creates a missing entry from the newest
// complete list.
func (c *cache) entry(clusterID string) *entry {
	if e := c.entries[clusterID]; e != nil {
		return e
	}
	now := time.Now()
	e := &entry{
		id: clusterID, createdAt: now, requestedAt: now, specDue: c.firstSpecRead(now),
	}
	if seen := c.lists.observation(clusterID); seen.Presence == Present {
		e.accept(seen)
		e.readAt = seen.StartedAt
	}
	c.entries[clusterID] = e
	return e
}

// prune removes an entry that no object needs, unless a write of the cluster may still
// take effect or the newest complete list began before the last write.
func (c *cache) prune(e *entry) {
	_, listed := c.lists.clusters[e.id]
	outdated := listed && !e.wroteAt.IsZero() && !c.lists.startedAt.After(e.validAfter)
	if !e.isNeeded() && e.writing == 0 && !outdated && !time.Now().Before(e.validAfter) {
		delete(c.entries, e.id)
	}
}

// satisfy notifies the objects whose requests the entry now satisfies. A request that a
// write or a GET without a spec left unsatisfied is notified of the next read, too.
func (c *cache) satisfy(e *entry) {
	for i := range e.requests {
		r := &e.requests[i]
		satisfied := e.satisfies(r.source, r.after)
		if satisfied && !r.notified {
			c.changed[r.object] = struct{}{}
		}
		r.notified = satisfied
	}
}

// satisfies reports whether the entry has a read from a source that began after a time.
func (e *entry) satisfies(from source, after time.Time) bool {
	if !e.isValid() || !e.newest.StartedAt.After(after) && from == anySource {
		return false
	}
	return from == anySource || e.newest.Presence != Present && e.newest.StartedAt.After(after) || e.specification().StartedAt.After(after)
}

// outstanding returns the time after which a read must begin to satisfy all requests
// for a source, and whether there are unsatisfied ones.
func (e *entry) outstanding(from source) (after time.Time, exist bool) {
	for _, r := range e.requests {
		if r.source == from && !e.satisfies(from, r.after) {
			after, exist = later(after, r.after), true
		}
	}
	return after, exist
}

// isAwaitedByDeletion reports whether an object that is being deleted waits for a read.
func (e *entry) isAwaitedByDeletion() bool {
	for _, r := range e.requests {
		if r.purpose == ToDelete && !e.satisfies(r.source, r.after) {
			return true
		}
	}
	return false
}

// search replaces the object's search and returns its current result.
func (c *cache) search(object Object, query Query) SearchResult {
	if query == (Query{}) {
		delete(c.searches, object)
		return SearchResult{}
	}
	s := c.searches[object]
	if s == nil || s.Query != query {
		s = &search{Query: query, startedAt: time.Now()}
		c.searches[object] = s
		c.advance(map[Object]*search{object: s})
		if !s.isDone() {
			c.wakeBy(s.startedAt.Add(c.options.Settle))
		}
	}
	return s.result()
}

// advance adds the newest complete list to the results of the searches that it serves
// and returns their objects.
func (c *cache) advance(searches map[Object]*search) (advanced []Object) {
	open := map[string]*openSearches{} // by tag
	var matched []*search
	for object, s := range searches {
		if s.isDone() || !c.lists.startedAt.After(later(s.After, s.listedAt)) {
			continue
		}
		if len(s.matches) > 0 {
			matched = append(matched, s)
		}
		s.lists++
		s.listedAt, s.matches = c.lists.startedAt, nil
		advanced = append(advanced, object)
		if open[s.Tag] == nil {
			open[s.Tag] = &openSearches{byOwner: map[string][]*search{}, byName: map[string][]*search{}}
		}
		open[s.Tag].add(s)
	}
	for tag, searches := range open {
		for id, cluster := range c.lists.clusters {
			for _, s := range searches.matching(cluster.CustomTags[tag]) {
				s.matches = append(s.matches, c.lists.observation(id))
			}
		}
	}
	for _, s := range matched {
		if len(s.matches) == 0 {
			s.lists = 1 // one list may miss a cluster, so the next one decides
		}
	}
	return advanced
}

// openSearches are the searches for a tag, by the owners and the names that they are for.
type openSearches struct{ byOwner, byName map[string][]*search }

func (o *openSearches) add(s *search) {
	if s.Owner != "" {
		o.byOwner[s.Owner] = append(o.byOwner[s.Owner], s)
	}
	if s.Name != "" {
		o.byName[s.Name] = append(o.byName[s.Name], s)
	}
}

// matching returns the searches that a tag matches, each once.
func (o *openSearches) matching(tag string) []*search {
	if tag == "" {
		return nil
	}
	of := owner.Parse(tag)
	found := o.byOwner[of.ID()]
	for _, s := range o.byName[of.Name] {
		if s.Owner != of.ID() {
			found = append(slices.Clone(found), s)
		}
	}
	return found
}
