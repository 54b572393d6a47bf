//go:build race

package plugin_test

// clusterCount is the number of clusters that are imported. The race detector makes the
// operator several times slower.
const clusterCount = 100
