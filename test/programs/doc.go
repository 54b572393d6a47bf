// Package programs builds the operator and the workspace simulator and runs them
// as separate processes: for the demo, and for suites that test what needs a
// process (flags, signals, kills).
//
// It uses both programs only through their flags and their output. It does not
// import their code, except for the types of the simulator's control API.
package programs
