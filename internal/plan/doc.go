// Package plan decides the next step for one cluster from the facts. Make evaluates a
// chain of small rules, and the first rule that matches decides. Each rule handles one
// situation.
//
// Every function is pure: there is no client, no clock, no logger and nothing of
// controller-runtime. The facts about the workspace are in Observation, and the earlier
// steps of this process in Attempts.
package plan
