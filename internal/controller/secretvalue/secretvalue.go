// Package secretvalue reads the values that a specification takes from Secrets, such as the
// credential of a registry, and not the credential of a workspace, which
// internal/connection reads.
//
// It knows no kind, caches nothing and logs nothing.
package secretvalue

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// Use is what a Secret is used for: the path of the field that names it, and the value of
// LabelUse that permits it.
type Use struct{ Field, Label string }

// retryInterval is how often a missing, incomplete or unlabelled Secret is read again.
const retryInterval = 20 * time.Second

// Read returns the values of a Secret's keys, uncached, in their order, or why the object
// that names it is blocked. The Secret must permit the use by its label: the author of an
// object need not have the right to read the Secret, and the workspace that gets the values
// may be the author's own.
func Read(ctx context.Context, reader client.Reader, secret types.NamespacedName, use Use, keys ...string) ([]string, *managed.Blocked) {
	blocked := &managed.Blocked{Reason: v1alpha1.ReasonCredentialsNotReady, RequeueAt: time.Now().Add(retryInterval)}
	var object corev1.Secret
	if err := reader.Get(ctx, secret, &object); err != nil {
		blocked.Message = fmt.Sprintf("%s: Secret %q cannot be read (%s); create it in namespace %s",
			use.Field, secret.Name, apierrors.ReasonForError(err), secret.Namespace)
		return nil, blocked
	}
	if object.Labels[v1alpha1.LabelUse] != use.Label {
		blocked.Message = fmt.Sprintf("%s: Secret %q does not permit this use; it needs the label %s: %s",
			use.Field, secret.Name, v1alpha1.LabelUse, use.Label)
		return nil, blocked
	}
	values := make([]string, 0, len(keys))
	for _, key := range keys {
		value, ok := object.Data[key]
		if !ok {
			blocked.Message = fmt.Sprintf("%s: Secret %q has no key %q; add it", use.Field, secret.Name, key)
			return nil, blocked
		}
		values = append(values, string(value))
	}
	return values, nil
}
