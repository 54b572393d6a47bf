// Command manager is the operator: it manages the clusters of Databricks workspaces
// that DatabricksCluster objects declare.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/pflag"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// version is set by the linker.
var version = "dev"

func main() {
	options, err := parseFlags(os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintf(os.Stderr, "manager: %v\nmanager: see manager --help\n", err)
		os.Exit(2)
	}
	limitGarbage()
	ctrl.SetLogger(zap.New(zap.UseFlagOptions(&options.logging)))
	if err := run(ctrl.SetupSignalHandler(), options); err != nil {
		ctrl.Log.Error(err, "stopped")
		os.Exit(1)
	}
}

// run runs the operator until ctx ends.
func run(ctx context.Context, options options) error {
	mgr, err := newManager(ctx, options)
	if err != nil {
		return err
	}
	ctrl.Log.Info("starting", "version", version)
	if err := mgr.Start(ctx); err != nil {
		return fmt.Errorf("run the manager: %w", err)
	}
	return nil
}
