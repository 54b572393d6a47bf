// Package selection resolves the names and selectors of a specification to the ids of one
// workspace. A new name is one row of the table choices.
//
// Every function is pure. It has no access to a workspace: the lists and the earlier
// choices are arguments. The rules by which a runtime or a
// node type matches a selector are in internal/sparkversion.
package selection
