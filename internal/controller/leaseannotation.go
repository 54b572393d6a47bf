package controller

import (
	"context"
	"fmt"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// unusedConnectionsAnnotation is the annotation of the operator's lease that names the
// connections whose last object was deleted.
const unusedConnectionsAnnotation = v1alpha1.GroupName + "/unused-connections"

// LeaseAnnotation keeps the connections that no object uses any more in an annotation of
// the operator's own lease, which needs no further right. Leader election keeps annotations.
type LeaseAnnotation struct {
	// Reader reads from the API server, not from a cache.
	Reader client.Reader
	Writer client.Writer
	Lease  client.ObjectKey
}

// Load returns the text; empty if there is none yet.
func (a LeaseAnnotation) Load(ctx context.Context) (string, error) {
	var lease coordinationv1.Lease
	if err := a.Reader.Get(ctx, a.Lease, &lease); err != nil {
		return "", fmt.Errorf("read the lease %s: %w", a.Lease, err)
	}
	return lease.Annotations[unusedConnectionsAnnotation], nil
}

// Save replaces the text; empty removes it. A renewal of the lease at the same time causes a conflict, after
// which the renewal, too, is tried again.
func (a LeaseAnnotation) Save(ctx context.Context, text string) error {
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		var lease coordinationv1.Lease
		if err := a.Reader.Get(ctx, a.Lease, &lease); err != nil {
			return err
		}
		if lease.Annotations == nil {
			lease.Annotations = map[string]string{}
		}
		lease.Annotations[unusedConnectionsAnnotation] = text
		if text == "" {
			delete(lease.Annotations, unusedConnectionsAnnotation)
		}
		return a.Writer.Update(ctx, &lease)
	})
	if err != nil {
		return fmt.Errorf("annotate the lease %s: %w", a.Lease, err)
	}
	return nil
}
