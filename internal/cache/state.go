package cache

import (
	"time"

	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

// State is the current state of a cache, for metrics.
type State struct {
	Host, WorkspaceID, Principal string
	// Objects counts the subscribers, Watched their clusters, and Listed the clusters
	// of the newest complete list.
	Objects, Watched, Listed int
	// Pages is the number of pages of the newest complete list, and ListedAt is when it
	// began; zero if there is none yet.
	Pages    int
	ListedAt time.Time
	// Health is the health of the lists, and FailingClusters counts the clusters whose
	// GETs fail.
	Health          Health
	FailingClusters int
	// RejectedCredentials counts the credentials that the workspace rejects.
	RejectedCredentials int
	// ClockSkew is the workspace's clock minus the operator's.
	ClockSkew time.Duration
}

// Limiters returns the state of the rate limiter of each workspace, in no order.
func (r *Registry) Limiters() []ratelimit.State {
	_, limiters := r.snapshot()
	states := make([]ratelimit.State, 0, len(limiters))
	for _, l := range limiters {
		states = append(states, l.State(time.Now()))
	}
	return states
}

// Caches returns the state of each cache, in no order.
func (r *Registry) Caches() []State {
	caches, _ := r.snapshot()
	states := make([]State, 0, len(caches))
	for _, c := range caches {
		states = append(states, c.state())
	}
	return states
}

func (c *cache) state() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	state := State{
		Host: c.key.host, WorkspaceID: c.key.workspaceID, Principal: c.principal.UserName,
		Objects: len(c.subscribers), Watched: len(c.watched), Listed: len(c.lists.clusters),
		Pages: c.lists.pages, ListedAt: c.lists.startedAt, Health: c.lists.health.state(),
	}
	for _, e := range c.entries {
		state.Health.LastSuccess = later(state.Health.LastSuccess, e.newest.CompletedAt)
		if e.health.reported != nil {
			state.FailingClusters++
		}
	}
	for _, with := range c.credentials {
		if with.isRejected() {
			state.RejectedCredentials++
		}
		if skew := with.clockSkew(); skew.Abs() > state.ClockSkew.Abs() {
			state.ClockSkew = skew
		}
	}
	return state
}
