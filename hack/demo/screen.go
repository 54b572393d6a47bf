package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// screen prints the demo. On a terminal the last line is animated during a
// wait; otherwise every line is printed once, and a long wait prints its
// progress at intervals.
type screen struct {
	live, color bool

	mu      sync.Mutex
	out     io.Writer
	waiting string
	since   time.Time
	frame   int
}

const (
	frames        = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
	frameInterval = 100 * time.Millisecond
	// progressInterval is the interval of progress lines without a terminal.
	progressInterval = 10 * time.Second
)

func newScreen(out *os.File) *screen {
	info, err := out.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0
	live := terminal && os.Getenv("TERM") != "dumb"
	return &screen{out: out, live: live, color: live && os.Getenv("NO_COLOR") == ""}
}

// section starts a section.
func (s *screen) section(title, about string) {
	s.line("\n%s  %s", s.bold(title), s.dim(about))
}

// line prints one line above the line of the current wait.
func (s *screen) line(format string, values ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	fmt.Fprintf(s.out, format+"\n", values...)
	s.draw()
}

// done prints that a check succeeded.
func (s *screen) done(format string, values ...any) {
	s.line("  %s %s", s.green("✓"), fmt.Sprintf(format, values...))
}

// step runs one slow step and prints its result.
func (s *screen) step(name string, do func() (string, error)) error {
	began := time.Now()
	stop := s.wait(name)
	about, err := do()
	stop()
	if err != nil {
		s.line("  %s %s", s.red("✗"), name)
		return err
	}
	s.line("  %s %-15s %s  %s", s.green("✓"), name, about, s.dim(formatDuration(time.Since(began))))
	return nil
}

// wait shows that the demo waits for something, until stop is called.
func (s *screen) wait(what string) (stop func()) {
	s.mu.Lock()
	s.waiting, s.since = what, time.Now()
	s.draw()
	s.mu.Unlock()
	done, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		s.animate(done)
	}()
	return func() {
		close(done)
		<-gone
		s.mu.Lock()
		defer s.mu.Unlock()
		s.erase()
		s.waiting = ""
	}
}

func (s *screen) animate(done <-chan struct{}) {
	every := progressInterval
	if s.live {
		every = frameInterval
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
		}
		s.mu.Lock()
		if s.live {
			s.erase()
			s.frame++
			s.draw()
		} else {
			fmt.Fprintf(s.out, "  … %s (%s so far)\n", s.waiting, formatDuration(time.Since(s.since)))
		}
		s.mu.Unlock()
	}
}

func (s *screen) erase() {
	if s.live && s.waiting != "" {
		fmt.Fprint(s.out, "\r\033[K")
	}
}

func (s *screen) draw() {
	if s.live && s.waiting != "" {
		all := []rune(frames)
		fmt.Fprintf(s.out, "  %s %s %s", s.dim(string(all[s.frame%len(all)])), s.waiting, s.dim(formatDuration(time.Since(s.since))))
	}
}

// formatDuration formats a duration for readers.
func formatDuration(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

func (s *screen) bold(text string) string  { return s.paint("1", text) }
func (s *screen) dim(text string) string   { return s.paint("2", text) }
func (s *screen) red(text string) string   { return s.paint("31", text) }
func (s *screen) green(text string) string { return s.paint("32", text) }

func (s *screen) paint(code, text string) string {
	if !s.color || strings.TrimSpace(text) == "" {
		return text
	}
	return "\033[" + code + "m" + text + "\033[0m"
}
