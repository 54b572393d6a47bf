// Command controlplane installs etcd, kube-apiserver and kubectl in a directory,
// for the tests and the demo. They need a real API server, but no container
// engine and no cluster.
//
// It uses the first source that exists: KUBEBUILDER_ASSETS, if it names another
// directory; the directory itself; the archives of test binaries that the
// Kubernetes project publishes; a build from source. Only this module's go.mod
// determines the versions. Run it from this directory:
// `go run . --into <directory>`.
//
// With --oldest it installs the oldest Kubernetes that the operator supports. With
// --gitops it installs kube-controller-manager, Flux's kustomize-controller
// and Argo CD instead, always built from source, and skips programs whose modules
// cannot be fetched.
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
	into := flag.String("into", "../../bin/k8s", "the `directory` of the binaries")
	gitOps := flag.Bool("gitops", false, "install the controllers of 'make e2e-gitops' instead")
	oldest := flag.Bool("oldest", false, "install the oldest supported version")
	download := flag.Bool("download", true, "try the published archive before building from source")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	if err := run(ctx, *into, *gitOps, *oldest, *download); err != nil {
		fmt.Fprintf(os.Stderr, "control plane: %v\n", err)
		os.Exit(1) //nolint:gocritic // the process ends, and its signal handler with it
	}
}

func run(ctx context.Context, into string, gitOps, oldest, download bool) error {
	into, err := filepath.Abs(into)
	if err != nil {
		return err
	}

	if gitOps {
		return withLock(into, func() error { return buildGitOps(ctx, into) })
	}

	if oldest {
		return withLock(into, func() error { return findOrBuild(ctx, into, oldestBinaries, download) })
	}

	if assets := os.Getenv("KUBEBUILDER_ASSETS"); assets != "" && filepath.Clean(assets) != into {
		return checkAssets(assets)
	}

	return withLock(into, func() error { return findOrBuild(ctx, into, binaries, download) })
}

// findOrBuild provides the control plane.
func findOrBuild(ctx context.Context, into string, programs []binary, download bool) error {
	wanted, err := requiredVersions(ctx, programs)
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

	return buildAll(ctx, into, programs, wanted)
}

// checkAssets rejects an incomplete directory of the user. Using other binaries
// instead would test something else than the user chose.
func checkAssets(dir string) error {
	if absent := missing(dir); len(absent) > 0 {
		return fmt.Errorf("KUBEBUILDER_ASSETS=%s lacks %s: unset it to find or build them",
			dir, strings.Join(absent, ", "))
	}

	return nil
}

// missing returns the names of the binaries that dir lacks.
func missing(dir string) []string {
	var absent []string

	for _, b := range binaries {
		if !b.existsIn(dir) {
			absent = append(absent, b.name)
		}
	}

	return absent
}

// withLock creates a directory if necessary and calls do while it holds the
// directory's lock.
func withLock(dir string, do func() error) error {
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

// lock prevents concurrent runs in dir until unlock is called, because they
// would download or build the same files. The kernel releases the lock when the
// process exits.
func lock(dir string) (unlock func(), err error) {
	file, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}

	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		fmt.Println("control plane: waiting for another run in the same directory")

		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX)
	}

	if err != nil {
		return nil, errors.Join(fmt.Errorf("locking %s: %w", file.Name(), err), file.Close())
	}

	return func() { _ = file.Close() }, nil
}
