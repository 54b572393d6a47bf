package figures

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
)

// Figure is one measured number, in the unit of the row with its key.
type Figure struct {
	Key   string  `json:"key"`
	Value float64 `json:"value"`
	// Objects is the number of objects; 0 if it is part of the row.
	Objects int `json:"objects,omitempty"`
	// Runs is the number of runs whose median is Value; 0 means one.
	Runs int `json:"runs,omitempty"`
	// Fitted are the numbers of objects from whose figures this one was
	// extrapolated; empty if it was measured.
	Fitted []int `json:"fitted,omitempty"`
}

// Set holds figures by key.
type Set map[string]Figure

// Add adds figures; a figure replaces an earlier one with the same key.
func (s Set) Add(all ...Figure) {
	for _, figure := range all {
		s[figure.Key] = figure
	}
}

// Median returns the figure of several runs.
func Median(key string, objects int, values ...float64) Figure {
	return Figure{Key: key, Value: Quantile(0.5, values...), Objects: objects, Runs: len(values)}
}

// Quantile returns the smallest value that is not less than a share of the
// values; NaN without values.
func Quantile(share float64, values ...float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	at := int(math.Ceil(share*float64(len(sorted)))) - 1
	return sorted[min(max(at, 0), len(sorted)-1)]
}

// Append appends a figure to a file, as one line of JSON.
func Append(path string, figure Figure) (err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) //nolint:gosec // the caller's own file
	if err != nil {
		return fmt.Errorf("append the figure %s: %w", figure.Key, err)
	}
	defer func() {
		if closed := file.Close(); err == nil {
			err = closed
		}
	}()
	if err := json.NewEncoder(file).Encode(figure); err != nil {
		return fmt.Errorf("append the figure %s: %w", figure.Key, err)
	}
	return nil
}

// Read returns the figures that Append has written.
func Read(path string) (Set, error) {
	file, err := os.Open(path) //nolint:gosec // the caller's own file
	if err != nil {
		return nil, fmt.Errorf("read the figures: %w", err)
	}
	defer func() { _ = file.Close() }()
	all := Set{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var figure Figure
		if err := json.Unmarshal(lines.Bytes(), &figure); err != nil {
			return nil, fmt.Errorf("read the figure %q: %w", lines.Text(), err)
		}
		all.Add(figure)
	}
	return all, nil
}
