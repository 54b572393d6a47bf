package metrics

import (
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

var (
	limiterAllowed = newDesc("gate_allowed_requests_per_second",
		"Current request rate of the operator's rate limiter, by workspace.", labelHost)
	limiterLearned = newDesc("gate_learned_requests_per_second",
		"Request limit of the workspace, as measured by its 429s; absent if it is not known.", labelHost)
	limiterBreaker = newDesc("gate_breaker_open",
		"1 while the circuit breaker of the workspace is open: it does not answer and is only probed.", labelHost)
	limiterGranted = newDesc("gate_granted_total",
		"Requests that the rate limiter permitted, by workspace and class.", labelHost, "class")
	limiterRefused = newDesc("gate_refused_total",
		"Requests that the rate limiter held to be retried later, by workspace and class.", labelHost, "class")
	limiterThrottled = newDesc("gate_throttled_total",
		"Requests that the workspace answered with 429, by workspace and class.", labelHost, "class")
	limiterPaused = newDesc("gate_paused_seconds",
		"Remaining time of the workspace's Retry-After for the class; 0 if there is none.", labelHost, "class")
)

var (
	limiterWaits = newDesc("gate_waits_total",
		"Requests that the rate limiter held, by workspace and reason.", labelHost, "reason")
	limiterEndpoint = newDesc("gate_endpoint_unavailable",
		"1 for each endpoint of the workspace that does not answer and is only probed.", labelHost, "endpoint")
)

// collectLimiters sends the metrics of the limiters, added up by host because a host may
// have several workspaces.
func collectLimiters(ch chan<- prometheus.Metric, limiters []ratelimit.State, now time.Time) {
	byHost := map[string]*ratelimit.State{}
	for i := range limiters {
		sum := byHost[limiters[i].Name]
		if sum == nil {
			byHost[limiters[i].Name] = &limiters[i]
			continue
		}
		addLimiter(sum, limiters[i])
	}
	for _, limiter := range byHost {
		collectLimiter(ch, *limiter, now)
	}
}

func addLimiter(sum *ratelimit.State, other ratelimit.State) {
	sum.Rate, sum.Learned = sum.Rate+other.Rate, sum.Learned+other.Learned
	sum.HostUnavailable = sum.HostUnavailable || other.HostUnavailable
	sum.UnavailableEndpoints = slices.Compact(slices.Sorted(slices.Values(slices.Concat(sum.UnavailableEndpoints, other.UnavailableEndpoints))))
	for reason, count := range other.Waits {
		sum.Waits[reason] += count
	}
	for name, state := range other.Priorities {
		added := sum.Priorities[name]
		added.Granted, added.Refused, added.Throttled = added.Granted+state.Granted, added.Refused+state.Refused, added.Throttled+state.Throttled
		if state.PausedUntil.After(added.PausedUntil) {
			added.PausedUntil = state.PausedUntil
		}
		sum.Priorities[name] = added
	}
}

func collectLimiter(ch chan<- prometheus.Metric, limiter ratelimit.State, now time.Time) {
	ch <- gauge(limiterAllowed, limiter.Rate, limiter.Name)
	if limiter.Learned > 0 {
		ch <- gauge(limiterLearned, limiter.Learned, limiter.Name)
	}
	ch <- boolGauge(limiterBreaker, limiter.HostUnavailable, limiter.Name)
	for _, endpoint := range limiter.UnavailableEndpoints {
		ch <- gauge(limiterEndpoint, 1, limiter.Name, endpoint)
	}
	for reason, count := range limiter.Waits {
		ch <- counter(limiterWaits, count, limiter.Name, string(reason))
	}
	for class, state := range limiter.Priorities {
		ch <- counter(limiterGranted, state.Granted, limiter.Name, class)
		ch <- counter(limiterRefused, state.Refused, limiter.Name, class)
		ch <- counter(limiterThrottled, state.Throttled, limiter.Name, class)
		ch <- gauge(limiterPaused, max(state.PausedUntil.Sub(now), 0).Seconds(), limiter.Name, class)
	}
}

var (
	cacheObjects = newDesc("mirror_objects",
		"Objects that use the workspace, by workspace and principal.", labelHost, labelPrincipal)
	cacheWatched = newDesc("mirror_watched_clusters",
		"Clusters of the workspace that belong to an object, by workspace and principal.", labelHost, labelPrincipal)
	cacheListed = newDesc("mirror_listed_clusters",
		"All clusters in the last complete list of the workspace.", labelHost, labelPrincipal)
	cachePages = newDesc("mirror_list_pages",
		"Pages of a complete list of the workspace, each of which is one request.", labelHost, labelPrincipal)
	cacheRead = newDesc("mirror_read_timestamp_seconds",
		"When the workspace was last read successfully, which is the age of the cached data; absent before the first read.", labelHost, labelPrincipal)
	cacheListedAt = newDesc("mirror_listed_timestamp_seconds",
		"When the last complete list began; absent before the first one. A few clusters are read one by one, without lists.", labelHost, labelPrincipal)
	cacheFailing = newDesc("mirror_failing",
		"1 while the reads of the workspace fail.", labelHost, labelPrincipal)
	cacheFailingClusters = newDesc("mirror_failing_clusters",
		"Clusters that cannot be read one by one, although the workspace answers.", labelHost, labelPrincipal)
	cacheRejected = newDesc("mirror_rejected_credentials",
		"Credentials that the workspace rejects.", labelHost, labelPrincipal)
	cacheSkew = newDesc("mirror_clock_skew_seconds",
		"Clock of the workspace minus the operator's, by the Date of its answers.", labelHost, labelPrincipal)
)

// labelPrincipal is the user or service principal of the credential that reads.
const labelPrincipal = "principal"

// cacheLabels has the labels of the metrics of caches.
type cacheLabels struct{ host, principal string }

// collectCaches sends the metrics of the caches, added up by principal because each of
// its credentials may have its own cache.
func collectCaches(ch chan<- prometheus.Metric, caches []cache.State) {
	byLabels := map[cacheLabels]*cache.State{}
	for i := range caches {
		// The server may return a name that is no valid label value.
		at := cacheLabels{caches[i].Host, strings.ToValidUTF8(caches[i].Principal, "?")}
		if sum := byLabels[at]; sum != nil {
			addCache(sum, caches[i])
			continue
		}
		byLabels[at] = &caches[i]
	}
	for at, c := range byLabels {
		collectCache(ch, at, *c)
	}
}

// addCache adds a cache to another one. Of two times the older one is kept.
func addCache(sum *cache.State, other cache.State) {
	sum.Objects, sum.Watched = sum.Objects+other.Objects, sum.Watched+other.Watched
	sum.FailingClusters, sum.RejectedCredentials = sum.FailingClusters+other.FailingClusters, sum.RejectedCredentials+other.RejectedCredentials
	sum.Listed, sum.Pages = max(sum.Listed, other.Listed), max(sum.Pages, other.Pages)
	sum.ListedAt = older(sum.ListedAt, other.ListedAt)
	sum.Health.LastSuccess = older(sum.Health.LastSuccess, other.Health.LastSuccess)
	if sum.Health.Err == nil {
		sum.Health.Err = other.Health.Err
	}
	if other.ClockSkew.Abs() > sum.ClockSkew.Abs() {
		sum.ClockSkew = other.ClockSkew
	}
}

// older returns the earlier of two times, of which either may be zero.
func older(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func collectCache(ch chan<- prometheus.Metric, at cacheLabels, c cache.State) {
	ch <- gauge(cacheObjects, c.Objects, at.host, at.principal)
	ch <- gauge(cacheWatched, c.Watched, at.host, at.principal)
	ch <- boolGauge(cacheFailing, c.Health.Err != nil, at.host, at.principal)
	ch <- gauge(cacheFailingClusters, c.FailingClusters, at.host, at.principal)
	ch <- gauge(cacheRejected, c.RejectedCredentials, at.host, at.principal)
	ch <- gauge(cacheSkew, c.ClockSkew.Seconds(), at.host, at.principal)
	if !c.Health.LastSuccess.IsZero() {
		ch <- timestamp(cacheRead, c.Health.LastSuccess, at.host, at.principal)
	}
	if !c.ListedAt.IsZero() {
		ch <- gauge(cacheListed, c.Listed, at.host, at.principal)
		ch <- gauge(cachePages, c.Pages, at.host, at.principal)
		ch <- timestamp(cacheListedAt, c.ListedAt, at.host, at.principal)
	}
}
