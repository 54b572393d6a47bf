package programs

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// Log is what a process prints, in a file that others may have written to before.
type Log struct {
	path string
	// from is where in the file the process began.
	from int64
}

// openLog opens a file to go on in, for a process.
func openLog(path string) (Log, *os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) //nolint:gosec // the caller's own file
	if err != nil {
		return Log{}, nil, fmt.Errorf("open the log: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return Log{}, nil, errors.Join(fmt.Errorf("open the log: %w", err), file.Close())
	}
	return Log{path: path, from: info.Size()}, file, nil
}

// Path is where the file is.
func (l Log) Path() string { return l.path }

// Text is all that the process printed so far.
func (l Log) Text() string {
	content, err := os.ReadFile(l.path)
	if err != nil {
		return fmt.Sprintf("(no log: %v)\n", err)
	}
	return string(content[min(l.from, int64(len(content))):])
}

// Tail is the last lines.
func (l Log) Tail(lines int) string {
	all := strings.Split(strings.TrimRight(l.Text(), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// line is the first whole line that contains a text; "" if there is none yet.
func (l Log) line(containing string) string {
	for line := range strings.Lines(l.Text()) {
		if strings.HasSuffix(line, "\n") && strings.Contains(line, containing) {
			return strings.TrimSuffix(line, "\n")
		}
	}
	return ""
}
