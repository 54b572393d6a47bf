//go:build race

package histories

// defaultSteps is for the race detector, which makes a history ten times slower.
const defaultSteps = 1_000

// stride is the distance of the calls at which TestACrashAtEveryCall kills the operator.
const stride = 7

// fleetOnOneEdge is the number of objects of TestHundredsOfObjectsOnOneEdge.
const fleetOnOneEdge = 40

// failingFleet is the number of objects of TestAnAPIServerThatFails.
const failingFleet = 20
