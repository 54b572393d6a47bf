package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

var (
	// sourceFile is a file of the repository, such as `internal/plan/plan.go`, or of a
	// package below internal, such as `plan/plan.go`.
	sourceFile = regexp.MustCompile("`((?:[a-z0-9]+/)+[a-z_]+\\.go)`")
	// identifier is a name of a package below internal, such as `plan.Needs` or
	// `cache.Options.Fast`.
	identifier = regexp.MustCompile("`([a-z]+)\\.([A-Za-z.]+)`")
)

// parents are the folders of the packages that the pages name.
var parents = []string{"internal", "internal/controller"}

// sources returns the text of a package without its tests; "" if it does not exist.
func sources(t *testing.T, name string) string {
	t.Helper()
	var text strings.Builder
	for _, parent := range parents {
		files, err := filepath.Glob(filepath.Join(repository, parent, name, "*.go"))
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		for _, file := range files {
			if !strings.HasSuffix(file, "_test.go") {
				text.WriteString(read(t, parent, name, filepath.Base(file)))
			}
		}
	}
	return text.String()
}

// exists reports whether a file exists in the repository or below one of the parents.
func exists(name string) bool {
	for _, parent := range append([]string{""}, parents...) {
		if _, err := os.Stat(filepath.Join(repository, parent, name)); err == nil {
			return true
		}
	}
	return false
}

func TestPagesForContributorsNameWhatIsThere(t *testing.T) {
	for _, page := range []string{"docs/architecture.md", "CONTRIBUTING.md"} {
		text := read(t, page)
		for _, match := range sourceFile.FindAllStringSubmatch(text, -1) {
			if !exists(match[1]) {
				t.Errorf("%s names %s, which does not exist", page, match[1])
			}
		}
		for _, match := range identifier.FindAllStringSubmatch(text, -1) {
			source := sources(t, match[1])
			for name := range strings.SplitSeq(match[2], ".") {
				if source != "" && !regexp.MustCompile(`\b`+name+`\b`).MatchString(source) {
					t.Errorf("%s names %s.%s, and package %s has no %s", page, match[1], match[2], match[1], name)
				}
			}
		}
	}
}
