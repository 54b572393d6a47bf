package virtual

import (
	"fmt"
	"testing"
	"time"

	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
	"github.com/databricks-operator/databricks-operator/test/bench/figures"
)

// P1: what a quiet workspace costs. The first lists are behind it.
func TestQuiet(t *testing.T) {
	measuring(t)
	for _, row := range []struct {
		clusters, runs int
		span           time.Duration
		perCluster     bool
	}{
		{100, runs(), pick(12*time.Hour, 72*time.Hour), false},
		{1_000, pick(1, 3), pick(4*time.Hour, 24*time.Hour), true},
		{10_000, 1, 3 * time.Hour, true},
	} {
		if testing.Short() && row.clusters > 1_000 {
			continue
		}
		var all []float64
		for range row.runs {
			inWorld(t, cache.Options{}, simulator.Options{}, func(w *world) {
				w.watchAll(w.fill("c", row.clusters))
				pass(20 * time.Minute)
				began := time.Now()
				pass(row.span)
				perHour := float64(w.ledger.count(began, anything)) / row.span.Hours()
				if row.perCluster {
					perHour /= float64(row.clusters)
				}
				all = append(all, perHour)
			})
		}
		note(t, fmt.Sprintf("P1.calls.%d", row.clusters), 0, all...)
		if row.clusters == 1_000 {
			perClusterHour = figures.Quantile(0.5, all...)
		}
	}
}

// perClusterHour is what TestQuiet found at 1,000.
var perClusterHour float64

// P1, P11: how long a change made elsewhere goes unseen.
func TestDrift(t *testing.T) {
	measuring(t)
	var longest, mean []float64
	for range pick(1, 3) {
		inWorld(t, cache.Options{}, simulator.Options{}, func(w *world) {
			ids := w.fill("c", 1_000)
			w.watchAll(ids)
			pass(20 * time.Minute)
			seen := drift(w, ids[:pick(60, 300)], func(id string, since time.Time) time.Time { return w.heard(objectOf(id), since) })
			longest = append(longest, figures.Quantile(1, seen...))
			mean = append(mean, average(seen))
		})
	}
	note(t, "P1.drift", 0, longest...)
	note(t, "P11.mean", 0, mean...)
	note(t, "P11.product", 0, perClusterHour*figures.Quantile(0.5, mean...))
}

// drift changes clusters one after another, at times that fit no cadence, and
// returns after how many minutes each was seen.
func drift(w *world, ids []string, seenAt func(id string, since time.Time) time.Time) []float64 {
	changed := make([]time.Time, len(ids))
	for i, id := range ids {
		<-time.After(41 * time.Second)
		changed[i] = time.Now()
		if err := w.simulated.EditElsewhere(id, map[string]any{"custom_tags": map[string]any{"changed": fmt.Sprint(i)}}); err != nil {
			w.t.Fatal(err)
		}
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

func average(values []float64) (sum float64) {
	for _, value := range values {
		sum += value / float64(len(values))
	}
	return sum
}

// P3: what the poller asks for when all objects come at once.
func TestRestart(t *testing.T) {
	measuring(t)
	objects := pick(1_000, 10_000)
	var all []float64
	for range pick(1, 3) {
		inWorld(t, cache.Options{}, simulator.Options{}, func(w *world) {
			ids := w.fill("c", objects)
			began := time.Now()
			w.watchAll(ids)
			pass(time.Until(began.Add(10 * time.Minute)))
			all = append(all, float64(w.ledger.count(began, anything)))
		})
	}
	note(t, "P3.poller", objects, all...)
}
