package plan

import (
	"time"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/drift"
)

// NeedsInput is what an object's interest in its cluster depends on.
type NeedsInput struct {
	Cluster *v1alpha1.DatabricksCluster
	// ClusterID is the object's cluster: the one on record, else the one it names;
	// empty: none.
	ClusterID string
	// ReadAfter is how new a read of the cluster must be, because of what was tried,
	// and BaseAfter how new the spec that a correction is to be based on; zero: none is
	// under way.
	ReadAfter, BaseAfter time.Time
	// GenerationSeenAt is when this process first saw this generation.
	GenerationSeenAt time.Time
	// Desired is the declared specification, nil: unknown; SecretsRotated reports
	// whether its write-only values are others than those that were last sent.
	Desired        drift.Tree
	SecretsRotated bool
}

// Needs sets what the next decision needs to know of the cluster itself. A changed
// specification needs a GET: only its spec shows what is to be cleared, and what a
// correction is to be based on.
func Needs(in NeedsInput, interest *cache.Interest) {
	interest.ClusterID, interest.After, interest.SpecAfter = in.ClusterID, in.ReadAfter, in.BaseAfter
	creation := in.Cluster.Status.Creation
	isJustCreated := creation != nil && creation.Digest != ""
	changed := in.Desired != nil && (in.SecretsRotated || Changed(in.Cluster.Status.AppliedDigest, in.Desired))
	if changed && !isJustCreated && in.GenerationSeenAt.After(interest.SpecAfter) {
		interest.SpecAfter = in.GenerationSeenAt
	}
}
