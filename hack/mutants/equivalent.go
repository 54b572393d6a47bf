package main

import (
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"
)

// equivalentEntry is a mutant that no test can notice. It has no line number, because
// that changes too often.
type equivalentEntry struct {
	File     string `json:"file"`
	Function string `json:"function"`
	Source   string `json:"source"`
	Change   string `json:"change"`
	Reason   string `json:"reason"`
}

// equivalents are the mutants that are not run.
type equivalents struct {
	entries []equivalentEntry
	used    []bool
}

// readEquivalents reads the files in a directory.
func readEquivalents(directory string) (*equivalents, error) {
	all := &equivalents{}
	files, err := filepath.Glob(filepath.Join(directory, "*.yaml"))
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", directory, err)
	}
	for _, file := range files {
		var some []equivalentEntry
		if err := readYAML(file, &some); err != nil {
			return nil, err
		}
		all.entries = append(all.entries, some...)
	}
	all.used = make([]bool, len(all.entries))
	for _, entry := range all.entries {
		if entry.Reason == "" {
			return nil, fmt.Errorf("%s: the equivalent mutant of %q has no reason", entry.File, entry.Source)
		}
	}
	return all, nil
}

func readYAML(file string, into any) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read a list of mutants: %w", err)
	}
	if err := yaml.UnmarshalStrict(raw, into); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// has reports whether a mutant is listed.
func (e *equivalents) has(one *mutant) bool {
	found := false
	for i, entry := range e.entries {
		if entry.File == one.file && entry.Function == one.function && entry.Source == one.source && entry.Change == one.change {
			e.used[i], found = true, true
		}
	}
	return found
}

// stale returns the entries of a package that describe no mutant any more.
func (e *equivalents) stale(directory string) []string {
	var all []string
	for i, entry := range e.entries {
		if !e.used[i] && filepath.ToSlash(filepath.Dir(entry.File)) == directory {
			all = append(all, fmt.Sprintf("%s: %s: %q has no such mutant (%s)", entry.File, entry.Function, entry.Source, entry.Change))
		}
	}
	return all
}
