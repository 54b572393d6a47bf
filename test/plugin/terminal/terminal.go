// Package terminal draws the output of commands as pictures of a terminal, for the
// documentation. The same text is always the same picture.
package terminal

import (
	"fmt"
	"html"
	"strings"
)

const (
	// columns is the width of a picture; longer lines are cut.
	columns = 100
	// The size of a character, and the border, in pixels.
	characterWidth, lineHeight, border = 8, 19, 14
)

// colors are the colors of lines, by their beginnings.
var colors = []struct{ prefix, color string }{
	{"$ ", "#e6edf3"},
	{"BAD ", "#ff7b72"},
	{"ok  ", "#7ee787"},
	{"?   ", "#d2a8ff"},
	{"  ~ ", "#ffa657"},
	{"  > ", "#79c0ff"},
	{"       $ ", "#79c0ff"},
}

// SVG returns a picture of a text.
func SVG(text string) []byte {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	var out strings.Builder
	width, height := columns*characterWidth+2*border, len(lines)*lineHeight+2*border
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" role="img">`+"\n", width, height)
	fmt.Fprintf(&out, `<rect width="%d" height="%d" rx="8" fill="#0d1117"/>`+"\n", width, height)
	out.WriteString(`<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="13" xml:space="preserve">` + "\n")
	for i, line := range lines {
		if line == "" {
			continue
		}
		runes := []rune(line)
		if len(runes) > columns {
			runes = append(runes[:columns-1], '…')
		}
		fmt.Fprintf(&out, `<text x="%d" y="%d" fill="%s" textLength="%d">%s</text>`+"\n",
			border, border+(i+1)*lineHeight-5, colorOf(line), len(runes)*characterWidth, html.EscapeString(string(runes)))
	}
	out.WriteString("</g>\n</svg>\n")
	return []byte(out.String())
}

func colorOf(line string) string {
	for _, c := range colors {
		if strings.HasPrefix(line, c.prefix) {
			return c.color
		}
	}
	return "#9da7b3"
}
