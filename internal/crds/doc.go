// Package crds compares the fields that this version of the operator knows with those of
// the CRDs in the API server, which may be older: Helm does not upgrade the CRDs of a
// chart's folder crds, and a backup may restore old ones. The API server drops fields
// that a CRD lacks, such as those that a creation depends on.
//
// It reads the published OpenAPI document, for which no right is needed. The controllers
// reconcile nothing while a field is missing.
package crds
