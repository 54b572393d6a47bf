package importer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/config/crd"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// refusal is a value that the schema or a rule of the resource refuses.
type refusal struct {
	// path is the path of the value in spec.
	path    []string
	message string
}

// checker checks objects as the API server does.
type checker struct {
	structural *schema.Structural
	fields     validation.SchemaValidator
	rules      *cel.Validator
}

// checkers compile the CRD of each kind once, when it is first needed.
var checkers = map[Kind]func() (*checker, error){
	Clusters: sync.OnceValues(func() (*checker, error) { return newChecker(crd.Clusters) }),
	Policies: sync.OnceValues(func() (*checker, error) { return newChecker(crd.Policies) }),
	Pools:    sync.OnceValues(func() (*checker, error) { return newChecker(crd.Pools) }),
}

func newChecker(text []byte) (*checker, error) {
	var definition apiextensionsv1.CustomResourceDefinition
	if err := yaml.Unmarshal(text, &definition); err != nil {
		return nil, fmt.Errorf("read the CRD: %w", err)
	}
	for _, version := range definition.Spec.Versions {
		if version.Name != v1alpha1.GroupVersion.Version {
			continue
		}
		var internal apiextensions.CustomResourceValidation
		if err := apiextensionsv1.Convert_v1_CustomResourceValidation_To_apiextensions_CustomResourceValidation(version.Schema, &internal, nil); err != nil {
			return nil, fmt.Errorf("convert the schema: %w", err)
		}
		structural, err := schema.NewStructural(internal.OpenAPIV3Schema)
		if err != nil {
			return nil, fmt.Errorf("read the schema: %w", err)
		}
		fields, _, err := validation.NewSchemaValidator(internal.OpenAPIV3Schema)
		if err != nil {
			return nil, fmt.Errorf("compile the schema: %w", err)
		}
		return &checker{structural: structural, fields: fields, rules: cel.NewValidator(structural, true, celconfig.PerCallLimit)}, nil
	}
	return nil, errors.New("the CRD lacks the version " + v1alpha1.GroupVersion.Version)
}

// refusals returns what the resource refuses of an object.
func refusals(kind Kind, object managed.Resource) ([]refusal, error) {
	check, err := checkers[kind]()
	if err != nil {
		return nil, err
	}
	spec, err := specOf(object)
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": object.GetObjectKind().GroupVersionKind().Kind,
		"metadata": map[string]any{"name": object.GetName()}, "spec": spec,
	})
	if err != nil {
		return nil, fmt.Errorf("encode the manifest: %w", err)
	}
	var tree map[string]any
	// Rules distinguish integers from other numbers, as this decoder does.
	if err := utiljson.Unmarshal(raw, &tree); err != nil {
		return nil, fmt.Errorf("decode the manifest: %w", err)
	}
	found := validation.ValidateCustomResource(nil, tree, check.fields)
	if len(found) == 0 {
		// Rules assume that the fields are valid. The objects have few fields, so the
		// costs of the rules are far below the API server's limit.
		found, _ = check.rules.Validate(context.Background(), nil, check.structural, tree, nil, celconfig.RuntimeCELCostBudget)
	}
	refused := make([]refusal, 0, len(found))
	for _, failure := range found {
		refused = append(refused, refusal{path: specPath(failure), message: failure.Detail})
	}
	return refused, nil
}

// specPath returns the path of a failure in spec, of at most two names. A list or a map is
// refused as a whole.
func specPath(failure *field.Error) []string {
	path := strings.TrimPrefix(strings.TrimPrefix(failure.Field, "spec"), ".")
	whole, _, _ := strings.Cut(path, "[")
	names := strings.SplitN(whole, ".", 3)
	return names[:min(len(names), 2)]
}
