package cache

import (
	"math/rand/v2"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

// lists has the newest complete list of a workspace and the list in progress.
type lists struct {
	// startedAt, completedAt and clusters are those of the newest complete list.
	startedAt, completedAt time.Time
	clusters               map[string]*compute.ClusterDetails
	// health is the health of the lists.
	health health
	// underway is the list whose pages are being fetched; nil if there is none.
	underway *listing
	pageSize int
	// pages is the number of pages of a list, as measured at pagesAt.
	pages   int
	pagesAt time.Time
	// backoff delays the next list after a failure, next after a success. nextSlow is
	// when all clusters are due at the slow interval.
	backoff  backoff
	next     time.Time
	nextSlow time.Time
	// completeListAfter requests a complete list that begins after it; zero requests
	// none.
	completeListAfter time.Time
	// absent counts the clusters that the last list, but not the one before, lacked.
	absent int
}

// listing is a list in progress. It replaces the newest complete list when its last
// page is read; an incomplete list is never used.
type listing struct {
	priority  ratelimit.Priority
	startedAt time.Time
	// credential reads all pages.
	credential *credential
	pageSize   int
	pages      int
	token      string
	tokens     map[string]struct{}
	clusters   map[string]*compute.ClusterDetails
	backoff    backoff
	// answering is how long the workspace took to answer the pages so far.
	answering time.Duration
	// notBefore delays the next page of a list of low priority.
	notBefore time.Time
	// fetching: a page is in flight.
	fetching bool
}

const (
	// maxPages bounds the number of pages of a list.
	maxPages = 5000
	// pageTries is how often a page may fail before its list is dropped, and
	// pageThrottles how often it may be throttled.
	pageTries, pageThrottles = 3, 20
	// maxListAge is the age at which a list in progress is dropped after a failure,
	// because its first pages are outdated.
	maxListAge = 10 * time.Minute
	// slowPageInterval is the interval between the pages of a slow list, which takes
	// half a minute for ten thousand clusters.
	slowPageInterval = 250 * time.Millisecond
	// minPages is the number of pages that a list of unknown length may have for any
	// number of clusters.
	minPages = 8
	// pagesKnownFor is how long the number of pages of a workspace is valid.
	pagesKnownFor = 24 * time.Hour
)

func (l *listing) query() databricks.ListQuery {
	return databricks.ListQuery{
		PageSize: l.pageSize, PageToken: l.token, SortByName: true,
		Sources: []compute.ClusterSource{compute.ClusterSourceApi, compute.ClusterSourceUi},
	}
}

// add adds a page and reports whether it was the last one. It fails if the pages do
// not end. Of a cluster that is as before, the copy of before is kept: during a list of
// many pages there is one copy of each cluster, not two.
func (l *listing) add(page databricks.ListPage, before map[string]*compute.ClusterDetails) (complete bool, err error) {
	for i := range page.Clusters {
		if page.Clusters[i].ClusterId == "" {
			continue
		}
		cluster := trimmed(&page.Clusters[i])
		if same := before[cluster.ClusterId]; sameCluster(same, cluster) {
			cluster = same
		}
		l.clusters[cluster.ClusterId] = cluster
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

// observation returns a cluster as the newest complete list returned it.
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

// knownPages returns the number of pages of a list; 0 if it is not known.
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

// addPage adds a page to the list in progress.
func (c *cache) addPage(l *listing, page databricks.ListPage, now time.Time) error {
	complete, err := l.add(page, c.lists.clusters)
	switch {
	case err != nil:
		c.dropList(err, now)
	case complete:
		c.replaceList(l, now)
	case c.listCostsMoreThanGets(l, now):
		c.lists.pages, c.lists.pagesAt, c.lists.underway, c.planAt = l.pages+1, now, nil, now
	case l.priority == ratelimit.PrioritySlowList:
		l.notBefore = now.Add(min(slowPageInterval, c.options.Slow/10/time.Duration(l.pages+1)))
	}
	return err
}

// listCostsMoreThanGets reports whether a list of unknown length has had so many pages
// that GETs of the needed clusters are fewer. A page that returned needed clusters has
// saved their GETs; clusters that were not returned yet may be on one of the next pages.
func (c *cache) listCostsMoreThanGets(l *listing, now time.Time) bool {
	if c.lists.knownPages(now) > 0 || c.isSearching(l.startedAt) {
		return false
	}
	permitted := minPages
	for id, e := range c.entries {
		if l.pages <= permitted {
			return false // most of many entries are not counted
		}
		if !e.isNeeded() {
			continue
		}
		permitted++
		if _, seen := l.clusters[id]; !seen {
			permitted++
		}
	}
	return l.pages > permitted
}

// handlePageError retries a failed page, restarts the list with smaller pages, or
// drops the list.
func (c *cache) handlePageError(l *listing, err error, now time.Time) {
	class := databricks.ClassOf(err)
	switch {
	case class == databricks.ClassTooLarge && l.pageSize > 1:
		c.lists.pageSize = l.pageSize / 2
		c.beginList(l.priority, now)
		return
	case class == databricks.ClassTooLarge:
		c.lists.backoff.failures = max(c.lists.backoff.failures, maxListFailures)
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

// replaceList makes a list the newest complete one.
func (c *cache) replaceList(l *listing, now time.Time) {
	c.lists.startedAt, c.lists.completedAt, c.lists.clusters = l.startedAt, now, l.clusters
	c.lists.pages, c.lists.pagesAt, c.lists.underway, c.planAt = l.pages, now, nil, now
	c.lists.backoff.succeeded()
	// At most half of the time the workspace answers lists. Pages that waited for the rate
	// limiter have not kept it busy.
	c.lists.next = l.startedAt.Add(max(c.options.Fast, 2*l.answering))
	c.lists.nextSlow = c.slowAfter(l.startedAt)
	for id, e := range c.entries {
		e.readAt = later(e.readAt, l.startedAt)
		if _, there := l.clusters[id]; there {
			e.recordListed()
			c.accept(e, c.lists.observation(id))
			if e.newest.Presence == Present && e.newest.StartedAt.Equal(l.startedAt) {
				l.clusters[id] = e.newest.Cluster // keep one copy
			}
		} else if l.startedAt.After(e.newest.StartedAt) {
			e.recordAbsent(l.startedAt)
		}
		c.prune(e)
	}
	for _, object := range c.advance(c.searches) {
		c.changed[object] = struct{}{}
	}
}

// slowAfter returns when the slow interval ends after a list that began at from. It
// is jittered, so that the lists of several workspaces do not coincide. It is longest
// for a new cache, because caches often start together.
func (c *cache) slowAfter(from time.Time) time.Time {
	slow := c.options.Slow
	if from.Before(c.createdAt.Add(2 * slow)) {
		return from.Add(slow + slow/9)
	}
	return from.Add(slow - rand.N(slow/10+1))
}
