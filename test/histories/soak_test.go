package histories

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

var (
	soakHours   = flag.Int("hours", 6, "virtual hours of the soak test")
	soakObjects = flag.Int("objects", 30, "objects of the soak test")
)

// footprint is what a process of the operator holds.
type footprint struct {
	goroutines int
	// heap is in bytes, and includes the API server and the workspace.
	heap uint64
	// series is the number of metric series.
	series int
}

func (f footprint) String() string {
	return fmt.Sprintf("%d goroutines, %.1f MiB heap, %d series", f.goroutines, float64(f.heap)/(1<<20), f.series)
}

// TestSoak lets objects come, change and go for days, while the workspace fails for ten
// minutes of every hour. Then the operator holds no more than a new process does for the
// same objects.
func TestSoak(t *testing.T) {
	if defaultSteps < 10_000 {
		t.Skip("the race detector changes the footprint")
	}
	runIn(t, simulator.DefaultTimings(), func(w *world) {
		random := rand.New(rand.NewPCG(1, 3))
		for hour := 6; hour <= *soakHours; hour += 6 {
			w.churn(random, 6*time.Hour)
			w.heal()
			pass(quiet)
			w.settled()
			w.server.trim()
			t.Logf("after %d hours: %v", hour, measure(t))
		}
		if broken := w.checks.broken(); broken != "" {
			t.Error(broken)
		}
		old := measure(t)
		w.each((*link).kill)
		pass(quiet)
		fresh := measure(t)
		t.Logf("[R16] after %d hours: %v; a new process: %v", *soakHours, old, fresh)
		if old.goroutines > fresh.goroutines+10 {
			t.Errorf("goroutines grow: %v, a new process has %v", old, fresh)
		}
		if old.heap > fresh.heap+fresh.heap/4 {
			t.Errorf("the heap grows: %v, a new process has %v", old, fresh)
		}
		if old.series > fresh.series {
			t.Errorf("the series grow: %v, a new process has %v", old, fresh)
		}
	})
}

// churn lets time pass.
func (w *world) churn(random *rand.Rand, span time.Duration) {
	namespaces := sortedNames(tokens)
	for minute := range int(span / time.Minute) {
		switch minute % 60 {
		case 20:
			w.workspace.AddFault(simulator.Fault{Name: "flap", Endpoint: "*", Percent: 60, Status: 503, ErrorCode: "TEMPORARILY_UNAVAILABLE", Message: "injected"})
		case 30:
			w.workspace.RemoveFault("flap")
		}
		for range max(1, *soakObjects/100) {
			number := random.IntN(*soakObjects)
			at := key{resource: clusters, namespace: namespaces[number%len(namespaces)], name: fmt.Sprintf("n-%d", number)}
			switch random.IntN(4) {
			case 0, 1:
				w.create(at, "{}")
			case 2:
				w.edit(at, fmt.Sprintf(`{"numWorkers":%d}`, 1+random.IntN(5)))
			case 3:
				_, _ = w.server.remove(at)
			}
		}
		pass(time.Minute)
	}
}

// measure returns the footprint of everything once all is still.
func measure(t *testing.T) footprint {
	t.Helper()
	runtime.GC()
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := 0
	for _, family := range families {
		series += len(family.GetMetric())
	}
	return footprint{goroutines: runtime.NumGoroutine(), heap: memory.HeapAlloc, series: series}
}
