package histories

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// crashWindow is how long after the last step of a scenario its calls are counted: also a
// change elsewhere is noticed within it.
const crashWindow = 6 * time.Minute

// quietAfterCrash is how long nothing happens after a crash. One crash causes no long
// backoff.
const quietAfterCrash = 30 * time.Minute

// quickTimings let every transition end within crashWindow.
var quickTimings = simulator.Timings{
	Launch: 5 * time.Second, Restart: 5 * time.Second, Resize: 3 * time.Second, Terminate: 3 * time.Second,
	LibraryInstall: 2 * time.Second, Retention: 30 * 24 * time.Hour,
}

// TestACrashAtEveryCall kills the operator before and after the effect of every call that a
// recorded run makes, until the one after the last write: later ones only read, as those of
// random histories do.
func TestACrashAtEveryCall(t *testing.T) {
	for _, c := range []struct{ name, before, then string }{
		{"create", "", "+0s create a/one {}"},
		{"update", "+0s create a/one {}", `+1m0s edit a/one {"customTags":{"team":"data"}}`},
		{"update of a terminated cluster", `+0s create a/one {"runPolicy":"Terminated"}`, `+1m0s edit a/one {"sparkConf":{"spark.a":"1"}}`},
		{"a field is removed", `+0s create a/one {"customTags":{"team":"data"}}`, `+1m0s edit a/one {"customTags":null}`},
		{"resize", "+0s create a/one {}", `+1m0s edit a/one {"numWorkers":4}`},
		{"drift is corrected", "+0s create a/one {}", "+1m0s resize-elsewhere a/one 4"},
		{"runPolicy Terminated", "+0s create a/one {}", `+1m0s edit a/one {"runPolicy":"Terminated"}`},
		{"runPolicy Running", `+0s create a/one {"runPolicy":"Terminated"}`, `+1m0s edit a/one {"runPolicy":"Running"}`},
		{"a lost cluster is created again", "+0s create a/one {}", "+1m0s delete-elsewhere a/one"},
		{"libraries", "+0s create a/one {}", `+1m0s edit a/one {"libraries":[{"pypi":{"package":"simplejson"}}]}`},
		{"libraries are removed", `+0s create a/one {"libraries":[{"pypi":{"package":"simplejson"}}]}`, `+1m0s edit a/one {"libraries":[]}`},
		{"permissions", "+0s create a/one {}", `+1m0s edit a/one {"accessControlList":[{"userName":"b@example.com","permissionLevel":"CAN_RESTART"}]}`},
		{"pin", "+0s create a/one {}", `+1m0s edit a/one {"pinned":true}`},
		{"request to restart", "+0s create a/one {}", "+1m0s request a/one restart@1"},
		{"request to terminate", "+0s create a/one {}", "+1m0s request a/one terminate@1"},
		{"request to start", `+0s create a/one {"runPolicy":"Terminated"}` + "\n" + `+1m0s edit a/one {"runPolicy":null}`, "+1m0s request a/one start@1"},
		{"adoption", "", `+0s adopt a/one {"numWorkers":3}`},
		{"take-over", "", `+0s take-over a/one {"numWorkers":3}`},
		{"deletion", "+0s create a/one {}", "+1m0s delete a/one"},
		{"deletion with Terminate", `+0s create a/one {"deletionPolicy":"Terminate"}`, "+1m0s delete a/one"},
		{"deletion with Retain", `+0s create a/one {"deletionPolicy":"Retain"}`, "+1m0s delete a/one"},
		{"deletion of a pinned cluster", `+0s create a/one {"pinned":true}`, "+1m0s delete a/one"},
		{"deletion while a create is under way", "+0s fault create-late\n+0s create a/one {}", "+5s delete a/one"},
		{"create whose answer is lost", "+0s fault create-lost", "+0s create a/one {}"},
	} {
		t.Run("[R1] "+c.name, func(t *testing.T) {
			t.Parallel()
			before, then := mustParse(t, c.before), mustParse(t, c.then)
			calls := callsOf(t, before, then)
			if calls == 0 {
				t.Fatal("no calls were recorded")
			}
			for call := 1; call <= calls; call += stride {
				for _, verb := range []string{"kill-before", "kill-after"} {
					// The kill is set where the pause of the last step ends.
					history := slices.Concat(before, []Step{{Pause: then[0].Pause, Verb: verb, Argument: strconv.Itoa(call)}})
					last := then[0]
					last.Pause = 0
					history = append(history, last, Step{Verb: "quiet", Argument: quietAfterCrash.String()})
					if found := runWith(t, quickTimings, history); found.violation != "" {
						t.Errorf("%s\n\n%s", found.violation, Transcript(history))
					}
				}
			}
			t.Logf("killed at each of %d calls", calls)
		})
	}
}

// callsOf returns the number of calls after the last step, until the one after the last
// write.
func callsOf(t *testing.T, before, then []Step) (calls int) {
	t.Helper()
	runIn(t, quickTimings, func(w *world) {
		for _, step := range before {
			pass(step.Pause)
			w.do(step)
		}
		pass(then[0].Pause)
		started := w.calls()
		w.do(then[0])
		pass(crashWindow)
		calls = min(w.lastWrite()+1, w.calls()) - started
		if broken := w.checks.broken(); broken != "" {
			t.Error(broken)
		}
	})
	return calls
}

func mustParse(t *testing.T, text string) []Step {
	t.Helper()
	steps, err := ParseTranscript(text)
	if err != nil {
		t.Fatal(err)
	}
	return steps
}

// calls returns the number of calls of the running processes.
func (w *world) calls() (count int) {
	w.each(func(l *link) { l.change(func(l *link) { count += l.calls }) })
	return count
}

// lastWrite returns the number of the last call that wrote, of the running process.
func (w *world) lastWrite() (call int) {
	w.each(func(l *link) { l.change(func(l *link) { call = max(call, l.lastWrite) }) })
	return call
}
