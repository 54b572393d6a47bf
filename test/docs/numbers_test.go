package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/test/bench/figures"
)

// numberedTable is a page whose tables give numbers to scenarios or promises.
type numberedTable struct {
	page string
	// under is the beginning of the heading that the tables stand under; "" is the
	// whole page.
	under string
	// prefix of the numbers, and how a tag begins.
	prefix, tag string
	// last is the highest number; none but those of unused may be left out.
	last   int
	unused []int
}

var numberedTables = []numberedTable{
	{page: "docs/scenarios.md", tag: "case-", last: 140, unused: []int{99, 100}},
	{page: "docs/performance.md", under: "Promises", prefix: "P", tag: "P", last: 16},
	{page: "docs/reliability.md", under: "Promises", prefix: "R", tag: "R", last: 20},
	{page: "docs/security.md", under: "Promises", prefix: "S", tag: "S", last: 18},
}

var (
	tags = regexp.MustCompile(`\[(?:case-\d+|[PRS]\d+)\]`)
	// target is a command of the Makefile on a page.
	target = regexp.MustCompile("`make ([a-z-]+)`")
	number = regexp.MustCompile(`\d+`)
)

// tagOf returns the tag of a number, such as [case-07] or [P3].
func (n numberedTable) tagOf(i int) string {
	if n.tag == "case-" && i < 10 {
		return "[case-0" + strconv.Itoa(i) + "]"
	}
	return "[" + n.tag + strconv.Itoa(i) + "]"
}

// rows returns the cell "tests" of each number, and reports numbers that are out
// of order, twice there or missing.
func (n numberedTable) rows(t *testing.T) map[int]string {
	t.Helper()
	found := map[int]string{}
	here := n.under == ""
	next := 1
	for line := range strings.Lines(read(t, n.page)) {
		line = strings.TrimSpace(line)
		if n.under != "" && strings.HasPrefix(line, "#") {
			here = strings.HasPrefix(strings.TrimLeft(line, "# "), n.under)
		}
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		i, err := strconv.Atoi(strings.TrimPrefix(cells[0], n.prefix))
		if !here || err != nil || !strings.HasPrefix(cells[0], n.prefix) {
			continue
		}
		for slices.Contains(n.unused, next) {
			next++
		}
		if i != next || len(cells) != 3 {
			t.Errorf("%s: %q is not row %s%d of number, text and tests", n.page, line, n.prefix, next)
		}
		next = i + 1
		found[i] = cells[len(cells)-1]
	}
	if next != n.last+1 {
		t.Errorf("%s ends with %s%d, not with %s%d", n.page, n.prefix, next-1, n.prefix, n.last)
	}
	return found
}

// carried returns the tags in the string literals of all tests of the repository,
// each with a file that has it. Comments are no tests.
func carried(t *testing.T) map[string]string {
	t.Helper()
	g := NewWithT(t)
	found := map[string]string{}
	g.Expect(filepath.WalkDir(repository, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "bin" || entry.Name() == ".git"):
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err //nolint:wrapcheck // the message names the file
		}
		ast.Inspect(parsed, func(node ast.Node) bool {
			if text, ok := node.(*ast.BasicLit); ok && text.Kind == token.STRING {
				for _, tag := range tags.FindAllString(text.Value, -1) {
					found[tag] = path
				}
			}
			return true
		})
		return nil
	})).To(Succeed())
	g.Expect(len(found)).To(BeNumerically(">", 100))
	return found
}

// isTested reports whether the proof that a cell names exists, with the reason
// where it does not.
func isTested(t *testing.T, tables map[string]map[int]string, table numberedTable, i int, carried map[string]string) (reason string, ok bool) {
	t.Helper()
	cell, tag := tables[table.page][i], table.tagOf(i)
	_, hasTag := carried[tag]
	commands := target.FindAllStringSubmatch(cell, -1)
	switch {
	case cell == "planned" && hasTag:
		return "is planned, but " + carried[tag] + " has " + tag + ": write tested or partly", false
	case cell == "planned":
		return "", true
	case strings.HasPrefix(cell, "tested") || strings.HasPrefix(cell, "partly: "):
		if !hasTag {
			return "says " + cell + ", but no test carries " + tag + ": write the test, or planned", false
		}
	case strings.HasPrefix(cell, "scenarios "):
		for _, scenario := range number.FindAllString(cell, -1) {
			n, err := strconv.Atoi(scenario)
			if _, ok := carried[numberedTables[0].tagOf(n)]; err != nil || !ok {
				return "names scenario " + scenario + ", which no test carries", false
			}
		}
	case len(commands) == 0:
		return "says " + cell + ", which is none of tested, partly: …, planned, scenarios … and `make …`", false
	}
	for _, command := range commands {
		if !strings.Contains(read(t, "Makefile"), "\n"+command[1]+":") {
			return "names make " + command[1] + ", which the Makefile does not have", false
		}
		measured := slices.ContainsFunc(figures.Rows, func(row figures.Row) bool { return row.ID == table.prefix+strconv.Itoa(i) })
		if command[1] == "bench" && !measured {
			return "names make bench, which does not measure it", false
		}
	}
	return "", true
}

// allRows returns the rows of all numbered tables, by page.
func allRows(t *testing.T) map[string]map[int]string {
	t.Helper()
	tables := map[string]map[int]string{}
	for _, table := range numberedTables {
		tables[table.page] = table.rows(t)
	}
	return tables
}

func TestEveryNumberIsTestedAsItsTableSays(t *testing.T) {
	tables, found := allRows(t), carried(t)
	for _, table := range numberedTables {
		for _, i := range slices.Sorted(maps.Keys(tables[table.page])) {
			if reason, ok := isTested(t, tables, table, i, found); !ok {
				t.Errorf("%s: %s%d %s", table.page, table.prefix, i, reason)
			}
		}
	}
}

func TestEveryTagHasARow(t *testing.T) {
	tables, found := allRows(t), carried(t)
	known := map[string]bool{}
	for _, table := range numberedTables {
		for i := range tables[table.page] {
			known[table.tagOf(i)] = true
		}
	}
	for tag, file := range found {
		if !known[tag] {
			t.Errorf("%s has the tag %s, which is in no table of numbers", file, tag)
		}
	}
}

func TestEveryThreatHasTestedPromises(t *testing.T) {
	t.Run("[S18]", func(t *testing.T) {
		tables, rows := allRows(t), 0
		here := false
		for line := range strings.Lines(read(t, "docs/security.md")) {
			line = strings.TrimSpace(line)
			if strings.HasPrefix(line, "#") {
				here = line == "## Threats"
			}
			cells := strings.Split(strings.Trim(line, "| "), " | ")
			if !here || len(cells) != 3 || cells[0] == "threat" {
				continue
			}
			rows++
			for name := range strings.SplitSeq(cells[2], ", ") {
				at := slices.IndexFunc(numberedTables, func(n numberedTable) bool { return n.prefix != "" && strings.HasPrefix(name, n.prefix) })
				if at < 0 {
					t.Errorf("the threat %q names %q, which is no promise", cells[0], name)
					continue
				}
				i, err := strconv.Atoi(strings.TrimPrefix(name, numberedTables[at].prefix))
				if state := tables[numberedTables[at].page][i]; err != nil || state == "" || state == "planned" {
					t.Errorf("the threat %q names %s, which is not tested", cells[0], name)
				}
			}
		}
		NewWithT(t).Expect(rows).To(BeNumerically(">", 10), "threats")
	})
}
