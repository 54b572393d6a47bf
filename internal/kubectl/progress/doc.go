// Package progress shows the progress of a long command on a terminal.
//
// It writes one line, which later ones replace, and nothing at all if the output is not
// a terminal, so that a pipe and a log stay clean. It knows nothing of commands.
package progress
