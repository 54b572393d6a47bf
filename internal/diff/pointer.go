package diff

import "strings"

// Replacers are costly to make, and goroutines may share them.
var (
	escape   = strings.NewReplacer("~", "~0", "/", "~1")
	unescape = strings.NewReplacer("~1", "/", "~0", "~")
)

// Pointer returns the JSON Pointer of a path of keys (RFC 6901). A key may have any
// characters.
func Pointer(path ...string) string {
	var out strings.Builder
	for _, key := range path {
		out.WriteByte('/')
		out.WriteString(escape.Replace(key))
	}
	return out.String()
}

// SplitPointer returns the path of keys of a JSON Pointer. It is the inverse of Pointer,
// and the result has at least one key.
func SplitPointer(pointer string) []string {
	parts := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	for i, part := range parts {
		parts[i] = unescape.Replace(part)
	}
	return parts
}
