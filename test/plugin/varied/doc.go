// Package varied has a simulated workspace with clusters of every kind: all fields of the
// Clusters API, three clouds, policies, pools, the clusters of other services, and odd
// names. The tests of the kubectl plugin import it. It does not depend on the plugin.
package varied
