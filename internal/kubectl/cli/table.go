package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/cli-runtime/pkg/printers"

	"github.com/databricks-operator/databricks-operator/internal/kubectl/progress"
)

// table writes rows under a header, aligned as kubectl does. Cells have no control
// characters. On a terminal the longest cells are cut so that no line is wider than it.
func table(out io.Writer, header []string, rows [][]string) error {
	writer := printers.GetNewTabWriter(out)
	all := make([][]string, 0, len(rows)+1)
	for _, row := range append([][]string{header}, rows...) {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = cmp.Or(oneLine(cell), "-")
		}
		all = append(all, cells)
	}
	widths := columnWidths(all, progress.Width(out))
	for _, row := range all {
		for i := range row {
			row[i] = cut(row[i], widths[i])
		}
		if _, err := fmt.Fprintln(writer, strings.Join(row, "\t")); err != nil {
			return err
		}
	}
	return writer.Flush()
}

const (
	// columnGap is the space between two columns.
	columnGap = 3
	// minColumn is the width below which no column is cut.
	minColumn = 8
)

// columnWidths returns the widths of columns on a terminal of a width, of which the widest
// are reduced; 0: nothing limits them.
func columnWidths(rows [][]string, terminal int) []int {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	total := columnGap * (len(widths) - 1)
	for _, width := range widths {
		total += width
	}
	for ; terminal > 0 && total > terminal; total-- {
		widest := slices.Index(widths, slices.Max(widths))
		if widths[widest] <= minColumn {
			break
		}
		widths[widest]--
	}
	return widths
}

// age returns the time since another, as kubectl shows it; "" for the zero time.
func age(now, since time.Time) string {
	if since.IsZero() || since.Unix() <= 0 {
		return ""
	}
	return duration.HumanDuration(now.Sub(since))
}

// cut returns the beginning of a text for a cell.
func cut(text string, length int) string {
	runes := []rune(oneLine(text))
	if len(runes) <= length {
		return string(runes)
	}
	return string(runes[:length-1]) + "…"
}
