// Package corpus records the statuses that the operator writes in a run of the
// suites: one object for every shape of status. test/gitops evaluates them with
// kstatus, Flux and Argo CD.
package corpus
