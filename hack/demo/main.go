package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"
)

// exitInterrupted is the exit code that shells use after Ctrl-C.
const exitInterrupted = 130

// settings holds the values of the flags.
type settings struct {
	keep         bool
	bin, samples string
	timeScale    float64
}

func main() {
	var s settings
	flag.BoolVar(&s.keep, "keep", false, "keep everything running after Watch, until Ctrl-C")
	flag.StringVar(&s.bin, "bin", "bin", "`directory` of the programs that make build built")
	flag.StringVar(&s.samples, "samples", "config/samples", "`directory` of the objects to apply: a kustomization of plain resources")
	flag.Float64Var(&s.timeScale, "time-scale", 30, "factor by which the workspace is faster than a real one, whose launches take 5 minutes")
	flag.Parse()
	os.Exit(run(s))
}

// run runs the demo and returns the exit code.
func run(s settings) int {
	ctrl.SetLogger(logr.Discard())
	// SIGPIPE, too: `make demo | head` must stop all programs.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	defer stop()
	screen := newScreen(os.Stdout)
	err := newDemo(s, screen).run(ctx)
	switch {
	case err == nil:
		screen.line("\n%s", screen.bold("demo: ok"))
		return 0
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		screen.line("\ndemo: interrupted; all programs were stopped")
		return exitInterrupted
	default:
		fmt.Fprintf(os.Stderr, "\ndemo: failed: %v\n", err)
		return 1
	}
}
