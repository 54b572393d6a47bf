package cluster

import (
	"time"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/controller/process"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

// attemptStore has the state of DatabricksClusters between the reconciles of one process.
type attemptStore struct{ *process.Store[objectState] }

// objectState is the state of an object in one process.
type objectState struct {
	attempts plan.Attempts
	// interest is the one of the last reconcile; nil if it was only its cluster, as that
	// of almost all objects.
	interest *cache.Interest
	// secrets is the fingerprint of the secret values whose digest is secretsDigest.
	secrets       string
	secretsDigest string
}

func newAttemptStore() *attemptStore { return &attemptStore{process.NewStore[objectState]()} }

// of returns the attempts of an object.
func (s *attemptStore) of(cluster *v1alpha1.DatabricksCluster) plan.Attempts {
	return s.Of(cluster).attempts
}

// set stores the attempts of an object.
func (s *attemptStore) set(cluster *v1alpha1.DatabricksCluster, attempts plan.Attempts) {
	s.Update(cluster, func(state *objectState) { state.attempts = attempts })
}

// seen records that the current generation of an object was read.
func (s *attemptStore) seen(cluster *v1alpha1.DatabricksCluster, now time.Time) {
	s.set(cluster, s.of(cluster).Seen(cluster, now))
}

// reread drops the state of an object, so that everything is read again.
func (s *attemptStore) reread(cluster *v1alpha1.DatabricksCluster, now time.Time) {
	s.Replace(cluster, objectState{attempts: plan.Attempts{}.Reread(now)}, now)
}

// secretsDigest returns drift.SecretsDigest, which is slow on purpose. It is computed
// only if the values changed.
func (s *attemptStore) secretsDigest(cluster *v1alpha1.DatabricksCluster, secrets drift.Secrets, desired drift.Tree) string {
	if secrets.IsEmpty() {
		return ""
	}
	fingerprint, known := secrets.Fingerprint(), s.Of(cluster)
	if known.secretsDigest != "" && known.secrets == fingerprint {
		return known.secretsDigest
	}
	digest := drift.SecretsDigest(desired, string(cluster.UID))
	s.Update(cluster, func(state *objectState) { state.secrets, state.secretsDigest = fingerprint, digest })
	return digest
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

// interest returns the interest of the last reconcile. If the object had another cluster
// then, only its search is returned.
func (s *attemptStore) interest(cluster *v1alpha1.DatabricksCluster) cache.Interest {
	known := s.Of(cluster).interest
	switch {
	case known == nil:
		return onlyCluster(cluster)
	case known.ClusterID != clusterID(cluster):
		return cache.Interest{Search: known.Search}
	default:
		return *known
	}
}

// onlyCluster is the interest of an object whose cluster is as declared.
func onlyCluster(cluster *v1alpha1.DatabricksCluster) cache.Interest {
	return cache.Interest{ClusterID: clusterID(cluster), Purpose: cache.ToKeep}
}

// keepInterest stores the interest of a reconcile.
func (s *attemptStore) keepInterest(cluster *v1alpha1.DatabricksCluster, interest cache.Interest) {
	s.Update(cluster, func(state *objectState) {
		state.interest = nil
		if interest != onlyCluster(cluster) {
			state.interest = &interest
		}
	})
}
