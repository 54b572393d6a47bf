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

// figures are what the story took.
type figures struct {
	began time.Time
	// own is how often the demo itself wrote to an object that there was.
	own int

	applied, ready, deleting, deleted tally
}

// tally is what had been done at a moment since the beginning.
type tally struct {
	at    time.Time
	calls map[string]int
	// writes are the operator's to objects, events those about them.
	writes, events int
}

func (d *demo) count(ctx context.Context, into *tally) error {
	requests, err := d.world.simulator.Requests(ctx)
	if err != nil {
		return err
	}
	var told eventsv1.EventList
	if err := d.world.api.List(ctx, &told, client.InNamespace(namespace)); err != nil {
		return fmt.Errorf("list the events: %w", err)
	}
	*into = tally{at: time.Now(), calls: map[string]int{}, writes: -d.figures.own, events: len(told.Items)}
	for _, request := range requests {
		into.calls[request.Endpoint]++
	}
	for _, changes := range d.board.changes {
		into.writes += changes
	}
	return nil
}

// tellFigures tells what one sample's plain life costs, on average over all of
// them, without what else was done to them.
func (d *demo) tellFigures(context.Context) error {
	d.screen.section("Figures", "from apply to Ready, and from delete to the end")
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
	d.figure("Databricks calls", "%s per object, %d for %d: %s", each(total, objects), total, objects, counted(calls))
	d.figure("Kubernetes writes", "%s per object, and %s events",
		each(f.ready.writes+f.deleted.writes-f.deleting.writes, objects), each(f.ready.events+f.deleted.events-f.deleting.events, objects))
	d.figure("time", "%s to Ready, %s to delete, %s for all of the above",
		span(f.ready.at.Sub(f.applied.at)), span(f.deleted.at.Sub(f.deleting.at)), span(time.Since(f.began)))
	return nil
}

func (d *demo) figure(name, format string, values ...any) {
	d.screen.line("  %-19s %s", name, fmt.Sprintf(format, values...))
}

func each(total, objects int) string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(total)/float64(objects)), ".0")
}

// counted are counts, the largest first.
func counted(counts map[string]int) string {
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
