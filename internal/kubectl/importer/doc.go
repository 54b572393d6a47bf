// Package importer writes the manifests of clusters, policies and instance pools that exist
// already, so that applying them changes nothing in the workspace. That of a cluster claims
// what was requested for it and nothing else.
//
//   - select: the clusters that a command selects, and why others are left out
//   - names: the names of the objects
//   - convert, secrets: a requested specification as the spec of an object
//   - listed: policies and instance pools
//   - verify, schema: what the operator would see as a difference, or the resource refuses, is left out
//   - collect: the requests to the workspace
//   - manifest, files: the text, and the files
//
// Everything except collect and files is pure. The package writes nothing to a workspace.
package importer
