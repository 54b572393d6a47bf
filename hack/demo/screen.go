package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// screen is where the story is told. On a terminal its last line moves while
// something is waited for; elsewhere every line is written once, and a long wait
// says now and then that it goes on.
type screen struct {
	live, color bool

	mu      sync.Mutex
	out     io.Writer
	waiting string
	since   time.Time
	frame   int
}

const (
	frames     = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
	frameEvery = 100 * time.Millisecond
	// patienceEvery is how often a wait is told where no line can move.
	patienceEvery = 10 * time.Second
)

func newScreen(out *os.File) *screen {
	info, err := out.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0
	live := terminal && os.Getenv("TERM") != "dumb"
	return &screen{out: out, live: live, color: live && os.Getenv("NO_COLOR") == ""}
}

// section begins a chapter.
func (s *screen) section(title, about string) {
	s.line("\n%s  %s", s.bold(title), s.dim(about))
}

// line writes one line, above what is waited for.
func (s *screen) line(format string, values ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	fmt.Fprintf(s.out, format+"\n", values...)
	s.draw()
}

// done tells that something is as it was to be.
func (s *screen) done(format string, values ...any) {
	s.line("  %s %s", s.green("✓"), fmt.Sprintf(format, values...))
}

// step does one thing that takes a while, and tells that it is done and what
// came of it.
func (s *screen) step(name string, do func() (string, error)) error {
	began := time.Now()
	stop := s.wait(name)
	about, err := do()
	stop()
	if err != nil {
		s.line("  %s %s", s.red("✗"), name)
		return err
	}
	s.line("  %s %-15s %s  %s", s.green("✓"), name, about, s.dim(span(time.Since(began))))
	return nil
}

// wait tells that something is waited for, until stop is called.
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
	every := patienceEvery
	if s.live {
		every = frameEvery
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
			fmt.Fprintf(s.out, "  … %s (%s so far)\n", s.waiting, span(time.Since(s.since)))
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
		fmt.Fprintf(s.out, "  %s %s %s", s.dim(string(all[s.frame%len(all)])), s.waiting, s.dim(span(time.Since(s.since))))
	}
}

// span is a duration as people say it.
func span(d time.Duration) string {
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
