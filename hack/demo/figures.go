package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// figures are what the story took.
type figures struct {
	began, applied, ready, deleting, deleted time.Time
}

// tellFigures tells what one object's life cost, on average over all of them.
func (d *demo) tellFigures(ctx context.Context) error {
	d.screen.section("Figures", "from apply to the end of the last object")
	requests, err := d.world.simulator.Requests(ctx)
	if err != nil {
		return err
	}
	calls := map[string]int{}
	for _, request := range requests {
		calls[request.Endpoint]++
	}
	var told eventsv1.EventList
	if err := d.world.api.List(ctx, &told, client.InNamespace(namespace)); err != nil {
		return fmt.Errorf("list the events: %w", err)
	}
	objects := len(d.clusters())
	writes := -objects // one write to each was the demo's: its deletion
	for _, changes := range d.board.changes {
		writes += changes
	}
	d.figure("Databricks calls", "%s per object, %d for %d: %s", each(len(requests), objects), len(requests), objects, counted(calls))
	d.figure("Kubernetes writes", "%s per object, and %s events", each(writes, objects), each(len(told.Items), objects))
	d.figure("time", "%s to Ready, %s to delete, %s in all",
		span(d.figures.ready.Sub(d.figures.applied)), span(d.figures.deleted.Sub(d.figures.deleting)), span(time.Since(d.figures.began)))
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
