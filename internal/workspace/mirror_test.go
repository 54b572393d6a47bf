package workspace

import (
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
)

func TestAWatchedClusterIsSeenAndItsChangesAreTold(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		w.remote.put("c1", compute.StatePending)
		ws := w.watchAll([]string{"c1"})
		if got := ws.Observe("c1").Presence; got != Unknown {
			t.Fatalf("observed %v before anybody looked", got)
		}
		w.pass(2 * time.Second)
		if state(ws, "c1") != compute.StatePending || w.news("c1") == 0 {
			t.Fatalf("state %q after the first look", state(ws, "c1"))
		}
		w.remote.put("c1", compute.StateRunning)
		w.pass(9 * time.Second)
		if state(ws, "c1") != compute.StateRunning || w.news("c1") == 0 {
			t.Fatalf("state %q a fast interval later", state(ws, "c1"))
		}
		calls := w.remote.count("", time.Time{})
		w.pass(4 * time.Minute)
		if w.news("c1") != 0 || w.remote.count("", time.Time{}) != calls {
			t.Fatal("a quiet cluster was looked at or told of")
		}
	})
}
