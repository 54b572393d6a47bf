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
		got, blocked := s.values(ctx, cluster, secretUse{field, v1alpha1.UseRegistry}, image.BasicAuthSecretRef.Name, "username", "password")
		if blocked != nil {
			return values, blocked
		}
		values.DockerUsername, values.DockerPassword = got[0], got[1]
	}
	if azure := cluster.Spec.AzureAttributes; azure != nil && azure.LogAnalyticsInfo != nil {
		if ref := azure.LogAnalyticsInfo.LogAnalyticsPrimaryKeySecretRef; ref != nil {
			const field = "spec.azureAttributes.logAnalyticsInfo.logAnalyticsPrimaryKeySecretRef"
			got, blocked := s.values(ctx, cluster, secretUse{field, v1alpha1.UseLogAnalytics}, ref.Name, ref.Key)
			if blocked != nil {
				return values, blocked
			}
			values.LogAnalyticsPrimaryKey = got[0]
		}
	}
	return values, nil
}

// secretUse is what a Secret is used for: the field that names it, and the value of
// LabelUse that permits it.
type secretUse struct{ field, label string }

// secretRetryInterval is how often a missing, incomplete or unlabelled Secret is read
// again.
const secretRetryInterval = 20 * time.Second

// values returns the values of a Secret's keys. The Secret must permit the use by its
// label: the author of an object need not have the right to read the Secret, and the
// workspace that gets the values may be the author's own.
func (s secretReader) values(
	ctx context.Context, cluster *v1alpha1.DatabricksCluster, use secretUse, name string, keys ...string,
) ([]drift.SecretValue, *managed.Blocked) {
	blocked := &managed.Blocked{Reason: v1alpha1.ReasonCredentialsNotReady, RequeueAt: time.Now().Add(secretRetryInterval)}
	var object corev1.Secret
	if err := s.reader.Get(ctx, types.NamespacedName{Namespace: cluster.Namespace, Name: name}, &object); err != nil {
		blocked.Message = fmt.Sprintf("%s: Secret %q cannot be read (%s); create it in namespace %s",
			use.field, name, apierrors.ReasonForError(err), cluster.Namespace)
		return nil, blocked
	}
	if object.Labels[v1alpha1.LabelUse] != use.label {
		blocked.Message = fmt.Sprintf("%s: Secret %q does not permit this use; it needs the label %s: %s", use.field, name, v1alpha1.LabelUse, use.label)
		return nil, blocked
	}
	values := make([]drift.SecretValue, 0, len(keys))
	for _, key := range keys {
		value, ok := object.Data[key]
		if !ok {
			blocked.Message = fmt.Sprintf("%s: Secret %q has no key %q; add it", use.field, name, key)
			return nil, blocked
		}
		values = append(values, drift.NewSecretValue(string(value)))
	}
	return values, nil
}
