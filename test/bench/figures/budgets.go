package figures

import "fmt"

// Budget guards a figure that does not depend on the speed of the machine: the
// benchmark fails if it is more than a ratio above its former value. A former
// value that improves for good is lowered here.
type Budget struct {
	// Figure describes the figure, and Key is its key.
	Figure, Key, Unit string
	// Former is the value that the budget allows to exceed by the factor Ratio.
	Former, Ratio float64
}

// Ratios for counts that are the same in each run, for counts that depend on
// timing, and for memory, which depends on the moment of a garbage collection.
const (
	exact  = 1.05
	timed  = 1.15
	memory = 1.25
)

// BudgetsID selects the Go benchmarks, as the number of a target selects that.
const BudgetsID = "budgets"

// GoBenchmarks are the Go benchmarks whose allocations are figures, by package.
var GoBenchmarks = []GoBenchmark{
	{"internal/databricks", "BenchmarkDecodePage"},
	{"internal/cache", "BenchmarkUnchangedPage"},
	{"internal/plan", "BenchmarkCompareUnchanged"},
}

// GoBenchmark is a benchmark of a package.
type GoBenchmark struct{ Package, Name string }

// Key returns the key of the number of allocations of a benchmark.
func (b GoBenchmark) Key() string { return "allocations." + b.Name }

// Budgets are the guarded figures. Those that a run does not measure are not
// checked, since a short run has other sizes than a full one.
var Budgets = []Budget{
	{"calls per cluster and hour, quiet, at 1,000", "P1.calls.1000", "", 0.147, exact},
	{"calls per hour in all, quiet, at 100", "P1.calls.100", "", 14.6, exact},
	{"calls per create→RUNNING", "P2.calls", "", 1.51, timed},
	{"calls to resize one of 1,000", "P2.change", "", 17, timed},
	{"calls of a restart, at 1,000", OneProcess.Key(GrowthRestartCalls, 1_000), "", 16, timed},
	{"calls of a restart, at 3,000", OneProcess.Key(GrowthRestartCalls, 3_000), "", 36, timed},
	{"calls of a restart, at 10,000", OneProcess.Key(GrowthRestartCalls, 10_000), "", 108, timed},
	{"calls per hour of one of many workspaces", "P15.calls", "", 14.1, exact},
	{"writes to the object, create→Ready", "P7.create", "", 4.83, timed},
	{"events, create→Ready", "P7.events", "", 2.61, timed},
	{"allocations of a page of 100 clusters, decoded", "allocations.BenchmarkDecodePage", "", 17_540, exact},
	{"allocations of an unchanged page in the cache", "allocations.BenchmarkUnchangedPage", "", 113, exact},
	{"allocations of a comparison without differences", "allocations.BenchmarkCompareUnchanged", "", 261, exact},
	{"allocations per object of a restart, at 3,000", OneProcess.Key(GrowthAllocations, 3_000), "", 1_970, timed},
	{"allocations per object of a restart, at 10,000", OneProcess.Key(GrowthAllocations, 10_000), "", 1_860, timed},
	{"allocations per watch event of an unchanged object", "P14.event", "", 1_130, timed},
	{"heap per object, at 3,000", OneProcess.Key(GrowthHeap, 3_000), "KiB", 13.4, memory},
	{"heap per object, at 10,000", OneProcess.Key(GrowthHeap, 10_000), "KiB", 14, memory},
}

// Exceeded returns a description of each budget that the figures exceed.
func Exceeded(measured Set) []string {
	var all []string
	for _, budget := range Budgets {
		if figure, known := measured[budget.Key]; known && figure.Value > budget.limit() {
			all = append(all, fmt.Sprintf("%s: %s instead of at most %s", budget.Figure, number(figure.Value), number(budget.limit())))
		}
	}
	return all
}

func (b Budget) limit() float64 { return b.Former * b.Ratio }

// budgetTable returns the cells of the table of budgets, with its headings.
func budgetTable(measured Set) [][]string {
	table := [][]string{{"guarded figure", "former", "measured", "at most"}}
	for _, budget := range Budgets {
		figure, known := measured[budget.Key]
		if !known {
			continue
		}
		table = append(table, []string{
			withUnit(budget.Figure, budget.Unit), number(budget.Former), number(figure.Value), number(budget.limit()),
		})
	}
	return table
}

func withUnit(text, unit string) string {
	if unit == "" {
		return text
	}
	return text + ", " + unit
}
