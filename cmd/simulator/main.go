// Command simulator simulates a Databricks workspace for offline development
// and tests: the REST API of clusters and related objects, over TLS.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// version is set by the linker.
var version = "dev"

// gracePeriod is how long Shutdown waits for requests in progress.
const gracePeriod = 5 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	settings, err := parseFlags(os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintf(os.Stderr, "simulator: %v\nsimulator: see simulator --help\n", err)
		os.Exit(2) //nolint:gocritic // the process ends, and its signal handler with it
	}
	if err := run(ctx, settings, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "simulator: %v\n", err)
		os.Exit(1)
	}
}

// run serves until ctx ends. It writes the address to out and the log to logs.
func run(ctx context.Context, settings settings, out, logs io.Writer) error {
	options := settings.options
	options.Logger = settings.logger(logs)
	// Requests in progress continue after the signal, until Shutdown ends them.
	service, err := simulator.Start(context.WithoutCancel(ctx), options)
	if err != nil {
		return err
	}
	defer func() { _ = service.Close() }()
	if settings.caFile != "" {
		if err := os.WriteFile(settings.caFile, service.CAPEM, 0o644); err != nil { //nolint:gosec // a certificate is public
			return fmt.Errorf("--ca-file: %w", err)
		}
	}
	options.Logger.Info("serving", "url", service.URL, "timeScale", options.TimeScale, "workspaces", len(options.Workspaces))
	if _, err := fmt.Fprintf(out, "simulator: ready at %s\n", service.URL); err != nil {
		return fmt.Errorf("write the address: %w", err)
	}
	<-ctx.Done()
	options.Logger.Info("stopping")
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), gracePeriod)
	defer cancel()
	if err := service.Shutdown(grace); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("stop serving: %w", err)
	}
	return nil
}
