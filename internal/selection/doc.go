// Package selection resolves the names, references and selectors of a specification to the
// ids of one workspace. A new name is one row of the table choices.
//
// Every function is pure. It has no access to a workspace or to the Kubernetes API: the
// lists, the objects of the references and the earlier choices are arguments. The rules by which a runtime or a
// node type matches a selector are in internal/sparkversion.
package selection
