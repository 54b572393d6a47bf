// Package clusterpolicy is the DatabricksClusterPolicy kind: its fields and what is peculiar
// to cluster policies. Everything else is true of every listed kind and lives in
// internal/managed.
//
// It is pure and imports no other kind.
package clusterpolicy
