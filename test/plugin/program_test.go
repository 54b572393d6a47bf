package plugin_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// TestThePluginOfKubectl builds the program, and runs it as kubectl does.
func TestThePluginOfKubectl(t *testing.T) {
	r := newRig(t, 1)
	for range 3 {
		_, err := r.sim.AddCluster(simulator.Seed{})
		r.Expect(err).NotTo(HaveOccurred())
	}
	directory := t.TempDir()
	binary := filepath.Join(directory, "kubectl-dbc")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", binary, "../../cmd/kubectl-dbc")
	build.Env = append(os.Environ(), "HOME="+home)
	text, err := build.CombinedOutput()
	r.Expect(err).NotTo(HaveOccurred(), string(text))
	t.Setenv("PATH", directory+string(os.PathListSeparator)+os.Getenv("PATH"))
	kubectl := filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl")
	if _, err := os.Stat(kubectl); err != nil {
		kubectl = filepath.Join("..", "..", "bin", "k8s", "kubectl")
	}

	run := exec.CommandContext(t.Context(), kubectl, "dbc", "import", "--all", "--host="+r.sim.URL, "--databricks-ca-file="+r.caFile)
	manifests, err := run.Output()
	r.Expect(err).NotTo(HaveOccurred())
	apply := exec.CommandContext(t.Context(), kubectl, "apply", "-n", r.namespace, "-f", "-")
	apply.Stdin = bytes.NewReader(manifests)
	text, err = apply.CombinedOutput()
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
