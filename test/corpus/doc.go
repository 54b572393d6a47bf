// Package corpus keeps what the operator really wrote: one object of every
// shape of status that came up in a run of the suites. test/gitops reads them as
// kstatus, Flux and Argo CD do.
package corpus
