// Package explore is a model checker for the protocol that creates and deletes the
// cluster of one object. It enumerates the interleavings of two operator processes, the
// API server, the workspace, their faults and time, and checks invariants in every state.
//
// What lives here: small models of the API server (kube.go), of the workspace
// (workspace.go) and of time (stamp.go), a mirror of how internal/controller carries out
// a step (process.go), the switches that take one fence away (model.go), and what happens
// without faults (rounds.go). Package statespace searches the states. Every decision is made by the code of the operator: plan.Make,
// plan.Needs, plan.ReadAfter, plan.NeedsSearchNow, plan.SearchQuery, plan.Attempts and
// report.Of (decide.go).
//
// What must not live here: a decision of its own, a clock, an API server, a random
// number, and anything that the operator imports. The switches exist in this package
// only.
package explore
