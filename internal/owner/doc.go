// Package owner has the form of the owner tag: which object of which control plane a
// cluster was created for. It is pure, and knows neither clusters nor objects.
package owner
