package cache

import (
	"math/rand/v2"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// snapshot is a list that arrived in full.
type snapshot struct {
	startedAt, completedAt time.Time
	clusters               map[string]*compute.ClusterDetails
}

// listing is a list under way. It becomes a snapshot with its last page, or is
// dropped: half a list says nothing.
type listing struct {
	class     Class
	startedAt time.Time
	pageSize  int
	pages     int
	token     string
	tokens    map[string]struct{}
	clusters  map[string]*compute.ClusterDetails
	retries   retries
	// notBefore spaces the pages of a list that is in no hurry.
	notBefore time.Time
}

const (
	// maxPages bounds a list that never ends.
	maxPages = 5000
	// pageTries is how often a page may fail before its list is dropped, and
	// pageThrottles how often it may be throttled.
	pageTries, pageThrottles = 3, 20
	// longestList drops a list that has become old news.
	longestList = 10 * time.Minute
	// calmPages is the pace of a slow list: it ends within half a minute for ten
	// thousand clusters.
	calmPages = 250 * time.Millisecond
	// pagesKnown is how long the size of a workspace is taken as known.
	pagesKnown = 24 * time.Hour
)

func (l *listing) query() databricks.ListQuery {
	return databricks.ListQuery{
		PageSize: l.pageSize, PageToken: l.token, SortByName: true,
		Sources: []compute.ClusterSource{compute.ClusterSourceApi, compute.ClusterSourceUi},
	}
}

// add takes a page. It tells whether that was the last one, and fails where the
// pages do not end.
func (l *listing) add(page databricks.ListPage) (complete bool, err error) {
	for i := range page.Clusters {
		if cluster := &page.Clusters[i]; cluster.ClusterId != "" {
			l.clusters[cluster.ClusterId] = trimmed(cluster)
		}
	}
	l.pages++
	l.retries.succeeded()
	if page.NextPageToken == "" {
		return true, nil
	}
	if _, repeated := l.tokens[page.NextPageToken]; repeated || l.pages >= maxPages {
		return false, &databricks.Error{Class: databricks.ClassHost, Message: "the pages of the list of clusters do not end"}
	}
	l.tokens[page.NextPageToken] = struct{}{}
	l.token = page.NextPageToken
	return false, nil
}

// listed is a cluster as the newest complete list had it.
func (m *mirror) listed(clusterID string) Observation {
	cluster := m.snapshot.clusters[clusterID]
	if cluster == nil {
		return Observation{}
	}
	return Observation{
		Presence: Present, Cluster: cluster,
		StartedAt: m.snapshot.startedAt, CompletedAt: m.snapshot.completedAt, ChangedAt: m.snapshot.startedAt,
	}
}

func (m *mirror) beginList(class Class, now time.Time) {
	m.listing = &listing{
		class: class, startedAt: now, pageSize: m.pageSize,
		tokens: map[string]struct{}{}, clusters: map[string]*compute.ClusterDetails{},
	}
}

// pageArrived takes a page of the list under way.
func (m *mirror) pageArrived(page databricks.ListPage, now time.Time) error {
	l := m.listing
	complete, err := l.add(page)
	switch {
	case err != nil:
		m.dropList(err, now)
	case complete:
		m.swap(l, now)
	case m.dearer(l, now):
		m.pages, m.pagesAt, m.listing, m.planAt = l.pages+1, now, nil, now
	case l.class == classSlowList:
		l.notBefore = now.Add(min(calmPages, m.options.Slow/10/time.Duration(l.pages+1)))
	}
	return err
}

// dearer tells whether a list of unknown length has become dearer than asking
// for the clusters that it has not shown.
func (m *mirror) dearer(l *listing, now time.Time) bool {
	if m.knownPages(now) > 0 || l.pages < 8 || m.searching(l.startedAt) {
		return false
	}
	unseen := 0
	for id, r := range m.records {
		if _, seen := l.clusters[id]; !seen && r.wanted() {
			unseen++
		}
	}
	return l.pages > 8+2*unseen
}

// pageFailed decides what becomes of a list whose page failed.
func (m *mirror) pageFailed(err error, now time.Time) {
	l := m.listing
	class := databricks.ClassOf(err)
	switch {
	case class == databricks.ClassTooLarge && l.pageSize > 1:
		m.pageSize = l.pageSize / 2
		m.beginList(l.class, now)
		return
	case class == databricks.ClassTooLarge:
		m.listRetries.failures = max(m.listRetries.failures, listGivenUp)
	case now.Sub(l.startedAt) > longestList:
	case class == databricks.ClassThrottled && l.retries.failures < pageThrottles,
		class != databricks.ClassThrottled && passing(err) && l.retries.failures < pageTries:
		l.retries.failed(err, now)
		l.notBefore = l.retries.at
		return
	}
	m.dropList(err, now)
}

func (m *mirror) dropList(err error, now time.Time) {
	m.listing = nil
	m.listRetries.failed(err, now)
	m.planAt = now
}

// swap makes a complete list the snapshot.
func (m *mirror) swap(l *listing, now time.Time) {
	m.snapshot = snapshot{l.startedAt, now, l.clusters}
	m.pages, m.pagesAt, m.listing, m.planAt = l.pages, now, nil, now
	m.listRetries.succeeded()
	m.nextList = l.startedAt.Add(max(m.options.Fast, 2*now.Sub(l.startedAt)))
	m.nextSlow = m.slowAfter(l.startedAt)
	for id, r := range m.records {
		r.lookedAt = later(r.lookedAt, l.startedAt)
		if _, there := l.clusters[id]; there {
			r.listed()
			m.accept(r, m.listed(id))
			if r.newest.StartedAt.Equal(l.startedAt) {
				l.clusters[id] = r.newest.Cluster // one copy, where nothing changed
			}
		} else if l.startedAt.After(r.newest.StartedAt) {
			r.missed(l.startedAt)
		}
		m.prune(r)
	}
	for _, object := range m.advance(m.searches) {
		m.changed[object] = struct{}{}
	}
}

// slowAfter is when everything is to be looked at after a look that began at
// from: spread, so that workspaces do not move in step. A new mirror waits longest,
// since whatever started it started others as well.
func (m *mirror) slowAfter(from time.Time) time.Time {
	slow := m.options.Slow
	if from.Before(m.bornAt.Add(2 * slow)) {
		return from.Add(slow + slow/9)
	}
	return from.Add(slow - rand.N(slow/10+1))
}

// knownPages is how many pages a list takes; 0 where that is not known.
func (m *mirror) knownPages(now time.Time) int {
	if now.Sub(m.pagesAt) > pagesKnown {
		return 0
	}
	return m.pages
}
