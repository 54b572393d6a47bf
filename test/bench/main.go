// Command bench measures the operator's performance, and prints each figure
// next to its target. It runs from the checkout:
//
//	go run ./test/bench [--short] [--doc] [--rows P14,P15]
package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/databricks-operator/databricks-operator/test/bench/figures"
	"github.com/databricks-operator/databricks-operator/test/programs"
)

// page contains the table of a full run, and picture shows the growth.
var (
	page    = filepath.Join("docs", "performance.md")
	picture = filepath.Join("docs", "images", "growth.svg")
)

// options are the values of the flags.
type options struct {
	short, doc           bool
	only, keep, profiles string
	// rows are the targets to measure; empty means all.
	rows []string
	// largest is the highest number of objects of P14; 0 means all sizes.
	largest int
}

func main() {
	var o options
	flag.BoolVar(&o.short, "short", false, "four minutes, with 1,000 objects instead of 10,000")
	flag.BoolVar(&o.doc, "doc", false, "write the table into "+page)
	flag.StringVar(&o.only, "only", "", "virtual or processes: measure only that part")
	flag.StringVar(&o.keep, "keep", "", "file that keeps figures between runs, so that parts can be measured separately")
	flag.StringVar(&o.profiles, "profiles", "",
		"directory for profiles of each start of the operator:\nCPU and allocations of the first half minute, and the heap every minute")
	flag.Func("rows", "targets to measure, such as P14,P15,"+figures.BudgetsID+" (default: all)", func(value string) error {
		o.rows = strings.Split(value, ",")
		return nil
	})
	flag.IntVar(&o.largest, "largest", 0, "highest number of objects of P14; larger ones are extrapolated (default: what fits into the machine)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctrl.SetLogger(logr.Discard())
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1) //nolint:gocritic // the process ends, and its signal handler with it
	}
}

// run measures and prints the figures. A missed target is not an error; a
// missing figure and an exceeded budget are.
func run(ctx context.Context, o options) error {
	switch {
	case o.only != "" && o.only != "virtual" && o.only != "processes":
		return fmt.Errorf("--only is %q; it must be virtual or processes", o.only)
	case o.doc && (o.short || (o.only != "" || len(o.rows) > 0) && o.keep == ""):
		return errors.New("--doc: the documentation shows full runs; omit --short, --only and --rows")
	}
	began := time.Now()
	b := &bench{options: o, measured: figures.Set{}, began: began}
	if err := b.loadFigures(); err != nil {
		return err
	}
	if o.only == "" && b.wants(figures.BudgetsID) {
		if err := b.allocations(ctx); err != nil {
			return err
		}
	}
	if err := b.measureWithoutClock(ctx); err != nil {
		return err
	}
	if o.only != "virtual" {
		if err := b.measureProcesses(ctx); err != nil {
			return err
		}
	}
	if err := b.saveFigures(); err != nil {
		return err
	}
	b.measured.Complete(b.short)
	describeRun := b.describeRun(ctx)
	fmt.Fprint(os.Stdout, figures.Text(describeRun, b.measured, terminal()))
	if missing := figures.Missing(b.measured, o.short); len(missing) > 0 && o.only == "" && len(o.rows) == 0 {
		return fmt.Errorf("not measured: %s", strings.Join(missing, ", "))
	}
	if o.doc {
		if err := document(describeRun, b.measured); err != nil {
			return err
		}
	}
	if exceeded := figures.Exceeded(b.measured); len(exceeded) > 0 {
		return fmt.Errorf("budgets are exceeded:\n%s", strings.Join(exceeded, "\n"))
	}
	return nil
}

// bench is one run.
type bench struct {
	options

	measured figures.Set
	began    time.Time
}

// loadFigures loads the figures of earlier runs from --keep.
func (b *bench) loadFigures() error {
	if b.keep == "" {
		return nil
	}
	kept, err := figures.Read(b.keep)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, figure := range kept {
		b.measured.Add(figure)
	}
	return nil
}

// saveFigures writes the figures measured so far to --keep.
func (b *bench) saveFigures() error {
	if b.keep == "" {
		return nil
	}
	for _, figure := range b.measured {
		if err := figures.Append(b.keep, figure); err != nil {
			return err
		}
	}
	return nil
}

// progress prints a line about the progress.
func (b *bench) progress(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, "bench: %4.0f s  %s\n", time.Since(b.began).Seconds(), fmt.Sprintf(format, arguments...))
}

// measureWithoutClock runs measurements that do not depend on the load of the
// machine, concurrently.
func (b *bench) measureWithoutClock(ctx context.Context) error {
	var beside sync.WaitGroup
	var failed error
	sizes := figures.Set{}
	if b.only != "virtual" && b.wants("P16") {
		beside.Go(func() { failed = b.sizes(ctx, sizes) })
	}
	var err error
	if b.only != "processes" {
		err = b.virtual(ctx)
	}
	beside.Wait()
	for _, figure := range sizes {
		b.measured.Add(figure)
	}
	return errors.Join(err, failed)
}

