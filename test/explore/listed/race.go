//go:build race

package listed

// underRace reports whether the race detector slows the tests down.
const underRace = true
