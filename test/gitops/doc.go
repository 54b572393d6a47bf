// Package gitops checks the operator's statuses with the tools that read them:
// kstatus, which Flux, Helm and kubectl plugins use, and the checks that Flux'
// own controllers must pass. It is a separate module, so that the operator does
// not get its dependencies.
package gitops
