package docs

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/json" // whole numbers stay whole
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// example is one manifest of a page.
type example struct{ page, text string }

// examples are the manifests of all pages; other YAML has no apiVersion.
func examples(t *testing.T) []example {
	t.Helper()
	var found []example
	for _, page := range pages(t) {
		for _, block := range yamlBlock.FindAllStringSubmatch(read(t, page), -1) {
			for manifest := range strings.SplitSeq(block[1], "---\n") {
				if strings.Contains(manifest, "apiVersion:") {
					found = append(found, example{page, manifest})
				}
			}
		}
	}
	NewWithT(t).Expect(len(found)).To(BeNumerically(">", 5))
	return found
}

func TestEveryExampleIsWrittenInTheWordsOfItsType(t *testing.T) {
	g := NewWithT(t)
	g.Expect(v1alpha1.AddToScheme(scheme.Scheme)).To(Succeed())
	for _, manifest := range examples(t) {
		var kind struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
		}
		g.Expect(yaml.Unmarshal([]byte(manifest.text), &kind)).To(Succeed(), manifest.page)
		object, err := scheme.Scheme.New(schema.FromAPIVersionAndKind(kind.APIVersion, kind.Kind))
		if err != nil {
			t.Errorf("%s: %v", manifest.page, err)
			continue
		}
		if err := yaml.UnmarshalStrict([]byte(manifest.text), object); err != nil {
			t.Errorf("%s: %v in\n%s", manifest.page, err, manifest.text)
		}
	}
}

func TestEveryExampleOfOursIsValid(t *testing.T) {
	schemas := schemas(t)
	for _, manifest := range examples(t) {
		g := NewWithT(t)
		text, err := yaml.YAMLToJSON([]byte(manifest.text))
		g.Expect(err).NotTo(HaveOccurred(), manifest.page)
		var object map[string]any
		g.Expect(json.Unmarshal(text, &object)).To(Succeed(), manifest.page)
		kind, _ := object["kind"].(string)
		if check, ours := schemas[kind]; ours {
			for _, problem := range check(t.Context(), object) {
				t.Errorf("%s: %s in\n%s", manifest.page, problem, manifest.text)
			}
		}
	}
}

// validator tells what an API server would object to in a new object.
type validator func(ctx context.Context, object map[string]any) []string

// schemas are the validators of our own kinds, made from their definitions.
func schemas(t *testing.T) map[string]validator {
	t.Helper()
	g := NewWithT(t)
	files, err := filepath.Glob(filepath.Join(repository, "config", "crd", "bases", "*.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	found := map[string]validator{}
	for _, file := range files {
		path, err := filepath.Rel(repository, file)
		g.Expect(err).NotTo(HaveOccurred())
		var definition apiextensionsv1.CustomResourceDefinition
		g.Expect(yaml.Unmarshal([]byte(read(t, path)), &definition)).To(Succeed(), path)
		var internal apiextensions.JSONSchemaProps
		g.Expect(apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(
			definition.Spec.Versions[0].Schema.OpenAPIV3Schema, &internal, nil)).To(Succeed(), path)
		check, err := newValidator(&internal)
		g.Expect(err).NotTo(HaveOccurred(), path)
		found[definition.Spec.Names.Kind] = check
	}
	g.Expect(found).To(HaveKey("DatabricksCluster"))
	return found
}

func newValidator(internal *apiextensions.JSONSchemaProps) (validator, error) {
	structural, err := structuralschema.NewStructural(internal)
	if err != nil {
		return nil, fmt.Errorf("the schema is not structural: %w", err)
	}
	fields, _, err := validation.NewSchemaValidator(internal)
	if err != nil {
		return nil, fmt.Errorf("the schema has no validator: %w", err)
	}
	// The API server's own budgets for a rule and for an object.
	const perRule, perObject = 1_000_000, 10_000_000
	rules := cel.NewValidator(structural, true, perRule)
	return func(ctx context.Context, object map[string]any) []string {
		problems := validation.ValidateCustomResource(nil, object, fields)
		broken, _ := rules.Validate(ctx, nil, structural, object, nil, perObject)
		var told []string
		for _, problem := range append(problems, broken...) {
			told = append(told, problem.Error())
		}
		return told
	}, nil
}
