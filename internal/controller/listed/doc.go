// Package listed reconciles the kinds whose remote objects a workspace lists in one call:
// it connects an object, observes, carries out what internal/managed decides, and writes
// the status.
//
// One Reconciler serves one kind, which it knows as a managed.Kind. It decides nothing and
// imports no kind.
package listed
