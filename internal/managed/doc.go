// Package managed has what is true of every object that stands for something in a
// Databricks workspace, whatever its kind: the response to each class of failure, the
// verdict that a status shows, the reasons why an object cannot be worked on, and requests
// by annotation.
//
// It is pure: facts in, values out. It holds no client, reads no clock, writes no log, and
// knows no kind. What is peculiar to a kind is in the package of the kind.
package managed
