package programs

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// Log is the output of a process, in a file to which earlier processes may have
// written.
type Log struct {
	path string
	// from is the offset at which the output of the process begins.
	from int64
}

// openLog opens a file to append the output of a process.
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

// Path returns the path of the file.
func (l Log) Path() string { return l.path }

// Text returns everything that the process has printed so far.
func (l Log) Text() string {
	content, err := os.ReadFile(l.path)
	if err != nil {
		return fmt.Sprintf("(no log: %v)\n", err)
	}
	return string(content[min(l.from, int64(len(content))):])
}

// Tail returns the last lines.
func (l Log) Tail(lines int) string {
	all := strings.Split(strings.TrimRight(l.Text(), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// line returns the first complete line that contains a string; "" if there is
// none yet.
func (l Log) line(containing string) string {
	for line := range strings.Lines(l.Text()) {
		if strings.HasSuffix(line, "\n") && strings.Contains(line, containing) {
			return strings.TrimSuffix(line, "\n")
		}
	}
	return ""
}
