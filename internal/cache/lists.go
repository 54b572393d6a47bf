package cache

import (
	"math/rand/v2"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

// lists is what the complete lists of a workspace returned, and the one under way.
type lists struct {
	// startedAt and completedAt are the newest complete list's, clusters what it
	// returned.
	startedAt, completedAt time.Time
	clusters               map[string]*compute.ClusterDetails
	// health is how the lists fare.
	health health
	// underway is the list whose pages are being fetched; nil: none.
	underway *listing
	pageSize int
	// pages is how many a list took at pagesAt.
	pages   int
	pagesAt time.Time
	// backoff spaces lists that fail, next those that succeed; nextSlow is when the
	// slow cadence comes round.
	backoff  backoff
	next     time.Time
	nextSlow time.Time
	// surveyAfter asks for a complete list that begins after it; zero: none.
	surveyAfter time.Time
	// absent counts the clusters that only the last list did not have.
	absent int
}

// listing is a list under way. It replaces the newest complete list with its last
// page, or is dropped: half a list says nothing.
type listing struct {
	priority  ratelimit.Priority
	startedAt time.Time
	// credential is whose all its pages are.
	credential *credential
	pageSize   int
	pages      int
	token      string
	tokens     map[string]struct{}
	clusters   map[string]*compute.ClusterDetails
	backoff    backoff
	// notBefore spaces the pages of a list that is in no hurry.
	notBefore time.Time
	// fetching: a page is in flight.
	fetching bool
}

const (
	// maxPages bounds a list that never ends.
	maxPages = 5000
	// pageTries is how often a page may fail before its list is dropped, and
	// pageThrottles how often it may be throttled.
	pageTries, pageThrottles = 3, 20
	// maxListAge drops a list that takes too long to say anything about the present.
	maxListAge = 10 * time.Minute
	// slowPageInterval is the pace of a slow list: it ends within half a minute for
	// ten thousand clusters.
	slowPageInterval = 250 * time.Millisecond
	// pagesKnownFor is how long the size of a workspace is taken as known.
	pagesKnownFor = 24 * time.Hour
)

func (l *listing) query() databricks.ListQuery {
	return databricks.ListQuery{
		PageSize: l.pageSize, PageToken: l.token, SortByName: true,
		Sources: []compute.ClusterSource{compute.ClusterSourceApi, compute.ClusterSourceUi},
	}
}

// add takes a page. It reports whether that was the last one, and fails where the
// pages do not end.
func (l *listing) add(page databricks.ListPage) (complete bool, err error) {
	for i := range page.Clusters {
		if cluster := &page.Clusters[i]; cluster.ClusterId != "" {
			l.clusters[cluster.ClusterId] = trimmed(cluster)
		}
	}
	l.pages++
	l.backoff.succeeded()
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

// observation is a cluster as the newest complete list returned it.
func (l *lists) observation(clusterID string) Observation {
	cluster := l.clusters[clusterID]
	if cluster == nil {
		return Observation{}
	}
	return Observation{
		Presence: Present, Cluster: cluster,
		StartedAt: l.startedAt, CompletedAt: l.completedAt, ChangedAt: l.startedAt,
	}
}

// knownPages is how many pages a list takes; 0 where that is not known.
func (l *lists) knownPages(now time.Time) int {
	if now.Sub(l.pagesAt) > pagesKnownFor {
		return 0
	}
	return l.pages
}

func (c *cache) beginList(priority ratelimit.Priority, now time.Time) {
	c.lists.underway = &listing{
		priority: priority, startedAt: now, credential: c.rotate(), pageSize: c.lists.pageSize,
		tokens: map[string]struct{}{}, clusters: map[string]*compute.ClusterDetails{},
	}
}

// pageArrived takes a page of the list under way.
func (c *cache) pageArrived(l *listing, page databricks.ListPage, now time.Time) error {
	complete, err := l.add(page)
	switch {
	case err != nil:
		c.dropList(err, now)
	case complete:
		c.complete(l, now)
	case c.listCostsMoreThanGets(l, now):
		c.lists.pages, c.lists.pagesAt, c.lists.underway, c.planAt = l.pages+1, now, nil, now
	case l.priority == ratelimit.PrioritySlowList:
		l.notBefore = now.Add(min(slowPageInterval, c.options.Slow/10/time.Duration(l.pages+1)))
	}
	return err
}

// listCostsMoreThanGets reports whether a list of unknown length has taken more
// pages than GETs of the clusters that it has not returned would.
func (c *cache) listCostsMoreThanGets(l *listing, now time.Time) bool {
	if c.lists.knownPages(now) > 0 || l.pages < 8 || c.isSearching(l.startedAt) {
		return false
	}
	unseen := 0
	for id, e := range c.entries {
		if _, seen := l.clusters[id]; !seen && e.isNeeded() {
			unseen++
		}
	}
	return l.pages > 8+2*unseen
}

// pageFailed decides what becomes of a list whose page failed.
func (c *cache) pageFailed(l *listing, err error, now time.Time) {
	class := databricks.ClassOf(err)
	switch {
	case class == databricks.ClassTooLarge && l.pageSize > 1:
		c.lists.pageSize = l.pageSize / 2
		c.beginList(l.priority, now)
		return
	case class == databricks.ClassTooLarge:
		c.lists.backoff.failures = max(c.lists.backoff.failures, listGivenUp)
	case now.Sub(l.startedAt) > maxListAge:
	case class == databricks.ClassThrottled && l.backoff.failures < pageThrottles,
		class != databricks.ClassThrottled && isTransient(err) && l.backoff.failures < pageTries:
		l.backoff.failed(err, now)
		l.notBefore = l.backoff.at
		return
	}
	c.dropList(err, now)
}

func (c *cache) dropList(err error, now time.Time) {
	c.lists.underway = nil
	c.lists.backoff.failed(err, now)
	c.planAt = now
}

// complete replaces the newest complete list.
func (c *cache) complete(l *listing, now time.Time) {
	c.lists.startedAt, c.lists.completedAt, c.lists.clusters = l.startedAt, now, l.clusters
	c.lists.pages, c.lists.pagesAt, c.lists.underway, c.planAt = l.pages, now, nil, now
	c.lists.backoff.succeeded()
	c.lists.next = l.startedAt.Add(max(c.options.Fast, 2*now.Sub(l.startedAt)))
	c.lists.nextSlow = c.slowAfter(l.startedAt)
	for id, e := range c.entries {
		e.readAt = later(e.readAt, l.startedAt)
		if _, there := l.clusters[id]; there {
			e.listed()
			c.accept(e, c.lists.observation(id))
			if e.newest.StartedAt.Equal(l.startedAt) {
				l.clusters[id] = e.newest.Cluster // one copy, where nothing changed
			}
		} else if l.startedAt.After(e.newest.StartedAt) {
			e.missed(l.startedAt)
		}
		c.prune(e)
	}
	for _, object := range c.advance(c.searches) {
		c.changed[object] = struct{}{}
	}
}

// slowAfter is when the slow cadence comes round after a list that began at from:
// spread, so that workspaces do not move in step. A new cache waits longest, since
// what started it started others as well.
func (c *cache) slowAfter(from time.Time) time.Time {
	slow := c.options.Slow
	if from.Before(c.createdAt.Add(2 * slow)) {
		return from.Add(slow + slow/9)
	}
	return from.Add(slow - rand.N(slow/10+1))
}
