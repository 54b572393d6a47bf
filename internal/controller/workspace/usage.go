package workspace

import (
	"context"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/report"
)

// usageSampler samples the rate limits of the workspaces and the age of their cached
// data. It enqueues the DatabricksWorkspaces whose status these samples change.
type usageSampler struct {
	reader   client.Reader
	registry *cache.Registry
	enqueue  func(types.NamespacedName)
	interval time.Duration
	logger   logr.Logger

	// mu guards the rest.
	mu       sync.Mutex
	followed map[types.NamespacedName]place
	// limiters are by host, caches by host and principal.
	limiters map[string]sample
	caches   map[place]cache.State
}

// place is a workspace as one principal sees it.
type place struct{ host, principal string }

// sample is the state of a limiter: its rate, and the rate of the granted requests since
// the sample before, both in requests per second.
type sample struct {
	learned, used float64
	granted       int64
	at            time.Time
}

func newUsageSampler(mgr ctrl.Manager, registry *cache.Registry, enqueue func(types.NamespacedName), interval time.Duration) *usageSampler {
	return &usageSampler{
		reader: mgr.GetClient(), registry: registry, enqueue: enqueue, interval: interval,
		logger:   mgr.GetLogger().WithName("usage"),
		followed: map[types.NamespacedName]place{},
		limiters: map[string]sample{},
		caches:   map[place]cache.State{},
	}
}

// follow sets the host and the principal of a DatabricksWorkspace.
func (u *usageSampler) follow(key types.NamespacedName, host, principal string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.followed[key] = place{host, principal}
}

// forget removes the host and the principal of a DatabricksWorkspace.
func (u *usageSampler) forget(key types.NamespacedName) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.followed, key)
}

// of returns the usage of a DatabricksWorkspace at the last sample.
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
	ticker := time.NewTicker(u.interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C:
			u.sample(now)
			u.enqueueChanged(ctx, now)
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
		for _, priority := range limiter.Priorities {
			next.granted += priority.Granted
		}
		if last := before[limiter.Name]; !last.at.IsZero() && next.granted >= last.granted {
			next.used = float64(next.granted-last.granted) / now.Sub(last.at).Seconds()
		}
		u.limiters[limiter.Name] = next
	}
	for _, state := range caches {
		u.caches[place{state.Host, state.Principal}] = state
	}
}

// enqueueChanged enqueues the workspaces whose usage differs from their status.
func (u *usageSampler) enqueueChanged(ctx context.Context, now time.Time) {
	var all v1alpha1.DatabricksWorkspaceList
	if err := u.reader.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil {
		u.logger.Info("the workspaces could not be listed to compare their usage", "error", err.Error())
		return
	}
	for i := range all.Items {
		key := client.ObjectKeyFromObject(&all.Items[i])
		if report.UsageChanged(all.Items[i].Status, u.of(key), now) {
			u.enqueue(key)
		}
	}
}
