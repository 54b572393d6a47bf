// Package connection turns spec.connection of an object into a credential for a
// Databricks workspace, or into the reason why there is none.
//
// A credential comes from a Secret or a service account of the object's own
// namespace, or from a cluster-scoped DatabricksWorkspace whose Secret is in the
// operator's namespace and which allows the object's namespace. The package reads
// these sources one by one and uncached, because the operator may not list
// Secrets, keeps what it read while an object uses it, reads it again, and
// enqueues the objects that use a source which changed.
//
// The package knows no kind of object and calls no workspace. The controllers
// report whether the workspace accepts a credential by MarkAccepted and
// MarkRejected.
package connection
