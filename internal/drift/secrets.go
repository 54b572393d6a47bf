package drift

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
)

// rotatable are the paths whose write-only values rotate together.
var rotatable = []string{
	"/docker_image/basic_auth",
	"/azure_attributes/log_analytics_info/log_analytics_primary_key",
}

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
	for _, pointer := range writeOnly {
		if value, declared := desired.at(splitPointer(pointer)...); declared {
			values = append(values, pointer, value)
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
	return slices.ContainsFunc(rotatable, func(pointer string) bool { return ownsAt(owned, pointer) })
}

// Rotated returns the differences of write-only values that changed, were added or
// were removed. Compare cannot find them, because no response contains the values.
func Rotated(owned []string, desired Tree, observed Observed) []Difference {
	var found []Difference
	for _, pointer := range rotatable {
		path := splitPointer(pointer)
		_, requested := observed.Requested[path[0]]
		switch _, declared := desired.at(path...); {
		case declared:
			found = append(found, Difference{Path: pointer, Field: path[0], Desired: rotatedValue})
		case ownsAt(owned, pointer) && requested:
			found = append(found, Difference{Path: pointer, Field: path[0], Actual: rotatedValue})
		}
	}
	return found
}

func ownsAt(owned []string, pointer string) bool {
	prefix := SpecPointer(splitPointer(pointer))
	return slices.ContainsFunc(owned, func(have string) bool { return have == prefix || strings.HasPrefix(have, prefix+"/") })
}
