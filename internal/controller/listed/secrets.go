package listed

import (
	"context"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/controller/secretvalue"
	"github.com/databricks-operator/databricks-operator/internal/diff"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// secrets replaces the references to Secrets in a specification by their values: the
// user name and the password of a registry. They are sent with a create, never compared, and
// not read once there is a remote object. It returns why the object is blocked; nil if it is
// not.
func (r *Reconciler) secrets(ctx context.Context, object managed.Object, desired diff.Tree) *managed.Blocked {
	var blocked *managed.Blocked
	r.kind.Fields.ResolveSecrets(desired, func(field string, reference any) any {
		if *object.ID != "" {
			return map[string]any{}
		}
		members, _ := reference.(map[string]any)
		name, _ := members["name"].(string)
		row, _ := r.kind.Fields.Field(field)
		path := r.kind.Fields.SpecPointer(row.Path(row.Secret))
		use := secretvalue.Use{Field: "spec" + strings.ReplaceAll(path, "/", "."), Label: v1alpha1.UseRegistry}
		values, why := secretvalue.Read(ctx, r.actor.uncached, types.NamespacedName{Namespace: object.GetNamespace(), Name: name}, use, "username", "password")
		if why != nil {
			blocked = why
			return nil
		}
		return map[string]any{"username": values[0], "password": values[1]}
	})
	return blocked
}
