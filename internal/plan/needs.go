package plan

import (
	"time"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/drift"
)

// NeedsInput is what an object's interest in its workspace depends on.
type NeedsInput struct {
	Cluster *v1alpha1.DatabricksCluster
	// ClusterID is the object's cluster: the one on record, else the one it names;
	// empty: none.
	ClusterID string
	Owner     drift.Tag
	// SearchAfter is the time after which complete lists are searched for the owner
	// tag; zero: there is nothing to search for.
	SearchAfter time.Time
	// ReadAfter is how new a read of the cluster must be, because of what was tried.
	ReadAfter time.Time
	// GenerationSeenAt is when this process first saw this generation.
	GenerationSeenAt time.Time
	// Desired is the declared specification; nil: unknown.
	Desired        drift.Tree
	SecretsRotated bool
}

// Needs returns what the next decision needs to know of the cluster itself. A changed
// specification needs a GET: only its spec shows what is to be cleared, and what a
// correction is to be based on.
func Needs(in NeedsInput) cache.Interest {
	interest := cache.Interest{ClusterID: in.ClusterID, After: in.ReadAfter}
	if !in.SearchAfter.IsZero() && in.Owner.Key != "" {
		interest.Search = cache.Query{Tag: in.Owner.Key, Value: in.Owner.Value, After: in.SearchAfter}
	}
	creation := in.Cluster.Status.Creation
	justCreated := creation != nil && creation.Digest != ""
	changed := in.Desired != nil && (in.SecretsRotated || Changed(in.Cluster.Status.AppliedDigest, in.Desired))
	if changed && !justCreated && in.ClusterID != "" {
		interest.SpecAfter = in.GenerationSeenAt
	}
	return interest
}
