package cluster

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/controller/secretvalue"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// secretReader reads the Secrets that a specification names, uncached and from the
// object's own namespace.
type secretReader struct{ reader client.Reader }

// resolve returns the values that a specification names, or why the object is blocked.
func (s secretReader) resolve(ctx context.Context, cluster *v1alpha1.DatabricksCluster) (drift.Secrets, *managed.Blocked) {
	var values drift.Secrets
	if image := cluster.Spec.DockerImage; image != nil && image.BasicAuthSecretRef != nil {
		const field = "spec.dockerImage.basicAuthSecretRef"
		got, blocked := s.values(ctx, cluster, secretvalue.Use{Field: field, Label: v1alpha1.UseRegistry}, image.BasicAuthSecretRef.Name, "username", "password")
		if blocked != nil {
			return values, blocked
		}
		values.DockerUsername, values.DockerPassword = got[0], got[1]
	}
	if azure := cluster.Spec.AzureAttributes; azure != nil && azure.LogAnalyticsInfo != nil {
		if ref := azure.LogAnalyticsInfo.LogAnalyticsPrimaryKeySecretRef; ref != nil {
			const field = "spec.azureAttributes.logAnalyticsInfo.logAnalyticsPrimaryKeySecretRef"
			got, blocked := s.values(ctx, cluster, secretvalue.Use{Field: field, Label: v1alpha1.UseLogAnalytics}, ref.Name, ref.Key)
			if blocked != nil {
				return values, blocked
			}
			values.LogAnalyticsPrimaryKey = got[0]
		}
	}
	return values, nil
}

// values returns the values of a Secret's keys.
func (s secretReader) values(
	ctx context.Context, cluster *v1alpha1.DatabricksCluster, use secretvalue.Use, name string, keys ...string,
) ([]drift.SecretValue, *managed.Blocked) {
	found, blocked := secretvalue.Read(ctx, s.reader, types.NamespacedName{Namespace: cluster.Namespace, Name: name}, use, keys...)
	values := make([]drift.SecretValue, 0, len(found))
	for _, value := range found {
		values = append(values, drift.NewSecretValue(value))
	}
	return values, blocked
}
