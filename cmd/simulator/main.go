// Command simulator is a Databricks workspace to develop and test against,
// offline: the REST API of clusters and what surrounds it, over TLS.
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

// gracePeriod is how long requests under way may take to end.
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

// run serves until ctx ends. The address goes to out,
// the log to logs.
func run(ctx context.Context, settings settings, out, logs io.Writer) error {
	options := settings.options
	options.Logger = settings.logger(logs)
	// Requests under way outlive the signal; Shutdown gives them their time.
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
		return fmt.Errorf("say where it serves: %w", err)
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
