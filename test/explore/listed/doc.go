// Package listed is a model checker for the protocol that creates and deletes the remote
// object of a kind that a workspace lists in one call: a cluster policy, which carries no
// tags, or an instance pool, which carries the owner tag. It enumerates the interleavings of
// two operator processes, the API server, the workspace, their faults and time, and checks
// invariants in every state.
//
// What lives here: the state and its models (model.go), time (stamp.go), a mirror of how
// internal/controller/listed carries out a step (process.go), the events (events.go), and
// what happens without faults (rounds.go). Package statespace searches the states. Every decision is made by the code of the operator: managed.Needs,
// Attempts, ReadFrom, Compare, Make and ReportTo (decide.go).
//
// What must not live here: a decision of its own, a clock, an API server, a random number,
// and anything that the operator imports. The switches that take one fence away exist in
// this package only.
package listed
