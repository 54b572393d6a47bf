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
	indent := utf8.RuneCountInString(prefix)
	lines := linesOf(text, columns-indent)
	return prefix + strings.Join(lines, "\n"+strings.Repeat(" ", indent)) + "\n"
}

// linesOf returns the words of a text in lines of at most a width, in columns. A word that is
// longer gets its own line.
func linesOf(text string, width int) []string {
	lines := []string{""}
	used := 0
	for word := range strings.FieldsSeq(text) {
		length := utf8.RuneCountInString(word)
		last := len(lines) - 1
		switch {
		case used == 0:
			lines[last], used = word, length
		case used+1+length > width:
			lines, used = append(lines, word), length
		default:
			lines[last] += " " + word
			used += 1 + length
		}
	}
	return lines
}

// reflowed returns a text with its paragraphs wrapped. A paragraph that is indented stays as
// it is.
func reflowed(text string) string {
	paragraphs := strings.Split(text, "\n\n")
	for i, paragraph := range paragraphs {
		if !strings.HasPrefix(paragraph, " ") {
			paragraphs[i] = strings.Join(linesOf(paragraph, columns), "\n")
		}
	}
	return strings.Join(paragraphs, "\n\n")
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
