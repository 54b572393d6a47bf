// Package plugin has the release of the kubectl plugin: the script that builds the archives,
// the krew manifest and the completion script. The test of this package reads what the
// script writes; no program imports it.
package plugin
