package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// columns is the width of texts.
const columns = 80

// wrapped returns a text in lines of at most 80 columns. The first line begins with a
// prefix, and the others are indented as far. A word that is longer gets its own line.
func wrapped(prefix, text string) string {
	indent := strings.Repeat(" ", utf8.RuneCountInString(prefix))
	var out strings.Builder
	width := utf8.RuneCountInString(prefix)
	out.WriteString(prefix)
	isFirst := true
	for word := range strings.FieldsSeq(text) {
		length := utf8.RuneCountInString(word)
		switch {
		case isFirst:
		case width+1+length > columns:
			out.WriteString("\n" + indent)
			width = len(indent)
		default:
			out.WriteString(" ")
			width++
		}
		out.WriteString(word)
		width += length
		isFirst = false
	}
	out.WriteString("\n")
	return out.String()
}

// writeWrapped writes a wrapped text.
func writeWrapped(out io.Writer, prefix, format string, args ...any) {
	fmt.Fprint(out, wrapped(prefix, fmt.Sprintf(format, args...)))
}

// counted returns a number with its noun.
func counted(count int, noun string) string {
	if count == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", count, noun)
}

// oneLine returns a text of a workspace without control characters, which a terminal would
// obey.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, text)
}
