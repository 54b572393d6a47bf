// Package programs builds the operator and the workspace simulator and runs
// them as processes of their own: for the demo, and for suites that prove what
// only a process can show (flags, signals, sudden death).
//
// It knows both programs by their command line and what they print, as any user
// does. What is in them it must not import, except the simulator's words for
// what its control endpoint answers.
package programs
