// Package report tells what there is to tell about one cluster: its status,
// its conditions and the events of a transition, from the facts, the plan and
// the outcome. It is the only place that knows the rules by which kstatus,
// Flux and Argo CD read an object.
//
// Everything here is a pure function of its arguments: the same facts give the
// same status to the byte. No client, no clock, no logger.
package report
