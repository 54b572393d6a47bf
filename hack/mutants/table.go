package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// printCritical prints the results of critical mutants by kind.
func printCritical(output io.Writer, entries []*critical) {
	if len(entries) == 0 {
		return
	}
	all, noticed := map[string]int{}, map[string]int{}
	for _, entry := range entries {
		all[entry.Kind]++
		if isNoticed(entry.outcome) {
			noticed[entry.Kind]++
		}
	}
	fmt.Fprint(output, "| critical mutants | all | killed |\n|---|---|---|\n")
	for _, kind := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(output, "| %s | %d | %d |\n", kind, all[kind], noticed[kind])
	}
	for _, entry := range entries {
		if !isNoticed(entry.outcome) {
			fmt.Fprintf(output, "\n%s %s in %s: %s\n  tests: %s -run '%s'\n", entry.outcome, entry.ID, entry.File, entry.Effect, entry.Package, entry.Run)
		}
	}
	fmt.Fprintln(output)
}

func isNoticed(one result) bool { return one == killed || one == timedOut }

// printScores prints a row per package and the mutants that survived.
func printScores(output io.Writer, scores []score) {
	if len(scores) == 0 {
		return
	}
	fmt.Fprint(output, "| package | mutants | killed | timed out | survived | not reached | equivalent | not compiled | score |\n"+
		"|---|---|---|---|---|---|---|---|---|\n")
	for _, one := range scores {
		noticed, all := one.killedOf()
		fmt.Fprintf(output, "| %s | %d | %d | %d | %d | %d | %d | %d | %d %% |\n", strings.TrimPrefix(one.directory, "internal/"), len(one.mutants),
			one.count(killed), one.count(timedOut), one.count(survived), one.count(notReached), one.count(equivalent), one.count(notCompiled),
			percentage(noticed, all))
	}
	for _, one := range scores {
		for _, survivor := range one.survivors() {
			fmt.Fprintf(output, "\n%s:%d: %s in %s: %s\n  %s\n", survivor.file, survivor.line, one.results[survivor.id], survivor.function,
				survivor.change, survivor.source)
		}
	}
}

func percentage(part, all int) int {
	if all == 0 {
		return 100
	}
	return 100 * part / all
}

// verdict fails if a critical mutant survived, if too many others did, or if an entry
// of the equivalents is stale.
func verdict(o options, entries []*critical, scores []score, stale []string) error {
	var problems []error
	for _, entry := range entries {
		if !isNoticed(entry.outcome) {
			problems = append(problems, fmt.Errorf("critical mutant %s: %s", entry.ID, entry.outcome))
		}
	}
	noticed, all := 0, 0
	for _, one := range scores {
		some, of := one.killedOf()
		noticed, all = noticed+some, all+of
	}
	if found := percentage(noticed, all); found < o.minimum {
		problems = append(problems, fmt.Errorf("%d %% of the mutants are killed, less than %d %%", found, o.minimum))
	}
	for _, one := range stale {
		problems = append(problems, errors.New("test/mutants/equivalent: "+one))
	}
	return errors.Join(problems...)
}
