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

// binary is one program. Another one needs a row in binaries or gitOpsBinaries,
// and a tool line in the go.mod from which it is built.
type binary struct {
	name, pkg string
	// module determines the version, and dir contains the go.mod that requires
	// it.
	module, dir string
	// buildTime is the duration of a first build on two cores.
	buildTime string
	// crds writes the required CRDs to a directory; nil if there are none.
	crds func(ctx context.Context, b binary, into string) error
}

// binaries are the programs of the control plane.
var binaries = []binary{
	{name: "etcd", pkg: etcdModule, module: etcdModule, dir: ".", buildTime: "40 seconds"},
	{name: "kube-apiserver", pkg: kubernetesModule + "/cmd/kube-apiserver", module: kubernetesModule, dir: ".", buildTime: "3 minutes"},
	{name: "kubectl", pkg: kubernetesModule + "/cmd/kubectl", module: kubernetesModule, dir: ".", buildTime: "1 minute"},
}

// oldestBinaries are the same programs of the oldest Kubernetes that the operator supports,
// from a module of its own.
var oldestBinaries = []binary{
	{name: "etcd", pkg: etcdModule, module: etcdModule, dir: ".", buildTime: "40 seconds"},
	{name: "kube-apiserver", pkg: kubernetesModule + "/cmd/kube-apiserver", module: kubernetesModule, dir: oldestDir, buildTime: "3 minutes"},
	{name: "kubectl", pkg: kubernetesModule + "/cmd/kubectl", module: kubernetesModule, dir: oldestDir, buildTime: "1 minute"},
}

// oldestDir contains the go.mod of oldestBinaries.
const oldestDir = "oldest"

// existsIn reports whether a directory contains the program.
func (b binary) existsIn(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, b.name))

	return err == nil && !info.IsDir() && info.Mode()&0o111 != 0
}

// version returns the version in the go.mod.
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

// requiredVersions returns the versions of a control plane from go.mod, their
// only source.
func requiredVersions(ctx context.Context, programs []binary) (versions, error) {
	wanted := versions{}

	for _, b := range programs {
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

// recordedVersions returns the versions of the binaries in dir; nil if no
// record exists.
func recordedVersions(dir string) versions {
	out, err := os.ReadFile(filepath.Join(dir, "VERSION"))
	if err != nil {
		return nil
	}

	return parseVersions(string(out))
}

// record writes the versions of the binaries to dir, so that a new version in
// go.mod replaces them.
func (v versions) record(dir string) error {
	var text strings.Builder
	for _, module := range slices.Sorted(maps.Keys(v)) {
		fmt.Fprintf(&text, "%s %s\n", module, v[module])
	}

	return os.WriteFile(filepath.Join(dir, "VERSION"), []byte(text.String()), 0o644)
}

// matches reports whether binaries with the recorded versions v satisfy the
// required ones. Binaries without a record were installed by hand and always
// do.
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

func buildAll(ctx context.Context, into string, programs []binary, wanted versions) error {
	for i, b := range programs {
		progress := fmt.Sprintf("control plane %d/%d:", i+1, len(programs))
		version := wanted[b.module]

		fmt.Printf("%s building %s %s (about %s, once)\n", progress, b.name, version, b.buildTime)

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

// build builds one static binary. The file appears under its name only when it
// is complete.
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

// ldflags returns flags that set the version in the binary, like a release.
// Without them the API server assumes v0.0.0, which changes its feature gates.
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

// heartbeat prints every half minute that the build continues.
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
