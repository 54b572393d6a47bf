// Package instancepool is the DatabricksInstancePool kind: its fields, its state, and what
// is peculiar to instance pools. Everything else is true of every listed kind and lives in
// internal/managed.
//
// It is pure and imports no other kind.
package instancepool
