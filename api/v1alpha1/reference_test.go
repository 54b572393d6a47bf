package v1alpha1

import (
	_ "embed"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

var update = flag.Bool("update", false, "write docs/api.md")

// introduction is the text before the tables of DatabricksCluster.
//
//go:embed testdata/api.md
var introduction string

// workspaceIntroduction is the text before the tables of DatabricksWorkspace.
//
//go:embed testdata/workspace.md
var workspaceIntroduction string

// policyIntroduction and poolIntroduction are the texts before the tables of a
// DatabricksClusterPolicy and a DatabricksInstancePool.
var (
	//go:embed testdata/policy.md
	policyIntroduction string
	//go:embed testdata/pool.md
	poolIntroduction string
)

func TestTheReferenceIsUpToDate(t *testing.T) {
	g := NewWithT(t)
	file := filepath.Join("..", "..", "docs", "api.md")
	reference := introduction + fieldSections(t) + conditionSections(t) +
		policyIntroduction + partSections(definitionOf(t, "databricksclusterpolicies")) +
		poolIntroduction + partSections(definitionOf(t, "databricksinstancepools")) +
		workspaceIntroduction + partSections(definitionOf(t, "databricksworkspaces"))
	if *update {
		g.Expect(os.WriteFile(file, []byte(reference), 0o600)).To(Succeed())
	}
	written, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(written)).To(Equal(reference), "docs/api.md is stale: go test ./api/v1alpha1 -run Reference -update")
}

const head = "| field | type | meaning |\n|---|---|---|\n"

// partSections returns the tables of the spec and the status of a kind.
func partSections(of *apiextensionsv1.CustomResourceDefinition) string {
	root := of.Spec.Versions[0].Schema.OpenAPIV3Schema
	var text strings.Builder
	for _, part := range []string{"spec", "status"} {
		text.WriteString("\n### " + part + " of a " + of.Spec.Names.Kind + "\n\n" + head)
		schema := root.Properties[part]
		rows("", &schema, func(path, row string) {
			if !strings.HasPrefix(path, "conditions[].") && !strings.Contains(path, "selector.") {
				text.WriteString(row)
			}
		})
	}
	return text.String()
}

// fieldSections returns the tables of the operator's fields, the cluster's fields and the
// status.
func fieldSections(t *testing.T) string {
	t.Helper()
	root := rootSchema(t)
	spec, status := root.Properties["spec"], root.Properties["status"]
	var operators, clusters, observed strings.Builder
	rows("", &spec, func(path, row string) {
		top, _, _ := strings.Cut(strings.ReplaceAll(path, "[]", ""), ".")
		if strings.HasPrefix(spec.Properties[top].Description, "Operator:") {
			operators.WriteString(row)
		} else {
			clusters.WriteString(row)
		}
	})
	rows("", &status, func(path, row string) {
		if !strings.HasPrefix(path, "conditions[].") { // the fields of a condition are those of Kubernetes
			observed.WriteString(row)
		}
	})
	return "\n## spec: the operator's own fields\n\n" + head + operators.String() +
		"\n## spec: the cluster\n\n" + head + clusters.String() +
		"\n## status\n\n" + head + observed.String()
}

// rows calls visit with each property below a schema and its table row, in the order of
// names.
func rows(path string, schema *apiextensionsv1.JSONSchemaProps, visit func(path, row string)) {
	if schema.Items != nil {
		path, schema = strings.TrimSuffix(path, ".")+"[].", schema.Items.Schema
	}
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		property := schema.Properties[name]
		mark := ""
		if slices.Contains(schema.Required, name) {
			mark = ", required"
		}
		row := fmt.Sprintf("| %#q | %s%s | %s |\n", path+name, kindOf(&property), mark,
			strings.NewReplacer("\n", " ", "|", `\|`, "<", `\<`).Replace(property.Description))
		visit(path+name, row)
		rows(path+name+".", &property, visit)
	}
}

// kindOf returns a readable name of a property's type.
func kindOf(property *apiextensionsv1.JSONSchemaProps) string {
	switch {
	case property.Type == "array":
		return "list of " + kindOf(property.Items.Schema)
	case property.AdditionalProperties != nil && property.AdditionalProperties.Schema.Type == "object":
		return "map of objects"
	case property.AdditionalProperties != nil:
		return "map of strings"
	case property.Enum != nil:
		return "enum"
	case property.Format == "date-time":
		return "time"
	default:
		return property.Type
	}
}

// conditionSections returns the constants of conditions.go with their meanings.
func conditionSections(t *testing.T) string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "conditions.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	text.WriteString("\n## Conditions and reasons\n")
	for _, declaration := range file.Decls {
		group := declaration.(*ast.GenDecl)
		if group.Lparen != token.NoPos {
			fmt.Fprintf(&text, "\n%s\n\n| word | meaning |\n|---|---|\n", prose(group.Doc))
		}
		for _, spec := range group.Specs {
			constant := spec.(*ast.ValueSpec)
			comment := constant.Doc
			if comment == nil {
				comment = group.Doc
			}
			word, err := strconv.Unquote(constant.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			_, meaning, _ := strings.Cut(prose(comment), " that ")
			fmt.Fprintf(&text, "| `%s` | %s |\n", word, meaning)
		}
	}
	return text.String()
}

// prose returns a comment as one line.
func prose(comment *ast.CommentGroup) string {
	return strings.Join(strings.Fields(comment.Text()), " ")
}
