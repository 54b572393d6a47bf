// Package target has the objects that commands work with, of every kind alike: how an
// argument names one (TYPE/NAME), and what all kinds have in common.
//
// It is pure and reads nothing. What a command does with an object is in the package of the
// command.
package target
