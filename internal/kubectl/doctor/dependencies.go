package doctor

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/internal/kubectl/target"
	"github.com/databricks-operator/databricks-operator/internal/selection"
)

// examineDependencies looks at the policies and pools of the namespace that an object refers
// to.
func (d *Doctor) examineDependencies(ctx context.Context, object target.Object) []Finding {
	var findings []Finding
	if object.Cluster == nil {
		return nil
	}
	for _, reference := range selection.References(&object.Cluster.Spec) {
		if kind := target.KindNamed(reference.Kind); kind != nil && kind.Listed != nil {
			findings = append(findings, d.examineDependency(ctx, kind, client.ObjectKey{Namespace: object.GetNamespace(), Name: reference.Name}))
		}
	}
	return findings
}

func (d *Doctor) examineDependency(ctx context.Context, kind *target.Kind, key client.ObjectKey) Finding {
	check, name := kind.Noun, kind.Type+"/"+key.Name
	resource := kind.New()
	switch err := d.Kube.Get(ctx, key, resource); {
	case apierrors.IsNotFound(err):
		return problem(check, []string{fmt.Sprintf("kubectl get -n %s %s", key.Namespace, kind.Type)},
			"%s does not exist in namespace %s", name, key.Namespace)
	case err != nil:
		return notChecked(check, "%s was not looked at: %s", name, err)
	}
	if reason := kind.Listed.View(resource).NotReady(); reason != "" {
		return problem(check, []string{fmt.Sprintf("kubectl dbc doctor -n %s %s/%s", key.Namespace, kind.Short, key.Name)}, "%s: %s", name, reason)
	}
	return passed(check, "%s is Ready", name)
}
