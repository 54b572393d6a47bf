// Package workspace reconciles DatabricksWorkspaces: it connects to each of them with
// its own credential, and writes to its status whether that works, how many
// DatabricksClusters refer to it, and how much of its request limit is used.
//
// It writes nothing to Databricks, and no other object depends on the status that it
// writes. It does not import the package of another kind.
package workspace
