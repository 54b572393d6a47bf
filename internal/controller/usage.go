package controller

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/report"
)

// figures samples what the workspaces bear and how old what is known of them is.
// It brings back a DatabricksWorkspace only where its status would change.
type usageSampler struct {
	reader   client.Reader
	registry *cache.Registry
	enqueue  func(types.NamespacedName)
	every    time.Duration

	mu       sync.Mutex
	followed map[types.NamespacedName]place
	// limiters are by host, caches by host and principal.
	limiters map[string]sample
	caches   map[place]cache.State
}

// place is a workspace as one principal sees it.
type place struct{ host, principal string }

// sample is what a limiter showed, and how much it let through since the sample
// before, in requests per second.
type sample struct {
	learned, used float64
	granted       int64
	at            time.Time
}

func newUsageSampler(reader client.Reader, registry *cache.Registry, enqueue func(types.NamespacedName), every time.Duration) *usageSampler {
	return &usageSampler{
		reader: reader, registry: registry, enqueue: enqueue, every: every,
		followed: map[types.NamespacedName]place{},
		limiters: map[string]sample{},
		caches:   map[place]cache.State{},
	}
}

// follow notes where a DatabricksWorkspace leads.
func (u *usageSampler) follow(key types.NamespacedName, host, principal string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.followed[key] = place{host, principal}
}

// forget notes that it leads nowhere.
func (u *usageSampler) forget(key types.NamespacedName) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.followed, key)
}

// of are the figures of a DatabricksWorkspace, as last sampled.
func (u *usageSampler) of(key types.NamespacedName) report.Usage {
	u.mu.Lock()
	defer u.mu.Unlock()
	at, known := u.followed[key]
	if !known {
		return report.Usage{}
	}
	limiter, state := u.limiters[at.host], u.caches[at]
	return report.Usage{
		Learned: limiter.learned, Used: limiter.used, Sampled: !limiter.at.IsZero(),
		Watched: state.Watched > 0, ReadAt: state.Health.LastSuccess,
	}
}

// Start samples until ctx ends.
func (u *usageSampler) Start(ctx context.Context) error {
	ticker := time.NewTicker(u.every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C:
			u.sample(now)
			u.emit(ctx, now)
		}
	}
}

func (u *usageSampler) sample(now time.Time) {
	limiters, caches := u.registry.Limiters(), u.registry.Caches()
	u.mu.Lock()
	defer u.mu.Unlock()
	before := u.limiters
	u.limiters, u.caches = map[string]sample{}, map[place]cache.State{}
	for _, limiter := range limiters {
		next := sample{learned: limiter.Learned, at: now}
		for _, class := range limiter.Priorities {
			next.granted += class.Granted
		}
		if was := before[limiter.Name]; !was.at.IsZero() && next.granted >= was.granted {
			next.used = float64(next.granted-was.granted) / now.Sub(was.at).Seconds()
		}
		u.limiters[limiter.Name] = next
	}
	for _, state := range caches {
		u.caches[place{state.Host, state.Principal}] = state
	}
}

// tell brings back the workspaces whose figures are no longer those they show.
func (u *usageSampler) emit(ctx context.Context, now time.Time) {
	var all v1alpha1.DatabricksWorkspaceList
	if err := u.reader.List(ctx, &all); err != nil {
		return // the cache fails while it stops
	}
	for i := range all.Items {
		key := client.ObjectKeyFromObject(&all.Items[i])
		if report.UsageChanged(all.Items[i].Status, u.of(key), now) {
			u.enqueue(key)
		}
	}
}
