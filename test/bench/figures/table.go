package figures

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Run describes the run that a table shows.
type Run struct {
	Short bool
	// Objects is the number of objects in the measurements with processes.
	Objects int
	// Machine, Go and Commit are the machine, the Go version and the measured
	// commit.
	Machine, Go, Commit string
	// Date is the day, and Took the duration of the run.
	Date, Took string
}

func (r Run) mode() string {
	if r.Short {
		return "short run"
	}
	return "full run"
}

// cells returns the cells of a row in both tables.
func (r Row) cells(measured Set) []string {
	return []string{r.ID, r.Figure, r.peerColumn(measured), r.target(), r.ownColumn(measured), string(r.Verdict(measured))}
}

func (r Row) peerColumn(measured Set) string {
	keys := r.peers()
	if len(keys) == 0 {
		return r.Reference
	}
	var parts []string
	for _, key := range keys {
		if figure, known := measured[key]; known {
			parts = append(parts, number(figure.Value))
		}
	}
	return strings.Join(parts, " · ")
}

func (r Row) target() string {
	switch {
	case r.Max == nil:
		return ""
	case *r.Max == 0:
		return "0"
	default:
		return "≤ " + number(*r.Max)
	}
}

func (r Row) ownColumn(measured Set) string {
	figure, known := measured[r.Key]
	if !known {
		return "–"
	}
	text := strings.TrimSpace(number(figure.Value) + " " + r.Unit)
	if len(figure.Fitted) > 0 {
		text = "≈ " + text
	}
	if figure.Objects != 0 && figure.Objects < r.At {
		text += " at " + number(float64(figure.Objects))
	}
	return text
}

var headings = []string{"", "figure", "peers", "target", "ours", ""}

// peerHeadings and peerCells are the table of the peers' figures.
var peerHeadings = []string{
	"policy", "calls per cluster-hour", "pin reads apart", "drift seen, mean min", "calls × minutes", "calls create→RUNNING",
	"calls to resize one of 1,000", "10 min after a restart",
}

func peerCells(measured Set) [][]string {
	value := func(key string) string {
		if figure, known := measured[key]; known {
			return number(figure.Value)
		}
		return "–"
	}
	var table [][]string
	for _, policy := range slices.Concat(Policies, Tools) {
		row := []string{policy.Description}
		for _, figure := range []string{PeerCalls, PeerPins, PeerMean, PeerProduct, PeerCreate, PeerChange, PeerRestart} {
			key := policy.Key(figure)
			if figure == PeerCreate && slices.Contains(Tools, policy) { // both use the SDK's waiter
				key = "peer.waiter." + PeerCreate
			}
			row = append(row, value(key))
		}
		table = append(table, row)
	}
	return append(table, []string{
		"one list for all (ours)", value("P1.calls.1000"), "0", value("P11.mean"), value("P11.product"), value("P2.calls"), value("P2.change"), value("P3.poller"),
	})
}

// Text returns the table for a terminal, with colours if requested.
func Text(run Run, measured Set, colour bool) string {
	paint := painter(colour)
	var out strings.Builder
	fmt.Fprintf(&out, "\n%s  %s · %s objects · %s · %s · %s · %s\n\n", paint("1", "databricks-operator bench"),
		run.mode(), number(float64(run.Objects)), run.Machine, run.Go, run.Commit, run.Took)
	table, counts := [][]string{headings}, map[Verdict]int{}
	last := ""
	for _, row := range Rows {
		cells := row.cells(measured)
		if cells[0] == last {
			cells[0] = ""
		}
		last = row.ID
		table = append(table, cells)
		counts[row.Verdict(measured)]++
	}
	lines := align(table)
	out.WriteString(paint("1", lines[0]) + "\n")
	for i, row := range Rows {
		code := map[Verdict]string{Pass: "32", Miss: "31;1"}[row.Verdict(measured)]
		line := lines[i+1]
		if verdict := string(row.Verdict(measured)); code != "" {
			line = strings.TrimSuffix(line, verdict) + paint(code, verdict)
		}
		out.WriteString(line + "\n")
	}
	writeText(&out, paint, "peers, run against the same simulated workspace", append([][]string{peerHeadings}, peerCells(measured)...))
	writeText(&out, paint, "share of all cores, by program", cpuTable(measured))
	writeText(&out, paint, "growth (P14)", growthTable(measured))
	if note := growthNote(measured); note != "" {
		out.WriteString("\n" + note + "\n")
	}
	if budgets := budgetTable(measured); len(budgets) > 1 {
		writeText(&out, paint, "budgets", budgets)
	}
	fmt.Fprintf(&out, "\n%d pass, %d miss", counts[Pass], counts[Miss])
	if left := counts[Partial] + counts[LeftOut]; left > 0 {
		fmt.Fprintf(&out, ", %d only in a full run (make bench)", left)
	}
	out.WriteString("\n")
	return out.String()
}

