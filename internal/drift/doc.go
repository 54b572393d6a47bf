// Package drift compares the declared specification of a cluster with the cluster
// in the workspace, and builds the requests that correct the differences. The table
// in fields.go describes every field; a new field of the Clusters API is one row.
//
// Every function is pure: there is no client, no clock, no logger and no
// controller-runtime.
package drift
