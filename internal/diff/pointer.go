package diff

import "strings"

// Pointer returns the JSON Pointer of a path of keys (RFC 6901). A key may have any
// characters.
func Pointer(path ...string) string {
	var out strings.Builder
	for _, key := range path {
		out.WriteByte('/')
		out.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(key))
	}
	return out.String()
}

// SplitPointer returns the path of keys of a JSON Pointer. It is the inverse of Pointer,
// and the result has at least one key.
func SplitPointer(pointer string) []string {
	parts := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	for i, part := range parts {
		parts[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
	}
	return parts
}
