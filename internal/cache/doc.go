// Package cache caches the state of Databricks workspaces, one cache for each
// workspace and authority, shared by all objects that have this authority.
//
//   - Registry finds the Workspace of an object's credential. Objects share data only
//     where host, workspace id and authority (the same token, OAuth client or federated
//     identity) are the same; the request limit is shared by the whole workspace.
//   - cache keeps the results of lists, GETs and lookups, each with the time at which
//     its read began. One scheduler makes all reads: one paged list instead of one poll
//     per object, and a GET if a decision needs one.
//   - A collection (databricks.Collection) is a kind of resource that the workspace lists in
//     one request, such as cluster policies. One list serves all objects of the kind, each
//     of which is notified of its own item only, and the names in Interest.Catalog.
//   - An object states its Interest in one call and gets a View. It is notified when
//     the view changes.
//   - Writers makes writes under the rate limit, each with the object's own credential,
//     and invalidates what was read before.
//   - credential is the state of a credential: its principal, and whether the workspace
//     accepts it. A refused call is confirmed by Me before the credential is rejected.
//
// The package does not depend on Kubernetes, blocks no reconciler, and decides nothing
// about clusters. Locks are taken in this order: Registry, cache, credential, rate
// limiter.
package cache
