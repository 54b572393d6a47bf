package v1alpha1

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// maximumSize is the largest size of the CRD as JSON. Client-side apply stores a copy in
// an annotation, which may have 256 KiB.
const maximumSize = 200 << 10

// definition returns the generated CRD of clusters.
func definition(t *testing.T) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	return definitionOf(t, "databricksclusters")
}

func definitionOf(t *testing.T, resource string) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "config", "crd", "bases", GroupName+"_"+resource+".yaml"))
	if err != nil {
		t.Fatalf("%v: run 'make manifests'", err)
	}
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict(text, crd); err != nil {
		t.Fatal(err)
	}
	return crd
}

// rootSchema returns the schema of DatabricksCluster.
func rootSchema(t *testing.T) *apiextensionsv1.JSONSchemaProps {
	t.Helper()
	return definition(t).Spec.Versions[0].Schema.OpenAPIV3Schema
}

// workspaceSchema returns the schema of DatabricksWorkspace.
func workspaceSchema(t *testing.T) *apiextensionsv1.JSONSchemaProps {
	t.Helper()
	return definitionOf(t, "databricksworkspaces").Spec.Versions[0].Schema.OpenAPIV3Schema
}

// listedSchemas returns the schemas of DatabricksClusterPolicy and DatabricksInstancePool.
func listedSchemas(t *testing.T) []*apiextensionsv1.JSONSchemaProps {
	t.Helper()
	return []*apiextensionsv1.JSONSchemaProps{
		definitionOf(t, "databricksclusterpolicies").Spec.Versions[0].Schema.OpenAPIV3Schema,
		definitionOf(t, "databricksinstancepools").Spec.Versions[0].Schema.OpenAPIV3Schema,
	}
}

func specSchema(t *testing.T) *apiextensionsv1.JSONSchemaProps {
	t.Helper()
	spec := rootSchema(t).Properties["spec"]
	return &spec
}

// walk calls visit with every property below a schema, including those of list items.
func walk(path string, schema *apiextensionsv1.JSONSchemaProps, visit func(path string, property *apiextensionsv1.JSONSchemaProps)) {
	for name, property := range schema.Properties {
		visit(path+name, &property)
		walk(path+name+".", &property, visit)
	}
	if schema.Items != nil {
		walk(path, schema.Items.Schema, visit)
	}
}

// enum returns the enum values of the property at a dotted path.
func enum(t *testing.T, schema *apiextensionsv1.JSONSchemaProps, path string) []string {
	t.Helper()
	for name := range strings.SplitSeq(path, ".") {
		if schema.Items != nil {
			schema = schema.Items.Schema
		}
		property, ok := schema.Properties[name]
		if !ok {
			t.Fatalf("no property %s of %s", name, path)
		}
		schema = &property
	}
	var values []string
	for _, raw := range schema.Enum {
		var value string
		if err := json.Unmarshal(raw.Raw, &value); err != nil {
			t.Fatal(err)
		}
		values = append(values, value)
	}
	return values
}

func TestEveryPropertyIsDocumented(t *testing.T) {
	g := NewWithT(t)
	spec, ours := specSchema(t), map[string]bool{}
	for name := range jsonFields(reflect.TypeFor[OperatorSpec](), reflect.TypeFor[ReferenceSpec]()) {
		ours[name] = true
	}
	walk("", spec, func(path string, property *apiextensionsv1.JSONSchemaProps) {
		top, _, _ := strings.Cut(path, ".")
		leaf := path[strings.LastIndex(path, ".")+1:]
		if ours[top] || strings.Contains(path, "SecretRef") {
			g.Expect(property.Description).To(HavePrefix("Operator: "), path)
			return
		}
		g.Expect(property.Description).To(MatchRegexp("^Clusters API `[a-z0-9_]+`: "), path)
		databricks := strings.Split(property.Description, "`")[1]
		g.Expect(kubernetesName(databricks)).To(Equal(leaf), "the field of Databricks that %s names", path)
	})
	root := rootSchema(t)
	walk("", root, func(path string, property *apiextensionsv1.JSONSchemaProps) {
		if path != "metadata" {
			g.Expect(property.Description).NotTo(BeEmpty(), path)
		}
	})
}

func TestEveryPropertyOfAListedKindIsDocumented(t *testing.T) {
	g := NewWithT(t)
	for _, root := range listedSchemas(t) {
		walk("", root, func(path string, property *apiextensionsv1.JSONSchemaProps) {
			switch {
			case path == "metadata", path == "spec", path == "status":
			case strings.HasPrefix(path, "spec."):
				g.Expect(property.Description).To(MatchRegexp("^(Operator|(Cluster Policies|Instance Pools|Clusters) API `[a-z0-9_]+`): "), path)
			default:
				g.Expect(property.Description).NotTo(BeEmpty(), path)
			}
		})
	}
}

