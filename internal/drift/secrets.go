package drift

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
)

// rotatable are the places whose write-only values rotate together.
var rotatable = []string{
	"/docker_image/basic_auth",
	"/azure_attributes/log_analytics_info/log_analytics_primary_key",
}

// rotatedValue stands for a write-only value that is to be sent.
const rotatedValue = "[rotated]"

const (
	// secretsVersion is the form of SecretsDigest's results.
	secretsVersion = "v1:"
	// secretsRounds makes one guess at a secret cost about five milliseconds.
	secretsRounds = 20_000
	// secretsBytes is what is kept of the hash. So short a digest fits one of
	// 65,536 guesses, so that it confirms none, and misses as few rotations.
	secretsBytes = 2
)

// SecretsDigest returns a digest of the write-only values of a specification, or
// "" where it has none. The salt is the object's uid. The digest shows that the
// values changed and is too short to confirm a guess at them.
func SecretsDigest(desired Tree, salt string) string {
	var values []any
	for _, place := range writeOnly {
		if value, declared := desired.at(splitPointer(place)...); declared {
			values = append(values, place, value)
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

// KnownSecretsDigest reports whether a digest is of the form that SecretsDigest
// returns, so that another value means other secrets.
func KnownSecretsDigest(digest string) bool { return strings.HasPrefix(digest, secretsVersion) }

// OwnsSecrets reports whether write-only values are among the owned fields.
func OwnsSecrets(owned []string) bool {
	return slices.ContainsFunc(rotatable, func(place string) bool { return ownsAt(owned, place) })
}

// Rotated lists the differences of write-only values that changed, were added or
// were removed. No comparison can find them, because no answer shows the values.
func Rotated(owned []string, desired Tree, observed Observed) []Difference {
	var found []Difference
	for _, place := range rotatable {
		path := splitPointer(place)
		_, asked := observed.Asked[path[0]]
		switch _, declared := desired.at(path...); {
		case declared:
			found = append(found, Difference{Path: place, Field: path[0], Desired: rotatedValue})
		case ownsAt(owned, place) && asked:
			found = append(found, Difference{Path: place, Field: path[0], Actual: rotatedValue})
		}
	}
	return found
}

func ownsAt(owned []string, place string) bool {
	prefix := SpecPointer(splitPointer(place))
	return slices.ContainsFunc(owned, func(have string) bool { return have == prefix || strings.HasPrefix(have, prefix+"/") })
}
