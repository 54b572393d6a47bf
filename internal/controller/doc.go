// Package controller wires the controllers of the operator into a manager: options,
// the scope of the caches, the event source, and what the kinds share.
//
// The reconcilers are in the packages of the kinds, cluster and workspace, which do not
// import each other. Code that reads, decides or writes does not belong here.
package controller
