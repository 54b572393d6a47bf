// Package cache is one Databricks workspace as one authority sees it, for all the
// objects that have this authority.
//
//   - Registry finds the Workspace of an object's credential. Objects share data only
//     where host, workspace id and authority (the same token, OAuth client or federated
//     identity) are the same; the request limit is shared by the whole workspace.
//   - cache keeps what lists, GETs and lookups returned, each with the time when its
//     read began, and one scheduler makes all reads: one paged list instead of one poll
//     per object, a GET where a decision needs one.
//   - An object states its Interest in one call and gets a View. It is notified when
//     something of the view changes.
//   - Writers makes writes under the rate limit, each with the object's own credential,
//     and invalidates what was read before.
//   - credential is what is known of a credential: whom it authenticates as, and
//     whether it is accepted. One refused call is confirmed by Me before it is believed.
//
// Nothing here knows Kubernetes, waits on behalf of a reconciler, or decides what should
// be done to a cluster. The locks are taken in this order: Registry, cache, credential,
// rate limiter.
package cache
