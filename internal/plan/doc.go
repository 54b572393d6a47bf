// Package plan decides what should be done next to one cluster, given the
// facts. Make is a chain of small rules, first answer wins; each rule names the
// situation that it knows and nothing else.
//
// Everything here is a pure function of its arguments: no client, no clock, no
// logger, nothing of controller-runtime. What a rule needs to know about the
// world is in World, what was tried before in Attempt.
package plan