// sizes measures P16, with a control plane of its own.
func (b *bench) sizes(ctx context.Context, into figures.Set) error {
	directory, err := os.MkdirTemp("", "databricks-operator-bench-")
	if err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(directory) }()
	binaries, err := programs.Build(ctx, directory)
	if err != nil {
		return err
	}
	r, err := newRig(ctx, binaries, 0)
	if err != nil {
		return err
	}
	err = (&processes{rig: r, parameters: b.parameters(), measured: into}).sizes(ctx)
	b.progress("specifications of 900 KB")
	return errors.Join(err, r.stop())
}

// parameters returns the parameters of the run.
func (b *bench) parameters() parameters {
	wanted := fullParameters
	if b.short {
		wanted = shortParameters
	}
	wanted.growth = figures.Fitting(wanted.growth, cmp.Or(b.largest, largestFor(memoryGiB())))
	return wanted
}

// virtual measures hours of virtual time, in tests, because only tests have
// virtual time.
func (b *bench) virtual(ctx context.Context) error {
	directory, err := os.MkdirTemp("", "databricks-operator-bench-")
	if err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(directory) }()
	file := filepath.Join(directory, "figures")
	arguments := []string{"test", "-buildvcs=false", "-count=1", "-timeout=30m", "./test/bench/virtual", "-figures=" + file}
	if b.short {
		arguments = append(arguments, "-short")
	}
	if len(b.rows) > 0 {
		arguments = append(arguments, "-rows="+strings.Join(b.rows, ","))
	}
	command := exec.CommandContext(ctx, "go", arguments...) //nolint:gosec // fixed but for a directory
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("measure in virtual time: %w\n%s", err, output)
	}
	measured, err := figures.Read(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) { // none of the selected targets is measured in virtual time
		return err
	}
	for _, figure := range measured {
		b.measured.Add(figure)
	}
	b.progress("days of virtual time, and the peers")
	return nil
}

// wants reports whether one of these targets is to be measured.
func (b *bench) wants(ids ...string) bool {
	return len(b.rows) == 0 || slices.ContainsFunc(ids, func(id string) bool { return slices.Contains(b.rows, id) })
}

// measureProcesses measures operators as separate processes, with real control
// planes, one after another.
func (b *bench) measureProcesses(ctx context.Context) error {
	directory, err := os.MkdirTemp("", "databricks-operator-bench-")
	if err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(directory) }()
	flags, err := profiling(directory, b.profiles)
	if err != nil {
		return err
	}
	binaries, err := programs.Build(ctx, directory, flags...)
	if err != nil {
		return err
	}
	b.progress("built the operator and the simulator")
	for _, part := range []struct {
		targets []string
		measure func(context.Context, programs.Binaries, *processes) error
	}{
		{[]string{"P2", "P3", "P4", "P7", "P8", "P9", "P10", "P12"}, measureOne},
		{[]string{"P14"}, measureGrowth},
		{[]string{"P15"}, measureWorkspaces},
	} {
		if !b.wants(part.targets...) {
			continue
		}
		p := &processes{parameters: b.parameters(), measured: b.measured, progress: b.progress, keep: b.saveFigures}
		if err := part.measure(ctx, binaries, p); err != nil {
			return err
		}
	}
	return nil
}

// describeRun describes the run and its environment.
func (b *bench) describeRun(ctx context.Context) figures.Run {
	commit, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty").Output()
	if err != nil {
		commit = []byte("unknown")
	}
	return figures.Run{
		Short: b.short, Objects: b.parameters().objects,
		Machine: fmt.Sprintf("%d cores, %s", runtime.NumCPU(), memory()),
		Go:      runtime.Version(), Commit: string(bytes.TrimSpace(commit)),
		Date: b.began.Format("2 January 2006"), Took: time.Since(b.began).Round(time.Second).String(),
	}
}

// memory returns the size of the machine's memory, if known.
func memory() string {
	size := memoryGiB()
	if size == 0 {
		return "memory unknown"
	}
	return fmt.Sprintf("%.0f GiB", size)
}

// memoryGiB returns the size of the machine's memory; 0 if it is not known.
func memoryGiB() float64 {
	content, err := os.ReadFile("/proc/meminfo")
	var kilobytes float64
	if _, scanned := fmt.Sscanf(string(content), "MemTotal: %f kB", &kilobytes); err != nil || scanned != nil {
		return 0
	}
	return kilobytes / (1 << 20)
}

// terminal reports whether standard output is a terminal that supports colours.
func terminal() bool {
	info, err := os.Stdout.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == ""
}

// document writes the table into the documentation.
func document(describeRun figures.Run, measured figures.Set) error {
	content, err := os.ReadFile(page) //nolint:gosec // the checkout's own page
	if err != nil {
		return fmt.Errorf("read the page: %w", err)
	}
	written, err := figures.Insert(string(content), figures.Markdown(describeRun, measured))
	if err != nil {
		return err
	}
	for file, content := range map[string][]byte{page: []byte(written), picture: figures.Picture(measured)} {
		if err := os.WriteFile(file, content, 0o644); err != nil { //nolint:gosec // documentation is public
			return fmt.Errorf("write the page: %w", err)
		}
	}
	return nil
}
