package cache

import (
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
)

// demandKey: an object asks for a look and for a GET independently.
type demandKey struct {
	object Object
	deep   bool
}

// demand is a look that an object waits for.
type demand struct {
	after time.Time
	// told: the object has heard that it is there. It is kept so that asking
	// again, in the pass that hears it, is no new demand.
	told bool
}

// query is what a search looks for.
type query struct {
	tag, value string
	after      time.Time
}

// search is the state of an object's search.
type search struct {
	query
	askedAt time.Time
	// lists counts those that count; the newest of them began at listedAt.
	lists    int
	listedAt time.Time
	matches  []Observation
}

// done tells whether no further list is needed. A match does not end a search:
// a tag can be forged, and whose cluster it is the asker judges.
func (s *search) done() bool { return s.lists >= 2 }

func (s *search) result() Search { return Search{CompleteLists: s.lists, Matches: s.matches} }

func (m *mirror) watch(object Object, clusterID string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	had := m.watched[object]
	if had == clusterID {
		return
	}
	m.unwatch(object)
	if clusterID == "" {
		return
	}
	r := m.record(clusterID)
	r.watchers[object] = struct{}{}
	m.watched[object] = clusterID
	m.wakeBy(r.askedAt.Add(m.options.Settle))
}

// unwatch drops all that the object wants of clusters.
func (m *mirror) unwatch(object Object) {
	if r := m.records[m.watched[object]]; r != nil {
		delete(r.watchers, object)
		m.prune(r)
	}
	delete(m.watched, object)
	for _, deep := range []bool{false, true} {
		m.undemand(demandKey{object, deep})
	}
}

func (m *mirror) undemand(key demandKey) {
	r := m.records[m.demanded[key]]
	delete(m.demanded, key)
	if r != nil {
		delete(r.demands, key)
		m.prune(r)
	}
}

// record is the record of a cluster, made if there is none. A complete list may
// have seen it already.
func (m *mirror) record(clusterID string) *record {
	if r := m.records[clusterID]; r != nil {
		return r
	}
	now := time.Now()
	r := &record{
		id: clusterID, since: now, askedAt: now, deepDue: m.firstDeep(now),
		watchers: map[Object]struct{}{}, demands: map[demandKey]*demand{},
	}
	if seen := m.listed(clusterID); seen.Presence == Present {
		r.accept(seen)
		r.lookedAt = seen.StartedAt
	}
	m.records[clusterID] = r
	return r
}

// prune forgets a record that nobody is interested in and no write needs.
func (m *mirror) prune(r *record) {
	if !r.wanted() && r.writing == 0 && !time.Now().Before(r.believeAfter) {
		delete(m.records, r.id)
	}
}

func (m *mirror) observe(clusterID string) Observation {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.records[clusterID]; r != nil {
		return r.observation()
	}
	return m.listed(clusterID)
}

func (m *mirror) spec(clusterID string) (*compute.ClusterSpec, time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.records[clusterID]; r != nil {
		return r.spec, r.specAt
	}
	return nil, time.Time{}
}

func (m *mirror) refresh(object Object, clusterID string, after time.Time, deep bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := demandKey{object, deep}
	if m.demanded[key] != clusterID {
		m.undemand(key)
	}
	r := m.record(clusterID)
	if d := r.demands[key]; d != nil && d.after.Equal(after) {
		return
	}
	r.demands[key] = &demand{after: after}
	m.demanded[key] = clusterID
	if m.meet(r); r.demands[key].told {
		m.signal() // the loop tells
		return
	}
	r.askedAt, r.retries = time.Now(), retries{}
	if deep {
		m.wakeBy(r.askedAt)
		return
	}
	m.wakeBy(r.askedAt.Add(m.options.Settle))
}

// meet tells the objects whose demands the record now meets.
func (m *mirror) meet(r *record) {
	for key, d := range r.demands {
		if !d.told && r.meets(key.deep, d.after) {
			d.told = true
			m.changed[key.object] = struct{}{}
		}
	}
}

// meets tells whether a look that began after a time is there. A GET that was
// refused is an answer too.
func (r *record) meets(deep bool, after time.Time) bool {
	if r.err != nil && r.lookedAt.After(after) {
		return true
	}
	if !r.believable() || !r.newest.StartedAt.After(after) {
		return false
	}
	return !deep || r.newest.Presence != Present || r.specAt.After(later(after, r.believeAfter))
}

// unmet is the time after which a look must begin to meet the light demands, and
// whether a GET is wanted.
func (r *record) unmet() (after time.Time, light, deep bool) {
	for key, d := range r.demands {
		if d.told {
			continue
		}
		if key.deep {
			deep = true
			continue
		}
		light, after = true, later(after, d.after)
	}
	return after, light, deep
}

func (m *mirror) search(object Object, q query) Search {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.searches[object]
	if s == nil || s.query != q {
		s = &search{query: q, askedAt: time.Now()}
		m.searches[object] = s
		m.advance(map[Object]*search{object: s})
		if !s.done() {
			m.wakeBy(s.askedAt.Add(m.options.Settle))
		}
	}
	return s.result()
}

func (m *mirror) endSearch(object Object) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.searches, object)
}

// advance counts the snapshot for the searches that it speaks to, and returns
// whose they are.
func (m *mirror) advance(searches map[Object]*search) (advanced []Object) {
	open := map[string]map[string][]*search{} // by tag, then by value
	for object, s := range searches {
		if s.done() || !m.snapshot.startedAt.After(later(s.after, s.listedAt)) {
			continue
		}
		s.lists++
		s.listedAt, s.matches = m.snapshot.startedAt, nil
		advanced = append(advanced, object)
		if open[s.tag] == nil {
			open[s.tag] = map[string][]*search{}
		}
		open[s.tag][s.value] = append(open[s.tag][s.value], s)
	}
	for tag, byValue := range open {
		for id, cluster := range m.snapshot.clusters {
			for _, s := range byValue[cluster.CustomTags[tag]] {
				s.matches = append(s.matches, m.listed(id))
			}
		}
	}
	return advanced
}
