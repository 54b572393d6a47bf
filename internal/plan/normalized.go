package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/drift"
)

// maxNormalized bounds status.normalizedFields.
const maxNormalized = 64

// NormalizedInput has the facts for SplitNormalized.
type NormalizedInput struct {
	Cluster *v1alpha1.DatabricksCluster
	// Desired is the declared specification that Found compares.
	Desired drift.Tree
	Found   drift.Comparison
	// SpecKnown reports whether Found uses the spec of a GET that is not older than the
	// last own write, this generation and the effective values.
	SpecKnown bool
	// Last is the last step of this process for the object.
	Last Attempt
}

// SplitNormalized separates the differences to correct from the normalized ones, for which
// the server was asked for the desired value and keeps another one. Nothing is sent for a
// normalized difference. A difference is normalized
//
//   - if the spec asks for the desired value, unless an update of it has just left
//     the old value in effect,
//   - if status.normalizedFields has it with these values,
//   - if it is found by the first comparison after the create of this same
//     specification, or
//   - if the last step was an update that sent the user's change, and the value
//     in effect is neither the old one nor the desired one.
//
// Without a known spec, only recorded differences are normalized.
func SplitNormalized(in NormalizedInput) (differences, normalized []drift.Difference) {
	for _, difference := range in.Found.Normalized {
		if in.hadNoEffect(difference) {
			differences = append(differences, difference)
		} else {
			normalized = append(normalized, difference)
		}
	}
	for _, difference := range in.Found.Differences {
		if in.isNormalized(difference) {
			normalized = append(normalized, difference)
		} else {
			differences = append(differences, difference)
		}
	}
	for _, list := range [][]drift.Difference{differences, normalized} {
		slices.SortFunc(list, func(a, b drift.Difference) int { return strings.Compare(a.Path, b.Path) })
	}
	return differences, normalized
}

func (in NormalizedInput) isNormalized(difference drift.Difference) bool {
	recorded := recordOf(in.Cluster, difference)
	if recorded != nil && recorded.Digest == normalizedDigest(in.Cluster.UID, difference) {
		return true
	}
	return in.SpecKnown && (in.isFirstAfterCreate() || in.isNormalizedUpdate(difference, recorded != nil))
}

// hadNoEffect reports whether the last step was an update of a field that the server
// accepted and that left the old value in effect, or the conditions show that for this
// generation: the field cannot be changed. At a path that was normalized before, the
// server may turn every value into the old one.
func (in NormalizedInput) hadNoEffect(difference drift.Difference) bool {
	if recordOf(in.Cluster, difference) != nil || in.isFirstAfterCreate() {
		return false
	}
	if HistoryOf(in.Cluster).ChangeHadNoEffect {
		return true
	}
	was, sent := in.sent(difference)
	return sent && reflect.DeepEqual(was.Actual, difference.Actual)
}

// sent returns a difference as it was before the last step, if that step was a successful
// update that contained it.
func (in NormalizedInput) sent(difference drift.Difference) (was drift.Difference, ok bool) {
	if in.Last.Step != StepUpdate || in.Last.Failure != nil || in.Last.Generation != in.Cluster.Generation {
		return drift.Difference{}, false
	}
	at := slices.IndexFunc(in.Last.Corrected, func(was drift.Difference) bool {
		return was.Path == difference.Path && reflect.DeepEqual(was.Desired, difference.Desired)
	})
	if at < 0 {
		return drift.Difference{}, false
	}
	return in.Last.Corrected[at], true
}

// isFirstAfterCreate reports whether nothing was compared since the create call
// for this same specification.
func (in NormalizedInput) isFirstAfterCreate() bool {
	creation := in.Cluster.Status.Creation
	return creation != nil && creation.Digest == drift.Digest(in.Desired)
}

// isNormalizedUpdate reports whether a difference is the server's normalization of the
// user's change in the last step. At a path that was normalized before, the server may
// also keep the old value.
func (in NormalizedInput) isNormalizedUpdate(difference drift.Difference, normalizedBefore bool) bool {
	was, sent := in.sent(difference)
	if !sent || in.Cluster.Status.AppliedDigest != Applying || difference.Size {
		return false
	}
	moved := !reflect.DeepEqual(was.Actual, difference.Actual)
	return normalizedBefore || (moved && (difference.RequestedAsDesired() || difference.MayRewrite()))
}

// recordOf returns the entry of a path in status.normalizedFields; nil: none.
func recordOf(cluster *v1alpha1.DatabricksCluster, difference drift.Difference) *v1alpha1.NormalizedField {
	recorded := cluster.Status.NormalizedFields
	at := slices.IndexFunc(recorded, func(field v1alpha1.NormalizedField) bool { return field.Path == difference.SpecPath() })
	if at < 0 {
		return nil
	}
	return &recorded[at]
}

// NormalizedFields returns status.normalizedFields after a comparison: the
// normalized values, and the earlier ones of paths that differ in another way now, so that
// an earlier value is recognized when it returns.
func NormalizedFields(cluster *v1alpha1.DatabricksCluster, observed Observation) []v1alpha1.NormalizedField {
	fields := make([]v1alpha1.NormalizedField, 0, len(observed.Normalized))
	for _, difference := range observed.Normalized {
		fields = append(fields, v1alpha1.NormalizedField{
			Path: difference.SpecPath(), Digest: normalizedDigest(cluster.UID, difference),
		})
	}
	for _, difference := range observed.Differences {
		if recorded := recordOf(cluster, difference); recorded != nil && difference.Desired != nil {
			fields = append(fields, *recorded)
		}
	}
	slices.SortFunc(fields, func(a, b v1alpha1.NormalizedField) int { return strings.Compare(a.Path, b.Path) })
	if len(fields) == 0 {
		return nil
	}
	return fields[:min(len(fields), maxNormalized)]
}

// normalizedDigest identifies a path with its desired and actual values. The uid
// keeps digests of different objects apart.
func normalizedDigest(uid types.UID, difference drift.Difference) string {
	raw, err := json.Marshal([]any{uid, difference.Path, difference.Desired, difference.Actual})
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(raw)
	const enough = 8
	return hex.EncodeToString(sum[:enough])
}

// Changed reports whether a declared specification differs from the one with the digest in
// status.appliedDigest. An empty digest means that no specification was applied yet, and
// Applying that neither the old nor the new one is known to be in effect. A digest of
// another version of the operator counts as unchanged.
func Changed(applied string, desired drift.Tree) bool {
	if applied == "" || applied == Applying {
		return true
	}
	return drift.KnownDigest(applied) && applied != drift.Digest(desired)
}

// SecretsRotated reports whether the write-only values of the specification with this digest
// differ from those that were last sent. A status of another version of the operator,
// without a digest or with one of another format, counts as not rotated.
func SecretsRotated(cluster *v1alpha1.DatabricksCluster, digest string, last Attempt) bool {
	status := cluster.Status
	sent := last.Step == StepUpdate && last.Failure == nil && last.SecretsDigest == digest
	switch recorded := status.SecretsDigest; {
	case cluster.Spec.ManagementPolicy == v1alpha1.ManagementPolicyObserve, sent:
		return false
	case recorded == Applying:
		return true
	case recorded == "":
		return digest != "" && status.AppliedDigest != "" && !drift.OwnsSecrets(status.OwnedFields)
	default:
		return drift.KnownSecretsDigest(recorded) && recorded != digest
	}
}
