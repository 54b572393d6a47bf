package plugin_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// plugin is the program, which is built once for all tests.
var plugin struct {
	once   sync.Once
	binary string
	err    error
}

// builtPlugin returns the path of the program kubectl-dbc.
func builtPlugin(t *testing.T) string {
	t.Helper()
	plugin.once.Do(func() {
		plugin.binary = filepath.Join(directory, "bin", "kubectl-dbc")
		build := exec.Command("go", "build", "-buildvcs=false", "-o", plugin.binary, "../../cmd/kubectl-dbc")
		build.Env = append(os.Environ(), "HOME="+home)
		if text, err := build.CombinedOutput(); err != nil {
			plugin.err = fmt.Errorf("%w: %s", err, text)
		}
	})
	if plugin.err != nil {
		t.Fatal("build the plugin: ", plugin.err)
	}
	return plugin.binary
}

// builtKubectl returns the path of the kubectl that belongs to the control plane.
func builtKubectl(t *testing.T) string {
	t.Helper()
	for _, folder := range []string{os.Getenv("KUBEBUILDER_ASSETS"), filepath.Join("..", "..", "bin", "k8s")} {
		path, err := filepath.Abs(filepath.Join(folder, "kubectl"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	t.Fatal("there is no kubectl: run 'make controlplane'")
	return ""
}

// TestThePluginOfKubectl builds the program, and runs it as kubectl does.
func TestThePluginOfKubectl(t *testing.T) {
	r := newRig(t, 1)
	for range 3 {
		_, err := r.sim.AddCluster(simulator.Seed{})
		r.Expect(err).NotTo(HaveOccurred())
	}
	directory := t.TempDir()
	binary := builtPlugin(t)
	t.Setenv("PATH", filepath.Dir(binary)+string(os.PathListSeparator)+os.Getenv("PATH"))
	kubectl := builtKubectl(t)

	run := exec.CommandContext(t.Context(), kubectl, "dbc", "import", "--all", "--host="+r.sim.URL, "--databricks-ca-file="+r.caFile)
	manifests, err := run.Output()
	r.Expect(err).NotTo(HaveOccurred())
	apply := exec.CommandContext(t.Context(), kubectl, "apply", "-n", r.namespace, "-f", "-")
	apply.Stdin = bytes.NewReader(manifests)
	text, err := apply.CombinedOutput()
	r.Expect(err).NotTo(HaveOccurred(), string(text))
	text, err = exec.CommandContext(t.Context(), kubectl, "dbc", "start", "absent", "-n", r.namespace).CombinedOutput()
	r.Expect(err).To(HaveOccurred(), "the exit code reaches the caller")
	r.Expect(string(text)).To(ContainSubstring(`"absent" not found`))

	// Ctrl-C in the middle.
	r.sim.AddFault(simulator.Fault{Endpoint: "clusters/get", Delay: 20 * time.Second})
	files := filepath.Join(directory, "files")
	interrupted := exec.CommandContext(t.Context(), binary, "import", "--all", "--host="+r.sim.URL, "--databricks-ca-file="+r.caFile, "-o", files)
	interrupted.Env = os.Environ()
	r.Expect(interrupted.Start()).To(Succeed())
	r.Eventually(func() int { return len(r.sim.RequestsTo("clusters/list")) }).Should(BeNumerically(">=", 2))
	r.Expect(interrupted.Process.Signal(syscall.SIGINT)).To(Succeed())
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	ended := make(chan int, 1)
	go func() {
		_ = interrupted.Wait()
		ended <- interrupted.ProcessState.ExitCode()
	}()
	select {
	case code := <-ended:
		r.Expect(code).To(Equal(130))
	case <-ctx.Done():
		t.Fatal("the program goes on after an interrupt")
	}
	r.Expect(files).NotTo(BeADirectory())
}
