package progress

import (
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/term"
)

// Line is one line of a terminal that changes while a command runs. Its zero value, and
// nil, show nothing. It is safe for concurrent use.
type Line struct {
	out   io.Writer
	width int

	// mu guards the fields below.
	mu    sync.Mutex
	shown bool
}

// On returns a line on out, which shows nothing unless out is a terminal.
func On(out io.Writer) *Line {
	width := Width(out)
	if width == 0 {
		return &Line{}
	}
	return To(out, width)
}

const (
	defaultWidth = 80
	// minWidth is the smallest width, in columns, at which a text is recognizable.
	minWidth = 20
)

// Width returns the width of a terminal in columns; 0: out is no terminal.
func Width(out io.Writer) int {
	file, isFile := out.(*os.File)
	if !isFile || !term.IsTerminal(int(file.Fd())) {
		return 0
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil || width < minWidth {
		return defaultWidth
	}
	return width
}

// To returns a line on a terminal of a width in columns.
func To(out io.Writer, width int) *Line { return &Line{out: out, width: width} }

// Show replaces the text of the line. A text that is wider than the terminal is cut,
// because a wrapped line could not be replaced.
func (l *Line) Show(format string, args ...any) {
	if l == nil || l.out == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	text := []rune(fmt.Sprintf(format, args...))
	if len(text) >= l.width {
		text = append(text[:l.width-2], '…')
	}
	fmt.Fprintf(l.out, "\r%s\x1b[K", string(text))
	l.shown = true
}

// Clear removes the line, before other output or at the end.
func (l *Line) Clear() {
	if l == nil || l.out == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shown {
		fmt.Fprint(l.out, "\r\x1b[K")
		l.shown = false
	}
}
