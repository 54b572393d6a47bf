// Package drift holds the table of cluster fields: how what a user declared is
// spelled on the wire, how it is compared with what the workspace has, and what
// mends a difference. A new field of the Clusters API is one row in fields.go.
//
// Everything here is a pure function of its arguments: no client, no clock, no
// logger, nothing of controller-runtime.
package drift
