package drift

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
// new field does not change existing digests.
func Digest(desired Tree) string {
	if desired == nil {
		return ""
	}
	public := desired.clone()
	for _, f := range fields {
		for _, member := range f.writeOnly {
			public.remove(f.path(member))
		}
	}
	// A tree holds what encoding/json decoded, which it can always encode.
	raw, _ := json.Marshal(public) //nolint:errchkjson // see above
	sum := sha256.Sum256(raw)
	const digestBytes = 8
	return digestVersion + hex.EncodeToString(sum[:digestBytes])
}

// KnownDigest reports whether a digest has the version that Digest returns. Two
// digests of one version differ only if the specifications differ.
func KnownDigest(digest string) bool { return strings.HasPrefix(digest, digestVersion) }

// remove removes the value at a path of keys, if there is one.
func (t Tree) remove(path []string) {
	if len(path) == 1 {
		delete(t, path[0])
		return
	}
	if member, ok := t[path[0]].(map[string]any); ok {
		Tree(member).remove(path[1:])
	}
}
