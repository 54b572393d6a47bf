package docs

import (
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/test/bench/figures"
)

// The table contains every measured row, with its figures.
func TestPerformancePageShowsEveryTargetAndThePeers(t *testing.T) {
	g := NewWithT(t)
	page := read(t, "docs", "performance.md")
	var lines []string
	for line := range strings.Lines(page) {
		lines = append(lines, strings.TrimSpace(line))
	}
	for _, row := range figures.Rows {
		g.Expect(lines).To(ContainElement(HavePrefix("| "+row.ID+" | "+row.Figure+" | ")), "write it with `make bench DOC=1`")
	}
	for _, policy := range slices.Concat(figures.Policies, figures.Tools) {
		g.Expect(lines).To(ContainElement(And(HavePrefix("| "+policy.Description+" | "), Not(ContainSubstring("–")))), "write it with `make bench DOC=1`")
	}
}
