// Package figures defines the operator's performance targets, row by row, and
// prints them next to the measured figures, on a terminal and in the
// documentation.
package figures
