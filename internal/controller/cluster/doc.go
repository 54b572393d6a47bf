// Package cluster reconciles DatabricksClusters: it observes an object and its cluster,
// lets plan decide on the next step, acts, and writes the status that report computes.
//
// act.go and fence.go are the only files of the operator that write to Databricks.
// Nothing here decides: a rule belongs to plan, a comparison to drift, a condition or an
// event to report. The package does not import the package of another kind.
package cluster
