// Package statespace searches the states of a model breadth first, so that the history of the
// first violation is a shortest one.
//
// What lives here: the search, and what it found. What must not live here: anything about
// the protocol that is searched.
package statespace
