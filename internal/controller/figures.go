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
type figures struct {
	reader   client.Reader
	registry *cache.Registry
	enqueue  func(types.NamespacedName)
	every    time.Duration

	mu       sync.Mutex
	followed map[types.NamespacedName]place
	// gates are by host, mirrors by host and principal.
	gates   map[string]sample
	mirrors map[place]cache.State
}

// place is a workspace as one principal sees it.
type place struct{ host, principal string }

// sample is what a gate showed, and how much it let through since the sample
// before, in requests per second.
type sample struct {
	learned, used float64
	granted       int64
	at            time.Time
}

func newFigures(reader client.Reader, registry *cache.Registry, enqueue func(types.NamespacedName), every time.Duration) *figures {
	return &figures{
		reader: reader, registry: registry, enqueue: enqueue, every: every,
		followed: map[types.NamespacedName]place{},
		gates:    map[string]sample{},
		mirrors:  map[place]cache.State{},
	}
}

// follow notes where a DatabricksWorkspace leads.
func (f *figures) follow(key types.NamespacedName, host, principal string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.followed[key] = place{host, principal}
}

// forget notes that it leads nowhere.
func (f *figures) forget(key types.NamespacedName) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.followed, key)
}

// of are the figures of a DatabricksWorkspace, as last sampled.
func (f *figures) of(key types.NamespacedName) report.Figures {
	f.mu.Lock()
	defer f.mu.Unlock()
	at, known := f.followed[key]
	if !known {
		return report.Figures{}
	}
	gate, mirror := f.gates[at.host], f.mirrors[at]
	return report.Figures{
		Learned: gate.learned, Used: gate.used, Sampled: !gate.at.IsZero(),
		Watched: mirror.Watched > 0, ReadAt: mirror.Health.LastSuccess,
	}
}

// Start samples until ctx ends.
func (f *figures) Start(ctx context.Context) error {
	ticker := time.NewTicker(f.every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C:
			f.sample(now)
			f.tell(ctx, now)
		}
	}
}

func (f *figures) sample(now time.Time) {
	gates, mirrors := f.registry.Limiters(), f.registry.Caches()
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.gates
	f.gates, f.mirrors = map[string]sample{}, map[place]cache.State{}
	for _, gate := range gates {
		next := sample{learned: gate.Learned, at: now}
		for _, class := range gate.Priorities {
			next.granted += class.Granted
		}
		if was := before[gate.Name]; !was.at.IsZero() && next.granted >= was.granted {
			next.used = float64(next.granted-was.granted) / now.Sub(was.at).Seconds()
		}
		f.gates[gate.Name] = next
	}
	for _, mirror := range mirrors {
		f.mirrors[place{mirror.Host, mirror.Principal}] = mirror
	}
}

// tell brings back the workspaces whose figures are no longer those they show.
func (f *figures) tell(ctx context.Context, now time.Time) {
	var all v1alpha1.DatabricksWorkspaceList
	if err := f.reader.List(ctx, &all); err != nil {
		return // the cache fails while it stops
	}
	for i := range all.Items {
		key := client.ObjectKeyFromObject(&all.Items[i])
		if report.FiguresChanged(all.Items[i].Status, f.of(key), now) {
			f.enqueue(key)
		}
	}
}
