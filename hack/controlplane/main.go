// Command controlplane puts etcd, kube-apiserver and kubectl into a directory,
// for the tests and the demo, which need a real API server and nothing else: no
// container engine and no cluster.
//
// It looks, in this order: where KUBEBUILDER_ASSETS points, if it points
// elsewhere; in the directory itself; at the archives that the Kubernetes
// project publishes for tests; and at last it builds them from source. The
// versions are those of this module's go.mod and nowhere else. Run it from this
// directory: `go run . --into <directory>`.
//
// With --gitops it puts kube-controller-manager, Flux's kustomize-controller and
// Argo CD there instead, always from source, and leaves out what is not served.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	into := flag.String("into", "../../bin/k8s", "the `directory` to put the binaries into")
	forGitOps := flag.Bool("gitops", false, "rather the controllers that 'make e2e-gitops' runs")
	download := flag.Bool("download", true, "try the published archive before building from source")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	if err := run(ctx, *into, *forGitOps, *download); err != nil {
		fmt.Fprintf(os.Stderr, "control plane: %v\n", err)
		os.Exit(1) //nolint:gocritic // nothing is left for the deferred stop to do
	}
}

func run(ctx context.Context, into string, forGitOps, download bool) error {
	into, err := filepath.Abs(into)
	if err != nil {
		return err
	}

	if forGitOps {
		return lockedIn(into, func() error { return buildGitOps(ctx, into) })
	}

	if assets := os.Getenv("KUBEBUILDER_ASSETS"); assets != "" && filepath.Clean(assets) != into {
		return checkAssets(assets)
	}

	return lockedIn(into, func() error { return findOrBuild(ctx, into, download) })
}

// findOrBuild is for the control plane.
func findOrBuild(ctx context.Context, into string, download bool) error {
	wanted, err := wantedVersions(ctx)
	if err != nil {
		return err
	}

	if len(missing(into)) == 0 && recordedVersions(into).matches(wanted) {
		return nil
	}

	if download {
		err := downloadArchive(ctx, into, wanted)
		if err == nil {
			return nil
		}

		if ctx.Err() != nil {
			return err
		}

		fmt.Printf("control plane: nothing to download (%v), building from source\n", err)
	}

	return buildAll(ctx, into, wanted)
}

// checkAssets refuses a directory of the user's own that is not whole: falling
// back to another one would test something that was not asked for.
func checkAssets(dir string) error {
	if absent := missing(dir); len(absent) > 0 {
		return fmt.Errorf("KUBEBUILDER_ASSETS=%s lacks %s: unset it to have them found or built",
			dir, strings.Join(absent, ", "))
	}

	return nil
}

// missing names the binaries that dir lacks.
func missing(dir string) []string {
	var absent []string

	for _, b := range binaries {
		if !b.isIn(dir) {
			absent = append(absent, b.name)
		}
	}

	return absent
}

// lockedIn does something in a directory, made if need be, and alone.
func lockedIn(dir string, do func() error) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}

	unlock, err := lock(dir)
	if err != nil {
		return err
	}
	defer unlock()

	return do()
}

// lock keeps a second run out of dir until unlock: both would download or build
// the same thing. The system drops it with the process.
func lock(dir string) (unlock func(), err error) {
	file, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}

	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		fmt.Println("control plane: waiting for another run that is at it")

		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX)
	}

	if err != nil {
		return nil, errors.Join(fmt.Errorf("locking %s: %w", file.Name(), err), file.Close())
	}

	return func() { _ = file.Close() }, nil
}
