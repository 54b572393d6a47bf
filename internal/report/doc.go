// Package report computes the status, the conditions and the events of an object from the
// facts, the plan and the outcome of its step. Only this package contains the rules by
// which kstatus, Flux and Argo CD read an object.
//
// Every function is pure: the same facts give the same status, byte for byte. There is no
// client, no clock and no logger.
package report
