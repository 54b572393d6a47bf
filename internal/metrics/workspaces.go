package metrics

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

var (
	gateAllowed = newDesc("gate_allowed_requests_per_second",
		"Rate of requests that the operator allows itself at the moment, by workspace.", labelHost)
	gateLearned = newDesc("gate_learned_requests_per_second",
		"Rate of requests that the workspace bears, as its 429s have shown; absent where it has not shown it.", labelHost)
	gateBreaker = newDesc("gate_breaker_open",
		"1 while the workspace does not answer as one, so that it is only tried now and then.", labelHost)
	gateGranted = newDesc("gate_granted_total",
		"Requests that were let through, by workspace and class.", labelHost, "class")
	gateRefused = newDesc("gate_refused_total",
		"Times that a request was told to come back later, before it was sent, by workspace and class.", labelHost, "class")
	gateThrottled = newDesc("gate_throttled_total",
		"Requests that the workspace answered with 429, by workspace and class.", labelHost, "class")
	gatePaused = newDesc("gate_paused_seconds",
		"How much longer the workspace wants no requests of the class, as its Retry-After says; 0 where it may be asked.", labelHost, "class")
)

func collectLimiter(ch chan<- prometheus.Metric, limiter ratelimit.State, now time.Time) {
	ch <- gauge(gateAllowed, limiter.Rate, limiter.Name)
	if limiter.Learned > 0 {
		ch <- gauge(gateLearned, limiter.Learned, limiter.Name)
	}
	ch <- yes(gateBreaker, limiter.HostUnavailable, limiter.Name)
	for class, state := range limiter.Priorities {
		ch <- counter(gateGranted, state.Granted, limiter.Name, class)
		ch <- counter(gateRefused, state.Refused, limiter.Name, class)
		ch <- counter(gateThrottled, state.Throttled, limiter.Name, class)
		ch <- gauge(gatePaused, max(state.PausedUntil.Sub(now), 0).Seconds(), limiter.Name, class)
	}
}

var (
	mirrorObjects = newDesc("mirror_objects",
		"Objects that use the workspace, by workspace and principal.", labelHost, labelPrincipal)
	mirrorWatched = newDesc("mirror_watched_clusters",
		"Clusters of the workspace that belong to an object, by workspace and principal.", labelHost, labelPrincipal)
	mirrorListed = newDesc("mirror_listed_clusters",
		"Clusters that the last complete list of the workspace had, anybody's.", labelHost, labelPrincipal)
	mirrorPages = newDesc("mirror_list_pages",
		"Pages, and so requests, that a complete list of the workspace takes.", labelHost, labelPrincipal)
	mirrorRead = newDesc("mirror_read_timestamp_seconds",
		"When the workspace was last read with success: what is known of its clusters is that old. Absent before the first time.", labelHost, labelPrincipal)
	mirrorListedAt = newDesc("mirror_listed_timestamp_seconds",
		"When the last complete list began; absent before the first one. A few clusters are read one by one, without lists.", labelHost, labelPrincipal)
	mirrorFailing = newDesc("mirror_failing",
		"1 while the reads of the workspace fail.", labelHost, labelPrincipal)
)

// labelPrincipal is the user or service principal whose credential reads.
const labelPrincipal = "principal"

func collectCaches(ch chan<- prometheus.Metric, caches []cache.State) {
	type place struct{ host, principal string }
	seen := map[place]bool{}
	for _, m := range caches {
		at := place{m.Host, strings.ToValidUTF8(m.Principal, "?")}
		if seen[at] {
			continue // names are what the server says, and one series is all a name has
		}
		seen[at] = true
		ch <- gauge(mirrorObjects, m.Objects, at.host, at.principal)
		ch <- gauge(mirrorWatched, m.Watched, at.host, at.principal)
		ch <- yes(mirrorFailing, m.Health.Err != nil, at.host, at.principal)
		if !m.Health.LastSuccess.IsZero() {
			ch <- instant(mirrorRead, m.Health.LastSuccess, at.host, at.principal)
		}
		if !m.ListedAt.IsZero() {
			ch <- gauge(mirrorListed, m.Listed, at.host, at.principal)
			ch <- gauge(mirrorPages, m.Pages, at.host, at.principal)
			ch <- instant(mirrorListedAt, m.ListedAt, at.host, at.principal)
		}
	}
}
