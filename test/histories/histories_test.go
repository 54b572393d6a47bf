package histories

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
)

var (
	firstSeed = flag.Uint64("seed", 1, "seed of the first random history")
	allSteps  = flag.Int("steps", defaultSteps, "number of steps of all random histories together")
)

func TestMain(m *testing.M) {
	// The default handlers remember the time of the last error in a global variable, and
	// sleep until a millisecond after it, which virtual times of two histories make years.
	utilruntime.ErrorHandlers = nil //nolint:reassign // for that purpose it is a variable
	debug.SetGCPercent(400)         // the histories allocate much and keep little
	os.Exit(m.Run())
}

// stepsPerHistory is the length of a random history.
const stepsPerHistory = 400

// longestShortening is how long a history that fails is shortened, in real time. One that
// fails only in one order of its goroutines does not become shorter.
const longestShortening = 5 * time.Minute

// TestHistories runs random histories. The first one that fails is shortened and printed;
// keep it in testdata.
func TestHistories(t *testing.T) {
	var done atomic.Int64
	var next atomic.Uint64
	next.Store(*firstSeed)
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			for done.Load() < int64(*allSteps) && !t.Failed() {
				seed := next.Add(1) - 1
				history := Random(seed, stepsPerHistory)
				found := run(t, history)
				done.Add(int64(found.steps))
				if found.violation == "" {
					continue
				}
				violation := found.violation
				// At once, because the log of a test is lost if its program times out.
				fmt.Fprintf(os.Stderr, "[R15] seed %d fails after %d steps: %s\nIt is shortened for at most %v.\n", seed, found.steps, violation, longestShortening)
				t.Fail()
				deadline := time.Now().Add(longestShortening)
				history = shorten(history[:min(found.steps, len(history))], func(shorter []Step) bool {
					// Goroutines are not scheduled in the same order every time.
					for range 3 {
						if time.Now().After(deadline) {
							return false
						}
						if again := run(t, shorter).violation; again != "" {
							violation = again
							return true
						}
					}
					return false
				})
				t.Errorf("[R15] seed %d: %s\n\n%s", seed, violation, Transcript(history))
			}
		})
	}
	workers.Wait()
	t.Logf("%d steps of %d histories", done.Load(), next.Load()-*firstSeed)
}

// TestKeptHistories replays the histories that failed once.
func TestKeptHistories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("there are no histories in testdata", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			history, err := ParseTranscript(string(text))
			if err != nil {
				t.Fatal(err)
			}
			if found := run(t, history); found.violation != "" {
				t.Error(found.violation)
			}
		})
	}
}

func TestATranscriptIsParsedAsItWasPrinted(t *testing.T) {
	for seed := range uint64(20) {
		printed := Transcript(Random(seed, stepsPerHistory))
		parsed, err := ParseTranscript(printed)
		if err != nil {
			t.Fatal(err)
		}
		if again := Transcript(parsed); again != printed {
			t.Fatal(strconv.Quote(printed), "became", strconv.Quote(again))
		}
	}
}

// TestAHistoryIsShortened: only the steps that a failure needs are left.
func TestAHistoryIsShortened(t *testing.T) {
	var steps []Step
	for i := range 100 {
		steps = append(steps, Step{Verb: "edit", Argument: strconv.Itoa(i)})
	}
	needs := map[string]bool{"3": true, "50": true, "99": true}
	left := shorten(steps, func(shorter []Step) bool {
		found := 0
		for _, step := range shorter {
			if needs[step.Argument] {
				found++
			}
		}
		return found == len(needs)
	})
	if len(left) != len(needs) {
		t.Errorf("%v", left)
	}
}
