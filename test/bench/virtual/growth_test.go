package virtual

import (
	"strings"
	"testing"
	"time"

	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
	"github.com/databricks-operator/databricks-operator/test/bench/figures"
)

// P14: the calls of one workspace at growing numbers of objects, when a process
// starts and when it is quiet.
func TestGrowth(t *testing.T) {
	skipUnlessBenchmarking(t, "P14")
	var perHour []float64
	sizes := byMode([]int{1_000, 3_000}, figures.Sizes)
	for _, size := range sizes {
		runVirtual(t, cache.Options{}, simulator.Options{}, func(w *fixture) {
			ids := w.addClusters("c", size)
			began := time.Now()
			w.watchAll(ids)
			for w.enqueued() < size && time.Since(began) < time.Hour {
				pass(time.Second)
			}
			saveFigure(t, figures.OneProcess.Key(figures.GrowthFirst, size), size, time.Since(began).Seconds())
			pass(5 * time.Minute)
			began = time.Now()
			pass(25 * time.Minute) // the pages of several lists, which are the CPU of this benchmark
			calls := w.callsPerHour(began) / float64(size)
			perHour = append(perHour, calls)
			saveFigure(t, figures.OneProcess.Key(figures.GrowthCalls, size), size, calls)
		})
	}
	largest := sizes[len(sizes)-1]
	saveFigure(t, "P14.calls", largest, figures.Quantile(1, perHour...)/figures.Quantile(0, perHour...))
}

// enqueued returns the number of objects that were enqueued at least once.
func (w *fixture) enqueued() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.lastEvent)
}

// callsPerHour returns the average calls per hour since a time, from the
// beginning of a list to that of another, so that the number of lists that fit
// into the time does not matter.
func (w *fixture) callsPerHour(since time.Time) float64 {
	const pause = time.Minute // longer than between two pages, shorter than between lists
	var starts []time.Time
	last := since
	for _, at := range w.requestLog.times(func(e entry) bool { return strings.HasSuffix(e.endpoint, "/list") && !e.at.Before(since) }) {
		if at.Sub(last) > pause {
			starts = append(starts, at)
		}
		last = at
	}
	if len(starts) < 2 {
		w.t.Fatalf("%d lists are too few", len(starts))
	}
	from, until := starts[0], starts[len(starts)-1]
	calls := w.requestLog.count(from, func(e entry) bool { return e.at.Before(until) })
	return float64(calls) / until.Sub(from).Hours()
}
