package drift

import "github.com/databricks-operator/databricks-operator/internal/diff"

// Digest returns a digest of a declared specification for the status, such as
// v1:0123456789abcdef, or "" for nil. It leaves out write-only values and fields that are
// not set.
func Digest(desired Tree) string { return table.Digest(desired) }

// KnownDigest reports whether a digest has the version that Digest returns. Two
// digests of one version differ only if the specifications differ.
func KnownDigest(digest string) bool { return diff.KnownDigest(digest) }
