package managed

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/diff"
)

// Comparison is how a remote object differs from its specification.
type Comparison struct {
	// Known reports whether the remote object was compared.
	Known bool
	// Differences can be corrected by an edit; Immutable are those that the API does not
	// change.
	Differences, Immutable []diff.Difference
	// Normalized are the differences that the server made of what it accepted, which are
	// not sent again.
	Normalized []diff.Difference
	// ChangedByUser reports whether the specification differs from the last one that was
	// applied. Otherwise a difference is drift.
	ChangedByUser bool
}

// isEqual reports whether nothing is left to correct.
func (c Comparison) isEqual() bool { return len(c.Differences) == 0 && len(c.Immutable) == 0 }

// ineffectiveEdits is how many edits in a row must leave a difference as it was before it
// counts as made by the server.
const ineffectiveEdits = 3

// Compare compares a remote object with its specification. It compares only declared
// fields, and fields that were declared before and are not any more.
func Compare(in Input) Comparison {
	if in.Desired == nil || in.Observed.Presence != Present {
		return Comparison{}
	}
	status, table, remote := in.Object.Status, in.Kind.Fields, in.Observed.Remote.Tree
	digest := table.Digest(in.Desired)
	found := Comparison{Known: true, ChangedByUser: status.AppliedDigest != "" && status.AppliedDigest != digest}
	differences := table.Compare(in.Desired, remote)
	// What the creation itself asked for and the server made otherwise is no drift.
	isFirst := status.AppliedDigest == "" && status.Creation != nil && status.Creation.Digest == digest
	for _, d := range differences {
		switch {
		case isFirst, in.isNormalized(d):
			found.Normalized = append(found.Normalized, d)
		case d.Immutable:
			found.Immutable = append(found.Immutable, d)
		default:
			found.Differences = append(found.Differences, d)
		}
	}
	for _, d := range table.Removed(status.OwnedFields, in.Desired, remote) {
		if !d.Immutable && !in.isNormalized(d) {
			found.Differences = append(found.Differences, d)
		}
	}
	return found
}

// isNormalized reports whether a difference is known to be the server's.
func (in Input) isNormalized(d diff.Difference) bool {
	known := v1alpha1.NormalizedField{Path: d.SpecPath, Digest: differenceKey(d)}
	return slices.Contains(in.Object.Status.NormalizedFields, known) || in.Attempts.Ineffective[known.Digest] >= ineffectiveEdits
}

// differenceKey identifies a difference by its path and both values, in a form that shows
// no value.
func differenceKey(d diff.Difference) string {
	values := []any{d.Path, nil, nil}
	if !d.Secret {
		values = []any{d.Path, d.Desired, d.Actual}
	}
	// A tree holds what encoding/json decoded, which it can always encode.
	raw, _ := json.Marshal(values) //nolint:errchkjson // see above
	sum := sha256.Sum256(raw)
	const digestBytes = 8
	return hex.EncodeToString(sum[:digestBytes])
}

func differencesKey(differences []diff.Difference) string {
	keys := make([]string, 0, len(differences))
	for _, d := range differences {
		keys = append(keys, differenceKey(d))
	}
	return strings.Join(keys, " ")
}

// paths returns the paths of differences in the specification, such as
// spec.maxClustersPerUser.
func paths(differences []diff.Difference) string {
	names := make([]string, 0, len(differences))
	for _, d := range differences {
		names = append(names, "spec"+strings.ReplaceAll(d.SpecPath, "/", "."))
	}
	return strings.Join(names, ", ")
}
