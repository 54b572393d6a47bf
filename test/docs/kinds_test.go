package docs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// TestTheKindsShareNoCode checks that the folder of a kind has only what is peculiar to it.
func TestTheKindsShareNoCode(t *testing.T) {
	g := NewWithT(t)
	const run = 12
	seen := map[string]string{}
	for folder, longest := range map[string]int{"clusterpolicy": 400, "instancepool": 600} {
		lines := linesOf(g, filepath.Join("..", "..", "internal", folder))
		g.Expect(len(lines)).To(And(BeNumerically(">", run), BeNumerically("<=", longest)), folder)
		for i := range len(lines) - run + 1 {
			part := strings.Join(lines[i:i+run], "\n")
			other, shared := seen[part]
			g.Expect(shared && other != folder).To(BeFalse(), "%s and %s have these lines in common:\n%s", folder, other, part)
			seen[part] = folder
		}
	}
}

// linesOf returns the lines of the code of a folder without tests, without blank lines.
func linesOf(g Gomega, folder string) []string {
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	g.Expect(err).NotTo(HaveOccurred())
	var lines []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		g.Expect(err).NotTo(HaveOccurred())
		for line := range strings.Lines(string(text)) {
			if trimmed := strings.TrimSpace(line); trimmed != "" {
				lines = append(lines, trimmed)
			}
		}
	}
	return lines
}
