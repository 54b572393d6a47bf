package cluster

import (
	"context"
	"sync/atomic"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// memory is since when this process remembers everything that it wrote to the API
// server: its start, or the moment when it noticed a restore. Objects that are older may
// have lost what an earlier process stored in them.
type memory struct {
	since atomic.Pointer[time.Time]
}

func newMemory(now time.Time) *memory {
	m := &memory{}
	m.since.Store(&now)
	return m
}

// begin returns since when everything is remembered.
func (m *memory) begin() time.Time { return *m.since.Load() }

// restart forgets everything before now.
func (m *memory) restart(now time.Time) { m.since.Store(&now) }

// noticeRestore notices that the store of the API server went back in time while the
// informers go on, as after a restore of etcd that revokes older watches: an uncached read
// returns an older version of an object than this process wrote. What it remembers of the
// object is dropped then, and clusters of older objects are searched for before others are
// created. A restore that leaves the informers behind ends the process: internal/restore.
func (r *Reconciler) noticeRestore(ctx context.Context, cluster *v1alpha1.DatabricksCluster) error {
	if !r.attempts.IsBehind(cluster) {
		return nil
	}
	var stored v1alpha1.DatabricksCluster
	if err := r.actor.uncached.Get(ctx, client.ObjectKeyFromObject(cluster), &stored); err != nil {
		return client.IgnoreNotFound(err)
	}
	if stored.UID != cluster.UID || !r.attempts.IsBehind(&stored) {
		return nil // only the informer cache is old
	}
	log.FromContext(ctx).Info("the API server was set back to an older version; clusters are searched for before others are created",
		"version", stored.ResourceVersion)
	now := time.Now()
	r.memory.restart(now)
	r.attempts.reread(&stored, now)
	return nil
}
