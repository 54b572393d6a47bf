// Package tenancy decides what a DatabricksWorkspace permits the objects that refer to it:
// their policies and the fields that they may set.
//
// What lives here: pure functions over two specs, and their messages.
//
// What must not live here: which namespaces may refer to a DatabricksWorkspace, which
// needs the Kubernetes API (internal/connection), and what happens to a refused object
// (internal/plan).
package tenancy
