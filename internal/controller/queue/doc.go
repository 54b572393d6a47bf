// Package queue adds objects to the queues of the controllers, with a priority, and
// computes when an object is reconciled again.
//
// It knows no kind of object. What makes an object change, and whether a user waits
// for it, is decided by the packages of the kinds.
package queue
