package plan

import (
	"encoding/json"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/drift"
)

// CompareInput has the facts of a comparison between an object and its cluster. Every fact
// has the time when its read began. All reads began after the last own write to the
// cluster completed.
type CompareInput struct {
	Cluster *v1alpha1.DatabricksCluster
	// Desired is the declared specification. SecretsRotated reports whether its
	// write-only values differ from those that were last sent.
	Desired        drift.Tree
	SecretsRotated bool
	// Details are from a read that began at ReadAt, by a list or a GET.
	Details *compute.ClusterDetails
	ReadAt  time.Time
	// Spec is from a GET that began at SpecAt; nil: unknown.
	Spec     json.RawMessage
	SpecAt   time.Time
	Attempts Attempts
}

// ComparedSpec identifies a comparison with a known spec. While the effective values stay
// the same, the same spec gives the same result, and no further GET is needed.
type ComparedSpec struct {
	// Effective is the digest of the differences that the effective view shows.
	Effective string
	// SpecAt is when the GET began.
	SpecAt time.Time
}

// Comparison is the result of Compare.
type Comparison struct {
	// Complete reports whether the facts suffice. If not, only SpecAfter is set: a GET
	// that began after it is needed.
	Complete  bool
	SpecAfter time.Time
	// Differences must be corrected; Normalized are values that the server chose.
	Differences, Normalized []drift.Difference
	// Observed is the cluster, with its spec if the comparison used it; SpecAt is then
	// when that GET began.
	Observed drift.Observed
	SpecAt   time.Time
	// Compared is kept for the next comparison.
	Compared ComparedSpec
}

// Compare compares an object with its cluster. A list shows the effective values
// only. That suffices where this very specification was compared with a spec before,
// or was just created with, and the effective values are as declared. In every other
// case a GET decides that began after this generation was first seen, and that is no
// older than the effective values: what only the spec shows, such as a removal, is
// otherwise unknown.
func Compare(in CompareInput) (Comparison, error) {
	observed, err := drift.Observe(in.Details, in.Spec)
	if err != nil {
		return Comparison{}, err
	}
	effective, recorded := in.split(observed.WithoutSpec())
	digest := DiffDigest(effective)
	isSame := digest == in.Attempts.Compared.Effective && in.SpecAt.Equal(in.Attempts.Compared.SpecAt)
	changed := in.SecretsRotated || Changed(in.Cluster.Status.AppliedDigest, in.Desired)
	switch {
	case !observed.SpecKnown(), changed && !in.SpecAt.After(in.Attempts.GenerationSeenAt):
	case isSame, !in.SpecAt.Before(in.ReadAt):
		return in.full(observed, digest), nil
	}
	isKept := !changed || in.isJustCreated()
	if len(effective) == 0 && isKept && !drift.MayNeedClearing(in.Cluster.Status.OwnedFields, in.Desired) {
		return Comparison{
			Complete: true, Normalized: recorded, Observed: observed.WithoutSpec(), Compared: in.Attempts.Compared,
		}, nil
	}
	needed := Comparison{SpecAfter: in.ReadAt, Compared: in.Attempts.Compared}
	if changed && !in.SpecAt.After(in.Attempts.GenerationSeenAt) {
		needed.SpecAfter = in.Attempts.GenerationSeenAt
	}
	return needed, nil
}

// full returns the comparison that includes the spec.
func (in CompareInput) full(observed drift.Observed, effective string) Comparison {
	differences, normalized := in.split(observed)
	owned := in.Cluster.Status.OwnedFields
	differences = append(differences, drift.Removed(owned, in.Desired, observed)...)
	if in.SecretsRotated {
		differences = append(differences, drift.Rotated(owned, in.Desired, observed)...)
	}
	return Comparison{
		Complete: true, Differences: differences, Normalized: normalized,
		Observed: observed, SpecAt: in.SpecAt, Compared: ComparedSpec{Effective: effective, SpecAt: in.SpecAt},
	}
}

// split separates the differences to correct from the values that the server chose.
func (in CompareInput) split(observed drift.Observed) (differences, normalized []drift.Difference) {
	return SplitNormalized(NormalizedInput{
		Cluster: in.Cluster, Desired: in.Desired, Found: drift.Compare(in.Desired, observed),
		SpecKnown: observed.SpecKnown(), Last: in.Attempts.Last,
	})
}

// isJustCreated reports whether the cluster was created with this same specification and
// was not compared since, so that no field can have been removed.
func (in CompareInput) isJustCreated() bool {
	creation := in.Cluster.Status.Creation
	return creation != nil && creation.Digest == drift.Digest(in.Desired)
}
