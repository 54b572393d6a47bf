package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupName is the API group of every kind of this package.
const GroupName = "compute.databricks-operator.io"

// ClusterKind is the kind of DatabricksCluster, as manifests and events name it.
const ClusterKind = "DatabricksCluster"

// PolicyKind is the kind of DatabricksClusterPolicy.
const PolicyKind = "DatabricksClusterPolicy"

// PoolKind is the kind of DatabricksInstancePool.
const PoolKind = "DatabricksInstancePool"

// WorkspaceKind is the kind of DatabricksWorkspace.
const WorkspaceKind = "DatabricksWorkspace"

var (
	// GroupVersion is the group and version of this package.
	GroupVersion = schema.GroupVersion{Group: GroupName, Version: "v1alpha1"}
	// SchemeGroupVersion is GroupVersion by the name that generated clients use.
	SchemeGroupVersion = GroupVersion
	// SchemeBuilder collects the functions that register this package's kinds.
	SchemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)
	// AddToScheme registers this package's kinds with a scheme.
	AddToScheme = SchemeBuilder.AddToScheme
)

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(
		GroupVersion,
		&DatabricksCluster{}, &DatabricksClusterList{}, &DatabricksClusterPolicy{}, &DatabricksClusterPolicyList{},
		&DatabricksInstancePool{}, &DatabricksInstancePoolList{}, &DatabricksWorkspace{}, &DatabricksWorkspaceList{},
	)
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
