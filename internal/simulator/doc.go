// Package simulator is an HTTP server that behaves like a Databricks workspace,
// as far as the lifecycle of clusters is concerned, so that clients can be
// developed and tested offline, and against failures that a real workspace does
// not produce on demand.
//
// It is written from Databricks' documentation and from observations of the real
// server, never from the requests of a client in this repository, and shares no
// code with them. If the sources are silent or contradict each other, the
// behaviour is a switch in Behaviour.
//
// The files by subject:
//
//   - server, call, routes: a request from the wire to its handler
//   - identity, tokens, oauth, principals: the caller, its workspace and its rights
//   - limits, faults, log: rate limits, injected failures, the request log
//   - schema, fields, validate, defaults, rewriting, extras: the specification of a cluster, and the settings that the server derives from it
//   - policies, policyrules, families, versions: policies, and the values that they fix, reject and fill in
//   - compliance: whether clusters comply with their policy, and its enforcement
//   - lifecycle, cluster, actions, update, list, events: clusters and the operations on them
//   - libraries, permissions, pools, catalog: the APIs around clusters
//   - external, actor, owners: changes from outside the client under test, and the state that tests may inspect
//   - control, control_workspaces, config, wire: access to all of this over HTTP, at ControlPath, or from a file
//   - start, certificate, transport: over TLS, or without a network
//
// Nothing runs in the background: each request first advances the clusters that
// it accesses to the time of the Clock, so the same requests at the same times
// get the same responses.
package simulator
