package drift

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// Digest tells one declared specification from another, for the status. Values
// that the API never shows again have no part in it: it must not tell of them.
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
	return hex.EncodeToString(sum[:enough])
}

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
