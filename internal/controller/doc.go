// Package controller reconciles DatabricksCluster objects: it gathers the
// facts, asks plan what is next, does it, and writes what report tells.
//
// It is the only package that knows all four. act.go is the only file of the
// operator that writes to Databricks. Nothing here decides: a rule belongs into
// plan, a comparison into drift, a condition into report.
package controller
