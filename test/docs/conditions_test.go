package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// constants returns the values of the string constants of packages whose names have
// a prefix.
func constants(t *testing.T, folders []string, prefix string) []string {
	t.Helper()
	g := NewWithT(t)
	var files, values []string
	for _, folder := range folders {
		found, err := filepath.Glob(filepath.Join(repository, folder, "*.go"))
		g.Expect(err).NotTo(HaveOccurred())
		files = append(files, found...)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		g.Expect(err).NotTo(HaveOccurred())
		ast.Inspect(parsed, func(node ast.Node) bool {
			spec, ok := node.(*ast.ValueSpec)
			if !ok || !strings.HasPrefix(spec.Names[0].Name, prefix) || len(spec.Values) != 1 {
				return true
			}
			if text, ok := spec.Values[0].(*ast.BasicLit); ok && text.Kind == token.STRING {
				value, err := strconv.Unquote(text.Value)
				g.Expect(err).NotTo(HaveOccurred())
				values = append(values, value)
			}
			return true
		})
	}
	g.Expect(values).NotTo(BeEmpty(), "constants %s… in %v", prefix, folders)
	return values
}

// explainedTerms returns the first cells of the tables under headings with a prefix.
// It reports empty cells as errors.
func explainedTerms(t *testing.T, page, heading string) []string {
	t.Helper()
	var words []string
	inSection := false
	for line := range strings.Lines(read(t, page)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") {
			inSection = strings.HasPrefix(strings.TrimLeft(line, "# "), heading)
		}
		if !inSection || !strings.HasPrefix(line, "| `") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), " | ")
		for _, cell := range cells {
			if strings.TrimSpace(cell) == "" {
				t.Errorf("%s: an empty cell in %s", page, line)
			}
		}
		words = append(words, strings.Trim(cells[0], " `"))
	}
	return words
}

func TestEveryConditionReasonAndEventIsExplainedOnce(t *testing.T) {
	const page = "docs/conditions.md"
	for _, table := range []struct {
		heading, prefix string
		folders         []string
	}{
		{"Conditions of an object", "Condition", []string{"api/v1alpha1"}},
		{"Reasons", "Reason", []string{"api/v1alpha1"}},
		{"Events", "Event", []string{"internal/managed", "internal/report"}},
	} {
		t.Run(table.heading, func(t *testing.T) {
			NewWithT(t).Expect(explainedTerms(t, page, table.heading)).To(ConsistOf(constants(t, table.folders, table.prefix)),
				"the terms that %s explains under %q differ from the constants %s… of %v", page, table.heading, table.prefix, table.folders)
		})
	}
}
