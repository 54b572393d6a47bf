// Package process has what one process knows of each object between two reconciles: the
// attempts of its kind, the version that it wrote last, and how often it wrote the status.
// Facts that must survive a restart are in the status of the object and not here.
//
// It knows no kind and writes nothing.
package process
