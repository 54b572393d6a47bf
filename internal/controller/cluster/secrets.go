package cluster

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

// secretReader reads the Secrets that a specification names, uncached and from the
// object's own namespace.
type secretReader struct{ reader client.Reader }

// resolve returns the values that a specification names, or why the object is blocked.
func (s secretReader) resolve(ctx context.Context, cluster *v1alpha1.DatabricksCluster) (drift.Secrets, *plan.Blocked) {
	var values drift.Secrets
	var blocked *plan.Blocked
	if image := cluster.Spec.DockerImage; image != nil && image.BasicAuthSecretRef != nil {
		name := image.BasicAuthSecretRef.Name
		if values.DockerUsername, blocked = s.value(ctx, cluster, "spec.dockerImage.basicAuthSecretRef", name, "username"); blocked != nil {
			return values, blocked
		}
		if values.DockerPassword, blocked = s.value(ctx, cluster, "spec.dockerImage.basicAuthSecretRef", name, "password"); blocked != nil {
			return values, blocked
		}
	}
	if azure := cluster.Spec.AzureAttributes; azure != nil && azure.LogAnalyticsInfo != nil {
		if ref := azure.LogAnalyticsInfo.LogAnalyticsPrimaryKeySecretRef; ref != nil {
			const field = "spec.azureAttributes.logAnalyticsInfo.logAnalyticsPrimaryKeySecretRef"
			values.LogAnalyticsPrimaryKey, blocked = s.value(ctx, cluster, field, ref.Name, ref.Key)
		}
	}
	return values, blocked
}

// secretRetryInterval is how often a missing or incomplete Secret is read again.
const secretRetryInterval = 20 * time.Second

func (s secretReader) value(ctx context.Context, cluster *v1alpha1.DatabricksCluster, field, name, key string) (string, *plan.Blocked) {
	blocked := &plan.Blocked{Reason: v1alpha1.ReasonCredentialsNotReady, RequeueAt: time.Now().Add(secretRetryInterval)}
	var object corev1.Secret
	err := s.reader.Get(ctx, types.NamespacedName{Namespace: cluster.Namespace, Name: name}, &object)
	if err != nil {
		blocked.Message = fmt.Sprintf("%s: Secret %q cannot be read (%s); create it in namespace %s", field, name, apierrors.ReasonForError(err), cluster.Namespace)
		return "", blocked
	}
	value, ok := object.Data[key]
	if !ok {
		blocked.Message = fmt.Sprintf("%s: Secret %q has no key %q; add it", field, name, key)
		return "", blocked
	}
	return string(value), nil
}