// writeText writes a table for a terminal.
func writeText(out *strings.Builder, paint func(code, text string) string, title string, table [][]string) {
	out.WriteString("\n" + title + "\n\n")
	for i, line := range align(table) {
		if i == 0 {
			line = paint("1", line)
		}
		out.WriteString(line + "\n")
	}
}

func painter(colour bool) func(code, text string) string {
	return func(code, text string) string {
		if !colour {
			return text
		}
		return "\x1b[" + code + "m" + text + "\x1b[0m"
	}
}

// align pads the cells of a table; lines have no trailing blanks.
func align(table [][]string) []string {
	widths := make([]int, len(table[0]))
	for _, row := range table {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	lines := make([]string, 0, len(table))
	for _, row := range table {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
		}
		lines = append(lines, strings.TrimRight(line.String(), " "))
	}
	return lines
}

// Markdown returns the table for the documentation.
func Markdown(run Run, measured Set) string {
	var out strings.Builder
	fmt.Fprintf(&out, "A %s of %s on %s, %s, commit %s, %s.\n\n", run.mode(), run.Date, run.Machine, run.Go, run.Commit, run.Took)
	table := [][]string{{"#", "figure", "peers", "target", "ours", "verdict"}}
	for _, row := range Rows {
		table = append(table, row.cells(measured))
	}
	writeTable(&out, table)
	out.WriteString("\nThe peers' policies, in the same run against the same simulated workspace:\n\n")
	writeTable(&out, append([][]string{peerHeadings}, peerCells(measured)...))
	out.WriteString("\nThe share of all cores that each program used:\n\n")
	writeTable(&out, cpuTable(measured))
	out.WriteString("\nThe benchmark fails if one of these figures, which do not depend on the speed of the machine, exceeds its budget:\n\n")
	writeTable(&out, budgetTable(measured))
	out.WriteString("\n### Growth\n\n")
	writeTable(&out, growthTable(measured))
	if note := growthNote(measured); note != "" {
		out.WriteString("\n" + note + "\n")
	}
	out.WriteString("\n![Calls, CPU, memory and the time of a restart against the number of objects](images/growth.svg)\n")
	return out.String()
}

func writeTable(out *strings.Builder, table [][]string) {
	for i, row := range table {
		out.WriteString("| " + strings.Join(row, " | ") + " |\n")
		if i == 0 {
			out.WriteString(strings.Repeat("|---", len(row)) + "|\n")
		}
	}
}

// The lines between which a page contains the table.
const (
	begin = "<!-- make bench DOC=1 writes what follows -->\n"
	end   = "<!-- until here -->\n"
)

// Insert replaces the table of a page.
func Insert(page, table string) (string, error) {
	before, rest, begun := strings.Cut(page, begin)
	_, after, ended := strings.Cut(rest, end)
	if !begun || !ended {
		return "", fmt.Errorf("the page has no place for the table: it needs the lines %q and %q", strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return before + begin + "\n" + table + "\n" + end + after, nil
}
