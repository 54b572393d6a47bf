package drift

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"github.com/databricks-operator/databricks-operator/internal/diff"
)

// secretFields are the fields with write-only values. SecretsDigest hashes them in this
// order, descending by name, which must not change.
var secretFields = func() []field {
	rows := slices.DeleteFunc(slices.Clone(fields), func(f field) bool { return len(f.WriteOnly) == 0 })
	slices.SortFunc(rows, func(a, b field) int { return strings.Compare(b.Name, a.Name) })
	return rows
}()

// rotatedValue is shown instead of a write-only value that has to be sent.
const rotatedValue = "[rotated]"

const (
	// secretsVersion is the version of the digest.
	secretsVersion = "v1:"
	// secretsRounds makes the test of one guess take about five milliseconds.
	secretsRounds = 20_000
	// secretsBytes is the length of the digest. One of 65,536 guesses has the same
	// digest, so a digest confirms no guess, and one of 65,536 rotations is missed.
	secretsBytes = 2
)

// SecretsDigest returns a digest of the write-only values of a specification, or ""
// if it has none. The salt is the object's uid. The digest shows that the values
// changed, and is too short to confirm a guess.
func SecretsDigest(desired Tree, salt string) string {
	var values []any
	for _, f := range secretFields {
		for _, member := range f.WriteOnly {
			path := f.Path(member)
			if value, declared := desired.At(path...); declared {
				values = append(values, diff.Pointer(path...), value)
			}
		}
	}
	if len(values) == 0 {
		return ""
	}
	// A tree holds what encoding/json decoded, which it can always encode.
	raw, _ := json.Marshal(values) //nolint:errchkjson // see above
	sum, err := pbkdf2.Key(sha256.New, string(raw), []byte("secrets/"+salt), secretsRounds, sha256.Size)
	if err != nil {
		return ""
	}
	return secretsVersion + hex.EncodeToString(sum[:secretsBytes])
}

// KnownSecretsDigest reports whether a digest has the version that SecretsDigest
// returns. Two digests of one version differ only if the values differ.
func KnownSecretsDigest(digest string) bool { return strings.HasPrefix(digest, secretsVersion) }

// OwnsSecrets reports whether the owned fields include write-only values.
func OwnsSecrets(owned []string) bool {
	return slices.ContainsFunc(secretFields, func(f field) bool { return f.ownsSecret(owned) })
}

// Rotated returns the differences of write-only values that changed, were added or
// were removed. Compare cannot find them, because no response contains the values.
func Rotated(owned []string, desired Tree, observed Observed) []Difference {
	var found []Difference
	for _, f := range secretFields {
		path := f.Path(f.Secret)
		_, requested := observed.Requested[f.Name]
		switch _, declared := desired.At(path...); {
		case declared:
			found = append(found, Difference{Path: diff.Pointer(path...), Field: f.Name, Desired: rotatedValue})
		case f.ownsSecret(owned) && requested:
			found = append(found, Difference{Path: diff.Pointer(path...), Field: f.Name, Actual: rotatedValue})
		}
	}
	return found
}

// ownsSecret reports whether the owned fields include the secret of the field.
func (f field) ownsSecret(owned []string) bool {
	prefix := SpecPointer(f.Path(f.Secret))
	return slices.ContainsFunc(owned, func(pointer string) bool { return pointer == prefix || strings.HasPrefix(pointer, prefix+"/") })
}
