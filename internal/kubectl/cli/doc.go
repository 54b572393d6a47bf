// Package cli has the commands of the kubectl plugin: their flags, their output and their
// exit codes. What a command does is in a package of its own beside this one.
//
//   - root, session: the program, and what all commands share
//   - output: texts of at most 80 columns
//   - one file for each command, or for a group of similar ones
//
// Results go to the standard output, and everything else to the standard error. A line of
// progress is shown only on a terminal.
package cli
