package histories

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// outcome is the end of a history.
type outcome struct {
	// violation is the first broken invariant; "" if all held.
	violation string
	// steps is the number of steps that were done.
	steps int
}

// longest is the longest time in which a history must end, in real time.
const longest = 5 * time.Minute

// run runs a history, and checks its end.
func run(t *testing.T, steps []Step) outcome {
	t.Helper()
	return runWith(t, simulator.DefaultTimings(), steps)
}

// runWith runs a history in a workspace with other timings. A history that does not end
// panics, because neither its goroutines nor its virtual time can be stopped.
func runWith(t *testing.T, timings simulator.Timings, steps []Step) (found outcome) {
	t.Helper()
	watchdog := time.AfterFunc(longest, func() { panic("this history does not end:\n" + Transcript(steps)) })
	defer watchdog.Stop()
	if len(steps) == 0 || steps[len(steps)-1].Verb != "quiet" {
		steps = append(slices.Clip(steps), Step{Verb: "quiet"})
	}
	runIn(t, timings, func(w *world) {
		for _, step := range steps {
			pass(step.Pause)
			w.do(step)
			found.steps++
			w.checks.afterStep()
			if found.violation = w.checks.broken(); found.violation != "" {
				return
			}
		}
	})
	return found
}

// runIn runs something in a world of its own, in virtual time.
func runIn(t *testing.T, timings simulator.Timings, do func(*world)) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		w := newWorld(timings)
		defer w.stop()
		w.start()
		do(w)
	})
}

// pass lets virtual time pass.
func pass(d time.Duration) { <-time.After(d) }

// quiet and still are how long nothing happens before the world is checked, and how long
// nothing may be written then. Backoffs end within the former, and permissions are read.
const (
	quiet = 150 * time.Minute
	still = 20 * time.Minute
)

// settle heals the world, waits, and checks that every object is settled and stays so.
func (w *world) settle(after time.Duration) {
	w.heal()
	pass(after)
	w.settled()
	w.listedSettled()
	w.listedOwners()
	if w.checks.broken() != "" {
		return
	}
	// What the workspace refuses is tried again, at long intervals.
	retried := w.server.stalled()
	version, writes := w.server.lastVersion(), w.checks.writesSoFar()
	pass(still)
	for at, count := range w.server.writesSince(version) {
		if !retried[at] || count > mostWritesOfRetry {
			w.checks.violated(fmt.Sprintf("[P7] %d writes to a settled object, the last one of all %s", count, w.server.lastChange()))
		}
	}
	if now := w.checks.writesSoFar(); now > writes+len(retried) {
		w.checks.violated(fmt.Sprintf("[P7] %d writes to the workspace for settled objects", now-writes))
	}
}

// mostWritesOfRetry is how often an object may be written for the retry of one write that is
// refused: the intent or the attempt, and the result.
const mostWritesOfRetry = 2

func (w *world) do(step Step) {
	known, ok := verbOf(step.Verb)
	if !ok {
		panic("unknown verb " + step.Verb)
	}
	known.do(w, keyOf(step.Object), step.Argument)
}

// shorten returns the steps that a failing history needs to fail: it leaves out ever
// smaller parts, as long as the rest still fails.
func shorten(steps []Step, fails func([]Step) bool) []Step {
	for size := max(1, len(steps)/2); ; size /= 2 {
		for from := 0; from < len(steps); {
			shorter := append(append([]Step{}, steps[:from]...), steps[min(from+size, len(steps)):]...)
			if fails(shorter) {
				steps = shorter
			} else {
				from += size
			}
		}
		if size <= 1 {
			return steps
		}
	}
}

// Transcript returns a history as lines.
func Transcript(steps []Step) string {
	var lines strings.Builder
	for _, step := range steps {
		fmt.Fprintln(&lines, step)
	}
	return lines.String()
}

// ParseTranscript parses the lines of a history. Lines that begin with # are comments.
func ParseTranscript(text string) ([]Step, error) {
	var steps []Step
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		step, err := ParseStep(line)
		if err != nil {
			return nil, err
		}
		steps = append(steps, step)
	}
	return steps, nil
}
