//go:build !race

package plugin_test

// clusterCount is the number of clusters that are imported.
const clusterCount = 500
