package virtual

import (
	"fmt"
	"testing"
	"time"

	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
	"github.com/databricks-operator/databricks-operator/test/bench/figures"
)

// P1: the calls of a quiet workspace, after the first lists.
func TestQuiet(t *testing.T) {
	skipUnlessBenchmarking(t, "P1", "P11")
	for _, row := range []struct {
		clusters, runs int
		span           time.Duration
		perCluster     bool
	}{
		{100, runs(), byMode(12*time.Hour, 72*time.Hour), false},
		{1_000, byMode(1, 3), byMode(4*time.Hour, 24*time.Hour), true},
		{10_000, 1, 3 * time.Hour, true},
	} {
		if testing.Short() && row.clusters > 1_000 {
			continue
		}
		var all []float64
		for range row.runs {
			runVirtual(t, cache.Options{}, simulator.Options{}, func(w *fixture) {
				w.watchAll(w.addClusters("c", row.clusters))
				pass(20 * time.Minute)
				began := time.Now()
				pass(row.span)
				perHour := float64(w.requestLog.count(began, anyRequest)) / row.span.Hours()
				if row.perCluster {
					perHour /= float64(row.clusters)
				}
				all = append(all, perHour)
			})
		}
		saveFigure(t, fmt.Sprintf("P1.calls.%d", row.clusters), 0, all...)
		if row.clusters == 1_000 {
			perClusterHour = figures.Quantile(0.5, all...)
		}
	}
}

// perClusterHour is the result of TestQuiet at 1,000 objects.
var perClusterHour float64

// P1, P11: the time until an external change is observed.
func TestDrift(t *testing.T) {
	skipUnlessBenchmarking(t, "P1", "P11")
	var longest, mean []float64
	for range byMode(1, 3) {
		runVirtual(t, cache.Options{}, simulator.Options{}, func(w *fixture) {
			ids := w.addClusters("c", 1_000)
			w.watchAll(ids)
			pass(20 * time.Minute)
			changes := drift(w, ids[:byMode(60, 300)], func(id string, since time.Time) time.Time { return w.eventSince(objectOf(id), since) })
			longest = append(longest, figures.Quantile(1, changes...))
			mean = append(mean, average(changes))
		})
	}
	saveFigure(t, "P1.drift", 0, longest...)
	saveFigure(t, "P11.mean", 0, mean...)
	saveFigure(t, "P11.product", 0, perClusterHour*figures.Quantile(0.5, mean...))
}

// drift changes clusters one after another, at times that are independent of
// polling intervals, and returns the minutes until each change was observed.
func drift(w *fixture, ids []string, seenAt func(id string, since time.Time) time.Time) []float64 {
	changed := make([]time.Time, len(ids))
	for i, id := range ids {
		<-time.After(41 * time.Second)
		changed[i] = time.Now()
		w.change(id, i)
	}
	pass(15 * time.Minute)
	minutes := make([]float64, 0, len(ids))
	for i, id := range ids {
		at := seenAt(id, changed[i])
		if at.IsZero() {
			w.t.Fatalf("the change of %s was never seen", id)
		}
		minutes = append(minutes, at.Sub(changed[i]).Minutes())
	}
	return minutes
}

// change changes a tag of a cluster.
func (w *fixture) change(id string, i int) {
	w.t.Helper()
	if err := w.simulated.EditElsewhere(id, map[string]any{"custom_tags": map[string]any{"changed": fmt.Sprint(i)}}); err != nil {
		w.t.Fatal(err)
	}
}

func average(values []float64) (sum float64) {
	for _, value := range values {
		sum += value / float64(len(values))
	}
	return sum
}

// P3: the poller's calls when all objects are added at once.
func TestRestart(t *testing.T) {
	skipUnlessBenchmarking(t, "P3")
	objects := byMode(1_000, 10_000)
	var all []float64
	for range byMode(1, 3) {
		runVirtual(t, cache.Options{}, simulator.Options{}, func(w *fixture) {
			ids := w.addClusters("c", objects)
			began := time.Now()
			w.watchAll(ids)
			pass(time.Until(began.Add(10 * time.Minute)))
			all = append(all, float64(w.requestLog.count(began, anyRequest)))
		})
	}
	saveFigure(t, "P3.poller", objects, all...)
}
