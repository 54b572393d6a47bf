// Package managed has what is true of every object that stands for something in a
// Databricks workspace, whatever its kind: the response to each class of failure, the
// verdict that a status shows, the reasons why an object cannot be worked on, and requests
// by annotation.
//
// For the kinds that a workspace lists in one call (a Kind value describes each) it also
// has the whole decision: Make returns the next step from an Input, and Report the new
// status, conditions and events. The names of these remote objects are unique in a
// workspace, which is the second protection against a duplicate beside the persisted
// intent.
//
// It is pure: facts in, values out. It holds no client, reads no clock, writes no log, and
// knows no kind. What is peculiar to a kind is in the package of the kind;
// internal/controller/listed reconciles what this package decides.
package managed
