package drift

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
)

// digestVersion is the form of Digest's results. It changes with every change
// that gives an unchanged object another digest; TestDigest is its guard.
const digestVersion = "v1:"

// Digest returns a digest of a declared specification, for the status, such as
// v1:0123456789abcdef; "" of none. Values that the API never shows again have no
// part in it, because a digest of a short secret can be guessed. A field that is
// not set has none either, so that new fields leave the digests of others alone.
func Digest(desired Tree) string {
	if desired == nil {
		return ""
	}
	bare := desired.clone()
	for _, place := range writeOnly {
		bare.clear(splitPointer(place))
	}
	// A tree holds what encoding/json decoded, which it can always encode.
	raw, _ := json.Marshal(bare) //nolint:errchkjson // see above
	sum := sha256.Sum256(raw)
	const enough = 8
	return digestVersion + hex.EncodeToString(sum[:enough])
}

// KnownDigest reports whether a digest is of the form that Digest returns, so
// that another value means another specification. Those of other versions of the
// operator are not.
func KnownDigest(digest string) bool { return strings.HasPrefix(digest, digestVersion) }

// clear takes a place out of the tree, if it is there.
func (t Tree) clear(path []string) {
	if len(path) == 1 {
		delete(t, path[0])
		return
	}
	if member, ok := t[path[0]].(map[string]any); ok {
		Tree(member).clear(path[1:])
	}
}
