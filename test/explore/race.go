//go:build race

package explore

// underRace reports whether the race detector slows the tests down.
const underRace = true
