package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/cli-runtime/pkg/printers"
)

// table writes rows under a header, aligned as kubectl does. Cells have no control
// characters.
func table(out io.Writer, header []string, rows [][]string) error {
	writer := printers.GetNewTabWriter(out)
	for _, row := range append([][]string{header}, rows...) {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = oneLine(cell)
			if cell == "" {
				cells[i] = "-"
			}
		}
		if _, err := fmt.Fprintln(writer, strings.Join(cells, "\t")); err != nil {
			return err
		}
	}
	return writer.Flush()
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