func TestEveryPropertyOfAWorkspaceIsDocumented(t *testing.T) {
	g := NewWithT(t)
	walk("", workspaceSchema(t), func(path string, property *apiextensionsv1.JSONSchemaProps) {
		switch {
		case path == "metadata", path == "spec", strings.Contains(path, "selector."): // described by Kubernetes
		case strings.HasPrefix(path, "spec."):
			g.Expect(property.Description).To(HavePrefix("Operator: "), path)
		default:
			g.Expect(property.Description).NotTo(BeEmpty(), path)
		}
		g.Expect(path).NotTo(HaveSuffix("secretRef.namespace"), "Secrets come from the operator's own namespace")
	})
}

func TestEveryPropertyOfTheSpecIsBounded(t *testing.T) {
	workspaces := workspaceSchema(t).Properties["spec"]
	// The selector is a type of Kubernetes.
	delete(workspaces.Properties["allowedNamespaces"].Properties, "selector")
	policies, pools := listedSchemas(t)[0].Properties["spec"], listedSchemas(t)[1].Properties["spec"]
	for name, spec := range map[string]*apiextensionsv1.JSONSchemaProps{
		"clusters": specSchema(t), "policies": &policies, "pools": &pools, "workspaces": &workspaces,
	} {
		t.Run(name, func(t *testing.T) { expectBounds(t, spec) })
	}
}

func expectBounds(t *testing.T, spec *apiextensionsv1.JSONSchemaProps) {
	t.Helper()
	g := NewWithT(t)
	walk("", spec, func(path string, property *apiextensionsv1.JSONSchemaProps) {
		switch property.Type {
		case "array":
			g.Expect(property.MaxItems).NotTo(BeNil(), path)
			g.Expect(property.XListType).NotTo(BeNil(), path)
			if item := property.Items.Schema; item.Type == "string" && item.Enum == nil {
				g.Expect(item.MaxLength).NotTo(BeNil(), path)
			}
		case "string":
			if property.Enum == nil {
				g.Expect(property.MaxLength).NotTo(BeNil(), path)
				g.Expect(property.MinLength).NotTo(BeNil(), path+": an empty string is never sent")
			}
		case "object":
			if property.AdditionalProperties != nil {
				g.Expect(property.MaxProperties).NotTo(BeNil(), path)
				g.Expect(property.XValidations).NotTo(BeEmpty(), path+": names and values are bounded by a rule")
			}
		case "number":
			g.Expect(path).To(BeEmpty(), "fractions are written as strings")
		}
	})
}

func TestASpecHasNoDefaults(t *testing.T) {
	g := NewWithT(t)
	for _, root := range append(listedSchemas(t), rootSchema(t), workspaceSchema(t)) {
		walk("", root, func(path string, property *apiextensionsv1.JSONSchemaProps) {
			if path != "status" {
				g.Expect(property.Default).To(BeNil(), path)
			}
		})
		g.Expect(string(root.Properties["status"].Default.Raw)).To(MatchJSON(`{"observedGeneration": -1}`))
	}
}

func TestSecrets(t *testing.T) {
	t.Run("no field holds a secret in plain text [S13]", func(t *testing.T) {
		g := NewWithT(t)
		everySpec := func(visit func(path string, property *apiextensionsv1.JSONSchemaProps)) {
			for _, root := range append(listedSchemas(t), rootSchema(t)) {
				spec := root.Properties["spec"]
				walk("", &spec, visit)
			}
		}
		everySpec(func(path string, property *apiextensionsv1.JSONSchemaProps) {
			leaf := strings.ToLower(path[strings.LastIndex(path, ".")+1:])
			for _, secret := range []string{"password", "token", "secret", "basicauth", "primarykey", "credential"} {
				if strings.Contains(leaf, secret) {
					g.Expect(leaf).To(HaveSuffix("secretref"), path)
					g.Expect(property.Type).To(Equal("object"), path)
					g.Expect(property.Properties).NotTo(HaveKey("namespace"), path+": Secrets come from the object's own namespace")
				}
			}
		})
	})
}

func TestTheDefinitionIsSmall(t *testing.T) {
	for _, resource := range []string{"databricksclusters", "databricksclusterpolicies", "databricksinstancepools"} {
		text, err := json.Marshal(definitionOf(t, resource))
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d of %d bytes", resource, len(text), maximumSize)
		NewWithT(t).Expect(len(text)).To(BeNumerically("<", maximumSize), resource)
	}
}
