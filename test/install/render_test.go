package install

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	repository = "../.."
	chart      = repository + "/charts/databricks-operator"
	everything = "testdata/everything.yaml"
)

// tool is a program of bin, which `make test` builds.
func tool(t *testing.T, name string) string {
	t.Helper()

	path, err := filepath.Abs(filepath.Join(repository, "bin", name))
	if err != nil {
		t.Fatal(err)
	}

	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%s is not built: run 'make test PKG=./test/install' (%v)", name, err)
	}

	// Tests whose code did not change are not run again by `go test`. It takes
	// notice of what a test reads itself, so that is read which the tools read.
	for _, folder := range []string{"charts", "config", "hack"} {
		err := filepath.WalkDir(filepath.Join(repository, folder), func(string, fs.DirEntry, error) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
	}

	return path
}

// kustomize are the objects of an overlay.
func kustomize(t *testing.T, overlay string) []*unstructured.Unstructured {
	t.Helper()

	objects, err := parse(output(t, tool(t, "kustomize"), "build", filepath.Join(repository, "config", overlay)))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())

	return objects
}

// helm are the objects of the chart, with arguments of `helm template`.
func helm(t *testing.T, arguments ...string) []*unstructured.Unstructured {
	t.Helper()

	objects, err := parse(output(t, tool(t, "helm"), template(arguments)...))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())

	return objects
}

// refused is what `helm template` says where it fails.
func refused(t *testing.T, arguments ...string) string {
	t.Helper()

	command := exec.CommandContext(t.Context(), tool(t, "helm"), template(arguments)...)
	said, err := command.CombinedOutput()
	NewWithT(t).Expect(err).To(HaveOccurred(), "%v is accepted", arguments)

	return string(said)
}

// template renders for the oldest Kubernetes that the chart is for, under the
// names of config/default.
func template(arguments []string) []string {
	return append([]string{"template", "databricks-operator", chart, "--namespace", namespace, "--kube-version", "1.31.0"}, arguments...)
}

// output is what a command prints; it must succeed.
func output(t *testing.T, name string, arguments ...string) []byte {
	t.Helper()

	return run(t, exec.CommandContext(t.Context(), name, arguments...))
}

func run(t *testing.T, command *exec.Cmd) []byte {
	t.Helper()

	var printed, told bytes.Buffer

	command.Stdout, command.Stderr = &printed, &told
	if err := command.Run(); err != nil {
		t.Fatalf("%v: %v\n%s", command.Args, err, told.String())
	}

	return printed.Bytes()
}

// flavour is one way to install.
type flavour struct {
	name    string
	objects func(t *testing.T) []*unstructured.Unstructured
}

func flavours() []flavour {
	var all []flavour

	for _, overlay := range []string{"default", "namespaced", "no-metrics", "with-prometheus"} {
		all = append(all, flavour{"kustomize " + overlay, func(t *testing.T) []*unstructured.Unstructured {
			t.Helper()

			return kustomize(t, overlay)
		}})
	}

	for name, arguments := range map[string][]string{
		"default":           nil,
		"namespaced":        {"--set", "watchNamespaces={team-a,team-b}", "--set", "metrics.enabled=false"},
		"no metrics":        {"--set", "metrics.enabled=false"},
		"metrics by http":   {"--set", "metrics.secure=false"},
		"prometheus":        {"--set", "serviceMonitor.enabled=true,prometheusRule.enabled=true"},
		"highly available":  {"--set", "replicas=2"},
		"another release":   {"--set", "fullnameOverride=second,crds.install=false,rbac.userRoles=false,workspaces=false"},
		"every other value": {"--values", everything},
	} {
		all = append(all, flavour{"helm " + name, func(t *testing.T) []*unstructured.Unstructured {
			t.Helper()

			return helm(t, arguments...)
		}})
	}

	return all
}

// applyAll applies objects in an order in which each finds what it needs.
func applyAll(ctx context.Context, objects []*unstructured.Unstructured) error {
	for _, object := range objects {
		if err := apply(ctx, object); err != nil {
			return err
		}
	}

	return nil
}
