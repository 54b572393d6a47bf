package doctor

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/clusterpolicy"
	"github.com/databricks-operator/databricks-operator/internal/instancepool"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/selection"
)

// examineDependencies looks at the policies and pools of the namespace that an object refers
// to.
func (d *Doctor) examineDependencies(ctx context.Context, object *v1alpha1.DatabricksCluster) []Finding {
	var findings []Finding
	for _, reference := range selection.References(&object.Spec) {
		for _, kind := range []*managed.Kind{clusterpolicy.Kind, instancepool.Kind} {
			if kind.Name == reference.Kind {
				findings = append(findings, d.examineDependency(ctx, kind, client.ObjectKey{Namespace: object.Namespace, Name: reference.Name}))
			}
		}
	}
	return findings
}

func (d *Doctor) examineDependency(ctx context.Context, kind *managed.Kind, key client.ObjectKey) Finding {
	check, name := kind.Noun, strings.ToLower(kind.Name)+"/"+key.Name
	resource := kind.New()
	switch err := d.Kube.Get(ctx, key, resource); {
	case apierrors.IsNotFound(err):
		return problem(check, []string{fmt.Sprintf("kubectl get -n %s %s", key.Namespace, strings.ToLower(kind.Name))},
			"%s does not exist in namespace %s", name, key.Namespace)
	case err != nil:
		return notChecked(check, "%s was not looked at: %s", name, err)
	}
	if reason := kind.View(resource).NotReady(); reason != "" {
		return problem(check, []string{fmt.Sprintf("kubectl describe -n %s %s", key.Namespace, name)}, "%s: %s", name, reason)
	}
	return passed(check, "%s is Ready", name)
}
