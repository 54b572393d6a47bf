// Package diff compares a declared specification with an object in a workspace, by a
// table with one row per field. It finds the differences, the fields that a
// specification owns and those that were removed from it, and computes the digest for
// the status. A kind has a table of its own: the rows, and the type of its resource.
//
// It knows no kind. What a kind alone needs, such as two sources of the observed values
// or the bodies of its requests, belongs to the package of the kind, which is
// internal/drift for clusters.
//
// Every function is pure: there is no client, no clock, no logger and no
// controller-runtime.
package diff
