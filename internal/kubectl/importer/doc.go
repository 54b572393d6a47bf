// Package importer writes the manifests of clusters that exist already: each claims what
// was requested for its cluster and nothing else, so that applying it changes nothing in
// the workspace.
//
//   - select: the clusters that a command selects, and why others are left out
//   - names: the names of the objects
//   - convert, secrets: a requested specification as the spec of an object
//   - verify: what the operator would see as a difference, or the resource refuses, is left out
//   - collect: the requests to the workspace
//   - manifest, files: the text, and the files
//
// Everything except collect and files is pure. The package writes nothing to a workspace.
package importer
