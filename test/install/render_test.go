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

// tool returns a program of bin, which `make test` builds.
func tool(t *testing.T, name string) string {
	t.Helper()

	path, err := filepath.Abs(filepath.Join(repository, "bin", name))
	if err != nil {
		t.Fatal(err)
	}

	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%s is not built: run 'make test PKG=./test/install' (%v)", name, err)
	}

	// `go test` caches the result of a test until a file that the test itself
	// opened changes, so the files are opened that the tools read.
	for _, folder := range []string{"charts", "config", "hack"} {
		err := filepath.WalkDir(filepath.Join(repository, folder), func(string, fs.DirEntry, error) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
	}

	return path
}

// kustomize returns the objects of an overlay.
func kustomize(t *testing.T, overlay string) []*unstructured.Unstructured {
	t.Helper()

	objects, err := parse(output(t, tool(t, "kustomize"), "build", filepath.Join(repository, "config", overlay)))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())

	return objects
}

// helm returns the objects of the chart, with arguments for `helm template`.
func helm(t *testing.T, arguments ...string) []*unstructured.Unstructured {
	t.Helper()

	objects, err := parse(output(t, tool(t, "helm"), template(arguments)...))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())

	return objects
}

// templateError returns the error message of a failing `helm template`.
func templateError(t *testing.T, arguments ...string) string {
	t.Helper()

	command := exec.CommandContext(t.Context(), tool(t, "helm"), template(arguments)...)
	said, err := command.CombinedOutput()
	NewWithT(t).Expect(err).To(HaveOccurred(), "%v is accepted", arguments)

	return string(said)
}

// template returns arguments that render for the oldest supported Kubernetes,
// with the names of config/default.
func template(arguments []string) []string {
	return append([]string{"template", "databricks-operator", chart, "--namespace", namespace, "--kube-version", "1.31.0"}, arguments...)
}

// output returns the output of a command that must succeed.
func output(t *testing.T, name string, arguments ...string) []byte {
	t.Helper()

	return run(t, exec.CommandContext(t.Context(), name, arguments...))
}

func run(t *testing.T, command *exec.Cmd) []byte {
	t.Helper()

	var stdout, stderr bytes.Buffer

	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		t.Fatalf("%v: %v\n%s", command.Args, err, stderr.String())
	}

	return stdout.Bytes()
}

// variant is one kind of installation.
type variant struct {
	name    string
	objects func(t *testing.T) []*unstructured.Unstructured
}

func variants() []variant {
	var all []variant

	for _, overlay := range []string{"default", "namespaced", "no-metrics", "with-prometheus"} {
		all = append(all, variant{"kustomize " + overlay, func(t *testing.T) []*unstructured.Unstructured {
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
		all = append(all, variant{"helm " + name, func(t *testing.T) []*unstructured.Unstructured {
			t.Helper()

			return helm(t, arguments...)
		}})
	}

	return all
}

// applyAll applies objects in the order of their dependencies.
func applyAll(ctx context.Context, objects []*unstructured.Unstructured) error {
	for _, object := range objects {
		if err := apply(ctx, object); err != nil {
			return err
		}
	}

	return nil
}
