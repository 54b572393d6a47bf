package figures

import (
	"fmt"
	"slices"
	"strings"
)

// Sizes are the numbers of objects of P14.
var Sizes = []int{1_000, 10_000, 30_000, 100_000}

// Processes is how many operators share the objects.
type Processes string

// One operator has all objects, or each of four has those of its own workspaces.
const (
	OneProcess Processes = "one"
	FourShards Processes = "shards"
)

// Key returns the key of a figure of P14 at a number of objects.
func (p Processes) Key(figure string, objects int) string {
	return fmt.Sprintf("P14.%s.%s.%d", p, figure, objects)
}

// Figure returns a figure of P14 at a number of objects.
func (p Processes) Figure(figure string, objects int, value float64) Figure {
	return Figure{Key: p.Key(figure, objects), Value: value, Objects: objects}
}

// The figures that are measured at every number of objects.
const (
	GrowthCalls        = "calls"       // per cluster and hour, quiet
	GrowthFirst        = "first"       // seconds from a start until all clusters of one workspace are known
	GrowthRestart      = "restart"     // seconds from a start until quiet
	GrowthRestartCalls = "restarted"   // Databricks calls meanwhile
	GrowthWrites       = "writes"      // of them, those that change something
	GrowthCPU          = "cpu"         // seconds meanwhile, all operators
	GrowthAllocations  = "allocations" // per object meanwhile
	GrowthIdle         = "idle"        // millicores, quiet
	GrowthHeap         = "heap"        // KiB per object
	GrowthResident     = "resident"    // MiB, highest, all operators
	GrowthLargest      = "largest"     // MiB, highest of one operator
)

// Largest is the highest number of objects of P14.
const Largest = 100_000

// Fitting returns the sizes that are not larger than a limit, but at least the
// smallest.
func Fitting(sizes []int, limit int) []int {
	var all []int
	for i, size := range sizes {
		if i == 0 || size <= limit {
			all = append(all, size)
		}
	}
	return all
}

// growthFigures are the columns of the table of P14, after the number of objects.
var growthFigures = []struct{ heading, figure string }{
	{"calls per cluster-hour", GrowthCalls},
	{"calls of a restart", GrowthRestartCalls},
	{"restart until quiet, s", GrowthRestart},
	{"CPU of the restart, s", GrowthCPU},
	{"allocations per object", GrowthAllocations},
	{"idle CPU, millicores", GrowthIdle},
	{"heap per object, KiB", GrowthHeap},
	{"resident, MiB", GrowthResident},
}

// perObject are the figures that a line through their totals extrapolates.
var perObject = map[string]bool{GrowthCalls: true, GrowthAllocations: true, GrowthHeap: true}

// growthKeys returns the keys of the table of P14 in a full run.
func growthKeys() (keys []string) {
	for _, size := range Sizes {
		for _, column := range growthFigures {
			if column.figure != GrowthIdle || size == Largest {
				keys = append(keys, OneProcess.Key(column.figure, size))
			}
		}
	}
	return keys
}

// sizesOf returns the sizes at which a figure was measured, in order.
func (s Set) sizesOf(kind Processes, figure string) []int {
	var all []int
	for key, one := range s {
		if key == kind.Key(figure, one.Objects) && len(one.Fitted) == 0 {
			all = append(all, one.Objects)
		}
	}
	slices.Sort(all)
	return all
}

