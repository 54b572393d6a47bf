package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

const (
	kubernetesModule = "k8s.io/kubernetes"
	etcdModule       = "go.etcd.io/etcd/server/v3"
)

// binary is one program. A further one is a row in binaries or gitops, and a
// tool line in the go.mod that it is built from.
type binary struct {
	name, pkg string
	// module is whose version it has, dir where the go.mod is that names it.
	module, dir string
	// took is how long a first build takes on two cores.
	took string
	// crds puts the CRDs that it needs into a directory; nil where there are none.
	crds func(ctx context.Context, b binary, into string) error
}

// binaries are the control plane.
var binaries = []binary{
	{name: "etcd", pkg: etcdModule, module: etcdModule, dir: ".", took: "40 seconds"},
	{name: "kube-apiserver", pkg: kubernetesModule + "/cmd/kube-apiserver", module: kubernetesModule, dir: ".", took: "3 minutes"},
	{name: "kubectl", pkg: kubernetesModule + "/cmd/kubectl", module: kubernetesModule, dir: ".", took: "1 minute"},
}

// isIn tells whether a directory has the program.
func (b binary) isIn(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, b.name))

	return err == nil && !info.IsDir() && info.Mode()&0o111 != 0
}

// version is what the go.mod says that it is built from.
func (b binary) version(ctx context.Context) (string, error) {
	command := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Version}}", b.module)
	command.Dir, command.Stderr = b.dir, os.Stderr

	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("reading the version of %s from go.mod: %w", b.module, err)
	}

	return strings.TrimSpace(string(out)), nil
}

// versions of modules, by module path.
type versions map[string]string

// wantedVersions are those of the control plane, from go.mod, the one place that
// names them.
func wantedVersions(ctx context.Context) (versions, error) {
	wanted := versions{}

	for _, b := range binaries {
		if wanted[b.module] != "" {
			continue
		}

		version, err := b.version(ctx)
		if err != nil {
			return nil, err
		}

		wanted[b.module] = version
	}

	return wanted, nil
}

// recordedVersions is what the binaries in dir were built or downloaded for;
// nil where nobody wrote it down.
func recordedVersions(dir string) versions {
	out, err := os.ReadFile(filepath.Join(dir, "VERSION"))
	if err != nil {
		return nil
	}

	return parseVersions(string(out))
}

// record notes what the binaries in dir were built or downloaded for, so that a
// new version in go.mod replaces them.
func (v versions) record(dir string) error {
	var text strings.Builder
	for _, module := range slices.Sorted(maps.Keys(v)) {
		fmt.Fprintf(&text, "%s %s\n", module, v[module])
	}

	return os.WriteFile(filepath.Join(dir, "VERSION"), []byte(text.String()), 0o644)
}

// matches tells whether binaries that were recorded with v serve what is
// wanted. Binaries of which nothing is known were put there by hand: they do.
func (v versions) matches(wanted versions) bool {
	if v == nil {
		return true
	}

	for module, version := range wanted {
		if v[module] != version {
			return false
		}
	}

	return true
}

func parseVersions(text string) versions {
	parsed := versions{}

	for line := range strings.Lines(text) {
		if module, version, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			parsed[module] = version
		}
	}

	return parsed
}

func buildAll(ctx context.Context, into string, wanted versions) error {
	for i, b := range binaries {
		progress := fmt.Sprintf("control plane %d/%d:", i+1, len(binaries))
		version := wanted[b.module]

		fmt.Printf("%s building %s %s (about %s, once)\n", progress, b.name, version, b.took)

		began := time.Now()
		stop := heartbeat(progress, began)
		err := build(ctx, b, version, filepath.Join(into, b.name))

		stop()

		if err != nil {
			return fmt.Errorf("building %s: %w", b.name, err)
		}

		fmt.Printf("%s %s is ready after %s\n", progress, b.name, time.Since(began).Round(time.Second))
	}

	return wanted.record(into)
}

// build makes one static binary. It appears under its name only when whole.
func build(ctx context.Context, b binary, version, file string) error {
	unfinished := file + ".unfinished"

	command := exec.CommandContext(ctx, "go", "build",
		"-trimpath", "-buildvcs=false", "-ldflags", ldflags(b, version), "-o", unfinished, b.pkg)
	command.Dir = b.dir
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr

	if err := command.Run(); err != nil {
		return err
	}

	return os.Rename(unfinished, file)
}

// ldflags names the version in the binary, as a release would: without it the
// API server takes itself for v0.0.0 and switches features accordingly.
func ldflags(b binary, version string) string {
	flags := []string{"-s", "-w"}
	if b.module != kubernetesModule {
		return strings.Join(flags, " ")
	}

	numbers := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		flags = append(flags,
			"-X", pkg+".gitVersion="+version,
			"-X", pkg+".gitMajor="+numbers[0],
			"-X", pkg+".gitMinor="+numbers[1],
			"-X", pkg+".gitTreeState=clean")
	}

	return strings.Join(flags, " ")
}

// heartbeat says every half minute that a silent build is still going on.
func heartbeat(progress string, began time.Time) (stop func()) {
	ticker := time.NewTicker(30 * time.Second)
	done := make(chan struct{})

	go func() {
		for {
			select {
			case <-ticker.C:
				fmt.Printf("%s still building after %s\n", progress, time.Since(began).Round(time.Second))
			case <-done:
				return
			}
		}
	}()

	return func() { ticker.Stop(); close(done) }
}
