// Package orphans finds the clusters of an operator that no object uses: by the owner tag
// of the clusters of a workspace, and by the objects of the control plane. Every function
// is pure.
package orphans
