package listed

import (
	"context"

	"github.com/databricks-operator/databricks-operator/internal/diff"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// secrets replaces the references to Secrets in a specification by their values. It returns
// why the object is blocked; nil if it is not.
func (r *Reconciler) secrets(ctx context.Context, object managed.Object, desired diff.Tree) *managed.Blocked {
	return nil
}
