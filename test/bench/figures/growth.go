package figures

import "fmt"

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
	return fmt.Sprintf("growth.%s.%s.%d", p, figure, objects)
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

// Fitting returns the sizes that are not larger than a limit, but at least the
// smallest; 0 is no limit.
func Fitting(sizes []int, limit int) []int {
	var all []int
	for i, size := range sizes {
		if i == 0 || limit == 0 || size <= limit {
			all = append(all, size)
		}
	}
	return all
}
