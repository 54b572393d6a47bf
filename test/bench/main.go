// Command bench measures what is promised of the operator's performance, and
// prints every promise beside its figure. It runs from the checkout:
//
//	go run ./test/bench [--short] [--doc]
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/databricks-operator/databricks-operator/test/bench/figures"
	"github.com/databricks-operator/databricks-operator/test/programs"
)

// page is where the table of a full run stands.
var page = filepath.Join("docs", "performance.md")

// options are what the command line says.
type options struct {
	short, doc bool
	only, keep string
}

func main() {
	var o options
	flag.BoolVar(&o.short, "short", false, "three minutes, with 1,000 objects instead of 10,000")
	flag.BoolVar(&o.doc, "doc", false, "write the table into "+page)
	flag.StringVar(&o.only, "only", "", "virtual or processes: measure that part alone")
	flag.StringVar(&o.keep, "keep", "", "file that keeps figures from one run to the next, so that parts can be measured apart")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctrl.SetLogger(logr.Discard())
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1) //nolint:gocritic // the process ends, and its signal handler with it
	}
}

// run measures and shows. A target that is missed is told and is no error; what
// could not be measured is one.
func run(ctx context.Context, o options) error {
	switch {
	case o.only != "" && o.only != "virtual" && o.only != "processes":
		return fmt.Errorf("--only is %q; it must be virtual or processes", o.only)
	case o.doc && (o.short || o.only != "" && o.keep == ""):
		return errors.New("--doc: the documentation shows full runs; leave --short and --only out")
	}
	began := time.Now()
	b := &bench{options: o, measured: figures.Set{}, began: began}
	if err := b.recall(); err != nil {
		return err
	}
	if err := b.withoutClock(ctx); err != nil {
		return err
	}
	if o.only != "virtual" {
		if err := b.processes(ctx); err != nil {
			return err
		}
	}
	if err := b.remember(); err != nil {
		return err
	}
	about := b.about(ctx)
	fmt.Fprint(os.Stdout, figures.Text(about, b.measured, terminal()))
	if missing := figures.Missing(b.measured, o.short); len(missing) > 0 && o.only == "" {
		return fmt.Errorf("not measured: %s", strings.Join(missing, ", "))
	}
	if o.doc {
		return document(about, b.measured)
	}
	return nil
}

// bench is one run.
type bench struct {
	options

	measured figures.Set
	began    time.Time
}

// recall takes in what was measured before, if that is to count.
func (b *bench) recall() error {
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

// remember keeps what is measured by now.
func (b *bench) remember() error {
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

// say tells of progress.
func (b *bench) say(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, "bench: %4.0f s  %s\n", time.Since(b.began).Seconds(), fmt.Sprintf(format, arguments...))
}

// withoutClock measures what does not depend on how busy the machine is: at once.
func (b *bench) withoutClock(ctx context.Context) error {
	var beside sync.WaitGroup
	var failed error
	sizes := figures.Set{}
	if b.only != "virtual" {
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
	err = (&processes{rig: r, spans: b.spans(), measured: into}).sizes(ctx)
	b.say("specifications of 900 KB")
	return errors.Join(err, r.stop())
}

// spans are those of the run.
func (b *bench) spans() spans {
	if b.short {
		return shortSpans
	}
	return fullSpans
}

// virtual measures what takes hours, in virtual time: tests, since virtual time
// is to be had in tests alone.
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
	measuring := exec.CommandContext(ctx, "go", arguments...) //nolint:gosec // fixed but for a directory
	measuring.Cancel = func() error { return measuring.Process.Signal(syscall.SIGTERM) }
	if said, err := measuring.CombinedOutput(); err != nil {
		return fmt.Errorf("measure in virtual time: %w\n%s", err, said)
	}
	measured, err := figures.Read(file)
	if err != nil {
		return err
	}
	for _, figure := range measured {
		b.measured.Add(figure)
	}
	b.say("days of virtual time, and the peers'")
	return nil
}

// processes measures the operator as a process, with a real control plane.
func (b *bench) processes(ctx context.Context) error {
	directory, err := os.MkdirTemp("", "databricks-operator-bench-")
	if err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(directory) }()
	binaries, err := programs.Build(ctx, directory)
	if err != nil {
		return err
	}
	b.say("the operator and the simulator are built")
	r, err := newRig(ctx, binaries, 0)
	if err != nil {
		return err
	}
	b.say("a control plane and a workspace run")
	return (&processes{rig: r, spans: b.spans(), measured: b.measured, say: b.say, keep: b.remember}).measure(ctx)
}

// about says what was measured, and where.
func (b *bench) about(ctx context.Context) figures.Run {
	commit, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty").Output()
	if err != nil {
		commit = []byte("unknown")
	}
	return figures.Run{
		Short: b.short, Objects: b.spans().objects,
		Machine: fmt.Sprintf("%d cores, %s", runtime.NumCPU(), memory()),
		Go:      runtime.Version(), Commit: string(bytes.TrimSpace(commit)),
		Date: b.began.Format("2 January 2006"), Took: time.Since(b.began).Round(time.Second).String(),
	}
}

// memory is the machine's, where it can be told.
func memory() string {
	content, err := os.ReadFile("/proc/meminfo")
	var kilobytes float64
	if _, scanned := fmt.Sscanf(string(content), "MemTotal: %f kB", &kilobytes); err != nil || scanned != nil {
		return "memory unknown"
	}
	return fmt.Sprintf("%.0f GiB", kilobytes/(1<<20))
}

// terminal tells whether people look at the output as it comes.
func terminal() bool {
	info, err := os.Stdout.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == ""
}

// document puts the table into the documentation.
func document(about figures.Run, measured figures.Set) error {
	content, err := os.ReadFile(page) //nolint:gosec // the checkout's own page
	if err != nil {
		return fmt.Errorf("read the page: %w", err)
	}
	written, err := figures.Insert(string(content), figures.Markdown(about, measured))
	if err != nil {
		return err
	}
	if err := os.WriteFile(page, []byte(written), 0o644); err != nil { //nolint:gosec // documentation is public
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}
