package diff

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
)

// digestVersion is the version of the digest. It must change whenever Digest returns
// another value for an unchanged specification, which TestDigest checks.
const digestVersion = "v1:"

// Digest returns a digest of a declared specification for the status, such as
// v1:0123456789abcdef, or "" for nil. It leaves out write-only values, because a
// short secret can be guessed from its digest, and fields that are not set, so that a
// new field does not change existing digests. JSON texts with the same keys and values
// have the same digest.
func (t *Table) Digest(desired Tree) string {
	if desired == nil {
		return ""
	}
	public := desired.Clone()
	for _, f := range t.fields {
		for _, member := range f.WriteOnly {
			remove(map[string]any(public), f.Path(member))
		}
		if text, isText := public[f.Name].(string); isText && f.Kind == JSON {
			public[f.Name] = canonicalJSON(text)
		}
	}
	// A tree holds what encoding/json decoded, which it can always encode.
	raw, _ := json.Marshal(public) //nolint:errchkjson // see above
	sum := sha256.Sum256(raw)
	const digestBytes = 8
	return digestVersion + hex.EncodeToString(sum[:digestBytes])
}

// KnownDigest reports whether a digest has the version that Digest returns. Two
// digests of one version and one kind differ only if the specifications differ.
func KnownDigest(digest string) bool { return strings.HasPrefix(digest, digestVersion) }