// Complete adds what follows from the measured figures: in a full run, P14 at
// sizes that do not fit into the machine, from a line through those that do,
// and in any run the rows of P14 that compare sizes.
func (s Set) Complete(short bool) {
	for key, size := range map[string]int{"P10.1000": 1_000, "P10.10000": all} {
		if one, known := s[key]; known {
			s.Add(OneProcess.Figure(GrowthIdle, size, one.Value))
		}
	}
	if !short {
		for _, column := range growthFigures {
			s.extrapolate(column.figure)
		}
	}
	var heap, restart []Figure
	for _, size := range append(s.sizesOf(OneProcess, GrowthHeap), Largest) {
		if one, known := s[OneProcess.Key(GrowthHeap, size)]; known {
			heap = append(heap, one)
		}
		if one, known := s[OneProcess.Key(GrowthRestart, size)]; known {
			one.Value *= float64(all) / float64(size)
			restart = append(restart, one)
		}
	}
	if len(heap) == 0 {
		return
	}
	last, first := heap[len(heap)-1], heap[0]
	if one, known := s[OneProcess.Key(GrowthHeap, all)]; known {
		first = one
	}
	s.add("P14.heap", last, last.Value)
	s.add("P14.heap.ratio", last, last.Value/first.Value)
	last = restart[len(restart)-1]
	s.add("P14.restart", last, last.Value)
	for _, size := range s.sizesOf(FourShards, GrowthRestart) {
		one := s[FourShards.Key(GrowthRestart, size)]
		s.add("P14.shards.restart", one, one.Value*float64(all)/float64(size))
	}
	writes := 0.0
	for _, kind := range []Processes{OneProcess, FourShards} {
		for _, size := range s.sizesOf(kind, GrowthWrites) {
			writes += s[kind.Key(GrowthWrites, size)].Value
		}
	}
	s.add("P14.writes", last, writes)
}

// add adds a figure that was computed from another.
func (s Set) add(key string, from Figure, value float64) {
	s.Add(Figure{Key: key, Value: value, Objects: from.Objects, Fitted: from.Fitted})
}

// extrapolate adds the figures of the sizes that were not measured.
func (s Set) extrapolate(figure string) {
	sizes := s.sizesOf(OneProcess, figure)
	if len(sizes) < 2 {
		return
	}
	var x, y []float64
	for _, size := range sizes {
		value := s[OneProcess.Key(figure, size)].Value
		if perObject[figure] {
			value *= float64(size)
		}
		x, y = append(x, float64(size)), append(y, value)
	}
	slope, intercept := line(x, y)
	for _, size := range Sizes {
		if size <= sizes[len(sizes)-1] {
			continue
		}
		value := intercept + slope*float64(size)
		if perObject[figure] {
			value /= float64(size)
		}
		s.Add(Figure{Key: OneProcess.Key(figure, size), Value: value, Objects: size, Fitted: sizes})
	}
}

// line returns the line with the smallest squared distances from some points.
func line(x, y []float64) (slope, intercept float64) {
	n := float64(len(x))
	var sx, sy, sxx, sxy float64
	for i := range x {
		sx, sy, sxx, sxy = sx+x[i], sy+y[i], sxx+x[i]*x[i], sxy+x[i]*y[i]
	}
	slope = (n*sxy - sx*sy) / (n*sxx - sx*sx)
	return slope, (sy - slope*sx) / n
}

// growthTable returns the cells of the table of P14, with its headings.
func growthTable(measured Set) [][]string {
	headings := []string{"objects"}
	for _, column := range growthFigures {
		headings = append(headings, column.heading)
	}
	table := [][]string{headings}
	sizes := Sizes
	if known := measured.sizesOf(OneProcess, GrowthHeap); len(known) > 0 && known[len(known)-1] < all {
		sizes = known
	}
	for _, kind := range []Processes{OneProcess, FourShards} {
		rows := sizes
		if kind == FourShards {
			rows = measured.sizesOf(kind, GrowthHeap)
		}
		for _, size := range rows {
			cells := []string{number(float64(size))}
			if kind == FourShards {
				cells[0] += ", 4 shards"
			}
			for _, column := range growthFigures {
				cells = append(cells, growthCell(measured[kind.Key(column.figure, size)]))
			}
			table = append(table, cells)
		}
	}
	return table
}

func growthCell(one Figure) string {
	switch {
	case one.Key == "":
		return "–"
	case len(one.Fitted) > 0:
		return "≈ " + number(one.Value)
	default:
		return number(one.Value)
	}
}

// growthNote says from which sizes figures were extrapolated; empty if none
// were.
func growthNote(measured Set) string {
	for _, column := range growthFigures {
		if one := measured[OneProcess.Key(column.figure, Largest)]; len(one.Fitted) > 0 {
			var sizes []string
			for _, size := range one.Fitted {
				sizes = append(sizes, number(float64(size)))
			}
			return "≈ is an extrapolation: the line with the least squares through the totals at " + strings.Join(sizes, " · ") + " objects."
		}
	}
	return ""
}
