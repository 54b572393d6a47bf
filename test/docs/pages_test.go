package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// repository is the root of the repository.
var repository = filepath.Join("..", "..")

// read returns the content of a file in the repository.
func read(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{repository}, path...)...))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return string(text)
}

// pages returns the paths of the documentation's pages, relative to the root of
// the repository.
func pages(t *testing.T) []string {
	t.Helper()
	g := NewWithT(t)
	found := []string{"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md"}
	for _, pattern := range []string{"docs/*.md", "docs/decisions/*.md"} {
		files, err := filepath.Glob(filepath.Join(repository, filepath.FromSlash(pattern)))
		g.Expect(err).NotTo(HaveOccurred())
		for _, file := range files {
			path, err := filepath.Rel(repository, file)
			g.Expect(err).NotTo(HaveOccurred())
			found = append(found, filepath.ToSlash(path))
		}
	}
	g.Expect(len(found)).To(BeNumerically(">", 10))
	return found
}

var (
	link        = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	headingLine = regexp.MustCompile(`(?m)^#+ (.+)$`)
	fenced      = regexp.MustCompile("(?s)```.*?```")
	punctuation = regexp.MustCompile(`[^a-z0-9 _-]`)
)

// anchors returns the link targets of a page's headings.
func anchors(text string) map[string]bool {
	found := map[string]bool{}
	for _, match := range headingLine.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		found[strings.ReplaceAll(punctuation.ReplaceAllString(strings.ToLower(match[1]), ""), " ", "-")] = true
	}
	return found
}

func TestEveryLinkHasATarget(t *testing.T) {
	for _, page := range pages(t) {
		for _, match := range link.FindAllStringSubmatch(fenced.ReplaceAllString(read(t, page), ""), -1) {
			path, anchor, _ := strings.Cut(match[1], "#")
			if strings.Contains(path, "://") {
				continue
			}
			target := page
			if path != "" {
				target = filepath.ToSlash(filepath.Join(filepath.Dir(page), path))
			}
			if _, err := os.Stat(filepath.Join(repository, target)); err != nil {
				t.Errorf("%s links to %s, which does not exist", page, match[1])
				continue
			}
			if anchor != "" && !anchors(read(t, target))[anchor] {
				t.Errorf("%s links to %s, but the page has no such heading", page, match[1])
			}
		}
	}
}

func TestEveryPageIsInAnIndex(t *testing.T) {
	for _, page := range pages(t) {
		folder, name := filepath.Split(page)
		if folder == "" || name == "README.md" {
			continue
		}
		if index := folder + "README.md"; !strings.Contains(read(t, index), "("+name) {
			t.Errorf("%s does not link to %s: add a row", index, name)
		}
	}
}
