package main

import (
	"go.uber.org/zap/zapcore"
)

// maxVerbosity is the highest level that is logged. Above it client-go logs the headers
// and bodies of its requests, and so the Secrets that the operator reads and the tokens
// that it requests.
const maxVerbosity = 6

// cappedLevel enables the levels that another enabler enables, up to maxVerbosity.
type cappedLevel struct{ zapcore.LevelEnabler }

// Enabled reports whether a level is logged. zap counts verbosity downwards.
func (c cappedLevel) Enabled(level zapcore.Level) bool {
	return level >= -maxVerbosity && c.LevelEnabler.Enabled(level)
}
