// Package drift compares the declared specification of a cluster with the cluster
// in the workspace, and builds the requests that correct the differences. The table
// in fields.go describes every field; a new field of the Clusters API is one row.
//
// It has what is peculiar to clusters: the spec beside the effective values, sizes, pools,
// update masks, secrets and libraries. What every kind needs is in internal/diff.
//
// Every function is pure: there is no client, no clock, no logger and no
// controller-runtime.
package drift
