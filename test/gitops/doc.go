// Package gitops holds the operator's statuses against the tools that read
// them: kstatus, by which Flux, Helm and kubectl plugins wait, and the checks
// that Flux' own controllers must pass. It is a module of its own, so that what
// it needs does not become the operator's.
package gitops
