package main

import (
	"os"
	"runtime/debug"
)

// garbagePercent is how far the heap may grow between two garbage collections, in
// percent of what is in use. Most of the heap of an operator are objects that stay: with
// Go's 100 they take twice their size, for garbage that appears slowly.
const garbagePercent = 50

// limitGarbage sets garbagePercent unless the environment has a GOGC.
func limitGarbage() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
}
