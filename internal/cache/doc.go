// Package cache is one Databricks workspace as seen by all the clusters
// that an operator manages in it.
//
//   - Registry finds the Workspace of a credential: credentials of one
//     principal share one.
//   - mirror keeps what is known of every cluster, with one paged list instead
//     of one poll per object, and tells whose cluster changed.
//   - gate holds every call to what the workspace's rate limits bear.
//
// Reads happen here, on the mirror's own goroutine; a reconciler only looks at
// what is known and says what it needs to know. Writes pass through Writers,
// which only the controller's act.go comes to hold.
//
// Nothing here knows Kubernetes or decides what should be done to a cluster.
package cache
