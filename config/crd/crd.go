// Package crd has the CRDs of this repository for programs that need their schema, such
// as the kubectl plugin, which checks manifests before it prints them. It has no code.
package crd

import _ "embed" // the schema

// Clusters is the CRD of DatabricksCluster, as YAML.
//
//go:embed bases/compute.databricks-operator.io_databricksclusters.yaml
var Clusters []byte

// Policies is the CRD of DatabricksClusterPolicy, as YAML.
//
//go:embed bases/compute.databricks-operator.io_databricksclusterpolicies.yaml
var Policies []byte

// Pools is the CRD of DatabricksInstancePool, as YAML.
//
//go:embed bases/compute.databricks-operator.io_databricksinstancepools.yaml
var Pools []byte
