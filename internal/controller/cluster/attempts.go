package cluster

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/plan"
	"github.com/databricks-operator/databricks-operator/internal/restore"
)

// attemptStore has the state of objects between the reconciles of one process. Facts
// that must survive a restart are in the objects' status.
//
// The key is the object's name and UID, so that another object of the same name gets
// nothing of it. The kind is no part of the key, because only DatabricksClusters are in
// the store.
type attemptStore struct {
	// mu guards objects.
	mu sync.Mutex
	// objects has the states of the objects of a name, which is one unless an object has
	// just been replaced.
	objects map[types.NamespacedName][]*objectState
}

// objectState is the state of an object in one process.
type objectState struct {
	uid      types.UID
	attempts plan.Attempts
	// interest is the one of the last reconcile.
	interest cache.Interest
	// wroteAt is when the status was last written, and writes counts the writes since
	// writesSince.
	wroteAt     time.Time
	writes      int
	writesSince time.Time
	// secrets is the fingerprint of the secret values whose digest is secretsDigest.
	secrets       string
	secretsDigest string
	// version is the resource version that this process wrote last, at versionAt.
	version   string
	versionAt time.Time
	// stale counts the consecutive reconciles of a stale object.
	stale int
}

func newAttemptStore() *attemptStore {
	return &attemptStore{objects: map[types.NamespacedName][]*objectState{}}
}

// state returns the state of an object.
func (s *attemptStore) state(cluster *v1alpha1.DatabricksCluster) objectState {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.find(cluster); known != nil {
		return *known
	}
	return objectState{}
}

// find returns the state of an object; nil if there is none.
func (s *attemptStore) find(cluster *v1alpha1.DatabricksCluster) *objectState {
	for _, known := range s.objects[client.ObjectKeyFromObject(cluster)] {
		if known.uid == cluster.UID {
			return known
		}
	}
	return nil
}

// update changes the state of an object and returns the new state. Only one reconcile of
// an object runs at a time.
func (s *attemptStore) update(cluster *v1alpha1.DatabricksCluster, change func(*objectState)) objectState {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.find(cluster)
	if known == nil {
		known = &objectState{uid: cluster.UID}
		key := client.ObjectKeyFromObject(cluster)
		s.objects[key] = append(s.objects[key], known)
	}
	change(known)
	return *known
}

// forget drops the state of all objects of a name.
func (s *attemptStore) forget(key types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, key)
}

// of returns the attempts of an object.
func (s *attemptStore) of(cluster *v1alpha1.DatabricksCluster) plan.Attempts {
	return s.state(cluster).attempts
}

// set stores the attempts of an object.
func (s *attemptStore) set(cluster *v1alpha1.DatabricksCluster, attempts plan.Attempts) {
	s.update(cluster, func(state *objectState) { state.attempts = attempts })
}

// seen records that the current generation of an object was read.
func (s *attemptStore) seen(cluster *v1alpha1.DatabricksCluster, now time.Time) {
	s.set(cluster, s.of(cluster).Seen(cluster, now))
}

// reread drops the state of an object, so that everything is read again.
func (s *attemptStore) reread(cluster *v1alpha1.DatabricksCluster, now time.Time) {
	s.update(cluster, func(state *objectState) {
		*state = objectState{uid: cluster.UID, attempts: plan.Attempts{}.Reread(now), version: cluster.ResourceVersion, versionAt: now}
	})
}

// secretsDigest returns drift.SecretsDigest, which is slow on purpose. It is computed
// only if the values changed.
func (s *attemptStore) secretsDigest(cluster *v1alpha1.DatabricksCluster, secrets drift.Secrets, desired drift.Tree) string {
	if secrets.IsEmpty() {
		return ""
	}
	fingerprint, known := secrets.Fingerprint(), s.state(cluster)
	if known.secretsDigest != "" && known.secrets == fingerprint {
		return known.secretsDigest
	}
	digest := drift.SecretsDigest(desired, string(cluster.UID))
	s.update(cluster, func(state *objectState) { state.secrets, state.secretsDigest = fingerprint, digest })
	return digest
}

// cacheLag is how long a reconcile waits for an informer cache that does not have this
// process's last write. After a restore of the control plane the cache never gets it.
const cacheLag = 10 * time.Second

// recordVersion records the version of an object that this process has written.
func (s *attemptStore) recordVersion(cluster *v1alpha1.DatabricksCluster) {
	s.update(cluster, func(state *objectState) { state.version, state.versionAt = cluster.ResourceVersion, time.Now() })
}

// isAhead reports whether this process has written a newer version of the object than
// the informer cache has.
func (s *attemptStore) isAhead(cluster *v1alpha1.DatabricksCluster) bool {
	known := s.state(cluster)
	if known.version == "" || time.Since(known.versionAt) > cacheLag {
		return false
	}
	return restore.IsOlder(cluster.ResourceVersion, known.version)
}

// countStale counts a reconcile of a stale object and returns the number of consecutive
// ones.
func (s *attemptStore) countStale(cluster *v1alpha1.DatabricksCluster) int {
	return s.update(cluster, func(state *objectState) { state.stale++ }).stale
}

// resetStale records a reconcile of the newest version.
func (s *attemptStore) resetStale(cluster *v1alpha1.DatabricksCluster) {
	if s.state(cluster).stale != 0 {
		s.update(cluster, func(state *objectState) { state.stale = 0 })
	}
}

// keepUnstored records corrections that could not be stored in the status; nil if they
// were stored.
func (s *attemptStore) keepUnstored(cluster *v1alpha1.DatabricksCluster, unstored []v1alpha1.Correction) {
	attempts := s.of(cluster)
	if attempts.Unstored == nil && unstored == nil {
		return
	}
	attempts.Unstored = unstored
	s.set(cluster, attempts)
}

// maxWrites is the number of writes of one status in a window after which the next one
// waits for its end. Only another operator that reports something else needs as many.
const maxWrites = 15

// wrote records that the object's status was written now.
func (s *attemptStore) wrote(cluster *v1alpha1.DatabricksCluster, window time.Duration) {
	s.update(cluster, func(state *objectState) {
		now := time.Now()
		if now.Sub(state.writesSince) >= window {
			state.writes, state.writesSince = 0, now
		}
		state.wroteAt = now
		state.writes++
	})
}

// mayWriteAt returns when the status may be written again; zero: now.
func (s *attemptStore) mayWriteAt(cluster *v1alpha1.DatabricksCluster, window time.Duration) time.Time {
	known := s.state(cluster)
	if end := known.writesSince.Add(window); known.writes >= maxWrites && time.Now().Before(end) {
		return end
	}
	return time.Time{}
}

// wroteWithin reports whether the status was written less than a duration ago.
func (s *attemptStore) wroteWithin(cluster *v1alpha1.DatabricksCluster, duration time.Duration) bool {
	return time.Since(s.state(cluster).wroteAt) < duration
}

// interest returns the interest of the last reconcile. If the object had another cluster
// then, only its search is returned.
func (s *attemptStore) interest(cluster *v1alpha1.DatabricksCluster) cache.Interest {
	known := s.state(cluster).interest
	if known.ClusterID != clusterID(cluster) {
		return cache.Interest{Search: known.Search}
	}
	return known
}

// keepInterest stores the interest of a reconcile.
func (s *attemptStore) keepInterest(cluster *v1alpha1.DatabricksCluster, interest cache.Interest) {
	s.update(cluster, func(state *objectState) { state.interest = interest })
}
