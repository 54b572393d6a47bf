//go:build !race

package histories

const defaultSteps = 100_000

// stride is the distance of the calls at which TestACrashAtEveryCall kills the operator.
const stride = 1

// fleetOnOneEdge is the number of objects of TestHundredsOfObjectsOnOneEdge.
const fleetOnOneEdge = 300

// failingFleet is the number of objects of TestAnAPIServerThatFails.
const failingFleet = 100
