package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"

	"github.com/databricks-operator/databricks-operator/test/bench/figures"
)

// allocationsOf matches a result of a Go benchmark that reports allocations.
var allocationsOf = regexp.MustCompile(`(?m)^(Benchmark\w+?)(?:-\d+)?\s.*\s(\d+) allocs/op`)

// allocations measures the allocations of the Go benchmarks.
func (b *bench) allocations(ctx context.Context) error {
	arguments := []string{"test", "-buildvcs=false", "-run=^$", "-benchmem", "-benchtime=200x", "-timeout=5m"}
	var packages, names []string
	for _, one := range figures.GoBenchmarks {
		packages, names = append(packages, "./"+one.Package), append(names, one.Name)
	}
	arguments = append(arguments, "-bench=^("+strings.Join(names, "|")+")$")
	command := exec.CommandContext(ctx, "go", append(arguments, packages...)...) //nolint:gosec // fixed
	output, err := command.CombinedOutput()
	if err != nil {
		return fmt.Errorf("run the Go benchmarks: %w\n%s", err, output)
	}
	found := map[string]float64{}
	for _, match := range allocationsOf.FindAllStringSubmatch(string(output), -1) {
		if found[match[1]], err = strconv.ParseFloat(match[2], 64); err != nil {
			return fmt.Errorf("read the result of %s: %w", match[1], err)
		}
	}
	for _, one := range figures.GoBenchmarks {
		value, known := found[one.Name]
		if !known {
			return fmt.Errorf("%s of %s has no result:\n%s", one.Name, one.Package, output)
		}
		b.measured.Add(figures.Figure{Key: one.Key(), Value: value})
	}
	b.progress("allocations")
	return nil
}
