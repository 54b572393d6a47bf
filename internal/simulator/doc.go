// Package simulator is an HTTP server that behaves like a Databricks workspace,
// as far as a cluster's life goes, so that clients can be developed and tested
// offline and against failures that no real workspace produces on demand.
//
// It is written from what Databricks documents and what users observed of the
// real server, never from what any client of this repository sends; it shares
// no code with them. Where the sources are silent or contradict each other, the
// behaviour is a switch in Behaviour.
//
// The files by subject:
//
//   - server, call, routes: a request from the wire to its handler
//   - identity, tokens, oauth, principals: who calls, in which workspace, with which rights
//   - limits, faults, log: how often, what goes wrong, what was asked
//   - shape, fields, validate, defaults, rewriting, extras: a cluster's specification, and what the server makes of it
//   - policies, policyrules, versions: what a policy fixes, refuses and fills in
//   - lifecycle, cluster, verbs, update, list, events: clusters and what may be done to them
//   - libraries, permissions, pools, catalog: what surrounds them
//   - external, actors, owners: what others do to clusters, and what a test may know of them
//   - control, control_workspaces, config, wire: reading and changing all that over HTTP, at ControlPath, or from a file
//   - start, certificate, transport: over TLS, or without a network
//
// Nothing runs in the background: each request first brings the clusters it
// looks at up to date with the Clock, so the same requests at the same times
// give the same answers.
package simulator
