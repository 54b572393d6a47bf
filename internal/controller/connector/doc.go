// Package connector connects an object of any kind to its Databricks workspace. It has
// the identity of an object for the caches and the credentials, the reason why an object
// has no workspace, as plan and report use it, and the index of the objects that refer
// to a DatabricksWorkspace.
//
// It does not reconcile, makes no call to Databricks, and imports no kind's package.
// internal/connection resolves credentials, and internal/cache finds workspaces.
package connector
