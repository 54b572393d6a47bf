// Package figures holds what is promised of the operator's performance, row by
// row, and shows what was measured beside it, on a terminal and in the
// documentation.
package figures
