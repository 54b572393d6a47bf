package figures

import (
	"fmt"
	"runtime"
)

// Program is a program whose CPU time is measured.
type Program string

// The programs, and the time in which they used it.
const (
	CPUOperator  Program = "operator"
	CPUServer    Program = "server"
	CPUStore     Program = "store"
	CPUSimulator Program = "simulator"
	CPUBenchmark Program = "benchmark"
	CPUWall      Program = "wall"
)

// CPUKey returns the key of the CPU seconds of a program while a target is
// measured.
func CPUKey(target string, program Program) string { return "cpu." + target + "." + string(program) }

var programColumns = []struct {
	heading string
	program Program
}{
	{"operator", CPUOperator},
	{"API server", CPUServer},
	{"etcd", CPUStore},
	{"simulator", CPUSimulator},
	{"benchmark", CPUBenchmark},
}

var measuredCPU = []struct{ target, description string }{
	{"P4", "P4, objects drain after a restart"},
	{"P9", "P9, 1,000 objects until Ready"},
}

// cpuKeys returns the keys of the table of CPU times.
func cpuKeys() (keys []string) {
	for _, one := range measuredCPU {
		keys = append(keys, CPUKey(one.target, CPUWall))
		for _, column := range programColumns {
			keys = append(keys, CPUKey(one.target, column.program))
		}
	}
	return keys
}

// cpuTable returns the cells of the table of CPU times, with its headings: the
// shares of all cores while a target was measured.
func cpuTable(measured Set) [][]string {
	headings := []string{"", "seconds"}
	for _, column := range programColumns {
		headings = append(headings, column.heading)
	}
	table := [][]string{append(headings, "unused or others")}
	for _, one := range measuredCPU {
		wall := measured[CPUKey(one.target, CPUWall)].Value
		row := []string{one.description, "–"}
		if wall > 0 {
			row[1] = number(wall)
		}
		left := 100.0
		for _, column := range programColumns {
			used, known := measured[CPUKey(one.target, column.program)]
			if !known || wall == 0 {
				row = append(row, "–")
				continue
			}
			share := 100 * used.Value / wall / float64(runtime.NumCPU())
			left -= share
			row = append(row, fmt.Sprintf("%.0f %%", share))
		}
		rest := "–"
		if wall > 0 {
			rest = fmt.Sprintf("%.0f %%", max(left, 0))
		}
		table = append(table, append(row, rest))
	}
	return table
}
