// Mutants measures whether the tests notice mistakes in the code.
//
// A mutant is the code with one small mistake: a condition negated, a call deleted, a
// limit changed. It is killed if a test fails or does not end. All mutants of a package
// are compiled into one test binary, and the environment variable MUTANT selects one
// per run, so that a package is built once. Each test is first run alone, which shows the
// mutants whose places it reaches; a mutant is run with those tests only. Tests with a
// control plane run together, one mutant at a time.
//
// Beside the mutants that are found in the syntax, the files in test/mutants/critical
// describe mistakes by their source text, each with the tests that must fail.
//
// Deletions of locks and of deferred calls are not mutants: only the race detector or
// a deadlock would show them.
package main
