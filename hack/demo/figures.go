package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// figures are the costs of the demo.
type figures struct {
	began time.Time
	// own counts the demo's own writes to existing objects.
	own int

	applied, ready, deleting, deleted counts
}

// counts are the totals at one time.
type counts struct {
	at    time.Time
	calls map[string]int
	// writes are the operator's writes to objects, and events its events about
	// them.
	writes, events int
}

func (d *demo) count(ctx context.Context, into *counts) error {
	requests, err := d.environment.simulator.Requests(ctx)
	if err != nil {
		return err
	}
	var events eventsv1.EventList
	if err := d.environment.api.List(ctx, &events, client.InNamespace(namespace)); err != nil {
		return fmt.Errorf("list the events: %w", err)
	}
	*into = counts{at: time.Now(), calls: map[string]int{}, writes: -d.figures.own, events: len(events.Items)}
	for _, request := range requests {
		into.calls[request.Endpoint]++
	}
	for _, changes := range d.board.changes {
		into.writes += changes
	}
	return nil
}

// printFigures prints the average costs of the lifecycle of one sample, without
// the other changes of the demo.
func (d *demo) printFigures(context.Context) error {
	d.screen.section("Figures", "from apply to Ready, and from delete until deleted")
	f := d.figures
	objects, total := len(d.clusters()), 0
	calls := maps.Clone(f.ready.calls)
	for name, count := range f.deleted.calls {
		if more := count - f.deleting.calls[name]; more > 0 {
			calls[name] += more
		}
	}
	for _, count := range calls {
		total += count
	}
	d.figure("Databricks calls", "%s per object, %d for %d: %s", perObject(total, objects), total, objects, formatCounts(calls))
	d.figure("Kubernetes writes", "%s per object, and %s events",
		perObject(f.ready.writes+f.deleted.writes-f.deleting.writes, objects), perObject(f.ready.events+f.deleted.events-f.deleting.events, objects))
	d.figure("time", "%s to Ready, %s to delete, %s for all of the above",
		formatDuration(f.ready.at.Sub(f.applied.at)), formatDuration(f.deleted.at.Sub(f.deleting.at)), formatDuration(time.Since(f.began)))
	return nil
}

func (d *demo) figure(name, format string, values ...any) {
	d.screen.line("  %-19s %s", name, fmt.Sprintf(format, values...))
}

func perObject(total, objects int) string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(total)/float64(objects)), ".0")
}

// formatCounts formats counts, the largest first.
func formatCounts(counts map[string]int) string {
	var names []string
	for name := range counts {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if order := counts[b] - counts[a]; order != 0 {
			return order
		}
		return strings.Compare(a, b)
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%d %s", counts[name], strings.TrimPrefix(name, "clusters/"))
	}
	return strings.Join(names, ", ")
}
