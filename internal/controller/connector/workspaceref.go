package connector

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// indexWorkspaceRef is the index of objects by the workspace that they refer to.
const indexWorkspaceRef = "spec.connection.workspaceRef.name"

// IndexWorkspaceRefs indexes the objects by the DatabricksWorkspace that they refer to.
func IndexWorkspaceRefs(ctx context.Context, indexer client.FieldIndexer) error {
	err := indexer.IndexField(ctx, &v1alpha1.DatabricksCluster{}, indexWorkspaceRef, func(object client.Object) []string {
		if name := WorkspaceRef(object); name != "" {
			return []string{name}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("index clusters by workspace: %w", err)
	}
	return nil
}

// WorkspaceRef returns the name of the DatabricksWorkspace that an object refers to;
// empty if it refers to none.
func WorkspaceRef(object client.Object) string {
	cluster, ok := object.(*v1alpha1.DatabricksCluster)
	if !ok || cluster.Spec.Connection == nil || cluster.Spec.Connection.WorkspaceRef == nil {
		return ""
	}
	return cluster.Spec.Connection.WorkspaceRef.Name
}

// ClustersOf returns the DatabricksClusters that refer to a DatabricksWorkspace. They
// are shared with the cache and must not be changed.
func ClustersOf(ctx context.Context, reader client.Reader, workspace string) ([]v1alpha1.DatabricksCluster, error) {
	var clusters v1alpha1.DatabricksClusterList
	err := reader.List(ctx, &clusters, client.MatchingFields{indexWorkspaceRef: workspace}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, fmt.Errorf("list the clusters that refer to a workspace: %w", err)
	}
	return clusters.Items, nil
}
