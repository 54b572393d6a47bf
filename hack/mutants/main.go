package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// controllerTests and listedTests are the tests of internal/controller that stand for its
// suite.
const (
	controllerTests = "^(TestCreateOnce|TestCreateOnTheWire|TestAnIDThatIsStoredLate|TestAnIntentThatCannotBePersisted|TestANewObjectOfTheSameName)$"
	listedTests     = "^(TestListedCreateOnce|TestListedNames|TestListedAdoption|TestListedUpdate|TestListedDeletion)$"
)

// options are the flags.
type options struct {
	packages, critical string
	sample             int
	part               part
	seed               uint64
	timeout            time.Duration
	short              bool
	minimum            int
}

// part is one of several parts of a run, from 1 on; the zero value is the whole.
type part struct{ number, of int }

// String implements flag.Value.
func (p *part) String() string { return fmt.Sprintf("%d/%d", max(p.number, 1), max(p.of, 1)) }

// Set implements flag.Value.
func (p *part) Set(text string) error {
	var read part
	if _, err := fmt.Sscanf(text, "%d/%d", &read.number, &read.of); err != nil || read.number < 1 || read.number > read.of {
		return fmt.Errorf("%q is no part such as 1/3", text)
	}
	*p = read
	return nil
}

// has reports whether a mutant is in the part, by its position.
func (p *part) has(position int) bool { return p.of <= 1 || position%p.of == p.number-1 }

func main() {
	var o options
	flag.StringVar(&o.packages, "package", "", "packages whose mutants are run, such as internal/plan,internal/drift; empty: all; none: only critical mutants")
	flag.StringVar(&o.critical, "critical", "all", "critical mutants: all, pure (without a control plane), none, or a pattern of ids")
	flag.IntVar(&o.sample, "sample", -1, "mutants of each package; 0: all; -1: as hack/mutants/packages.go says")
	flag.Var(&o.part, "part", "1/3 runs the first third of the mutants of each package; the parts together are a whole run")
	flag.Uint64Var(&o.seed, "seed", 1, "seed of the samples")
	flag.DurationVar(&o.timeout, "timeout", 15*time.Second, "shortest timeout of a run; it is five times the duration without a mutant, if that is longer")
	flag.BoolVar(&o.short, "short", false, "a small sample of plan, report, drift, diff and managed, and the critical mutants without a control plane")
	flag.IntVar(&o.minimum, "minimum", 90, "percentage of mutants that must be killed; it applies to all packages together")
	flag.Parse()
	if o.short {
		o.packages, o.critical, o.sample = "internal/plan,internal/report,internal/drift,internal/diff,internal/managed", "pure", 12
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o, os.Stdout, os.Stderr); err != nil {
		stop()
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1) //nolint:gocritic // stop has been called
	}
}

func run(ctx context.Context, o options, output, progress io.Writer) error {
	root, err := filepath.Abs(".")
	if err != nil {
		return fmt.Errorf("find the module: %w", err)
	}
	directory, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(directory) }()
	began := time.Now()
	d := &driver{root: root, directory: directory, seed: o.seed, part: o.part, timeout: o.timeout, progress: func(format string, arguments ...any) {
		fmt.Fprintf(progress, "mutants: %4d s: %s\n", int(time.Since(began).Seconds()), fmt.Sprintf(format, arguments...))
	}}
	all, err := readCritical(root, filepath.Join(root, "test", "mutants", "critical"))
	if err != nil {
		return err
	}
	chosen, err := choose(all, o.critical)
	if err != nil {
		return err
	}
	same, err := readEquivalents(filepath.Join(root, "test", "mutants", "equivalent"))
	if err != nil {
		return err
	}
	if err := d.runCritical(ctx, chosen); err != nil {
		return err
	}
	scores, stale, err := d.runPackages(ctx, o, same)
	if err != nil {
		return err
	}
	printCritical(output, chosen)
	printScores(output, scores)
	return verdict(o, chosen, scores, stale)
}

func (d *driver) runPackages(ctx context.Context, o options, same *equivalents) (scores []score, stale []string, err error) {
	wanted := strings.Split(o.packages, ",")
	for _, one := range targets {
		if o.packages != "" && !slices.Contains(wanted, one.directory) || o.packages == "none" {
			continue
		}
		if o.sample >= 0 {
			one.sample = o.sample
		}
		result, err := d.run(ctx, one, same)
		if err != nil {
			return nil, nil, err
		}
		noticed, all := result.killedOf()
		d.progress("%s: %d of %d killed", one.directory, noticed, all)
		scores, stale = append(scores, result), append(stale, same.stale(one.directory)...)
	}
	return scores, stale, nil
}
