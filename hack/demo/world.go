package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/test/controlplane"
	"github.com/databricks-operator/databricks-operator/test/programs"
)

// glance is how often something is looked at that does not tell by itself.
const glance = 100 * time.Millisecond

// world is everything that runs, and the directory with its files.
type world struct {
	kubernetes *controlplane.ControlPlane
	api        client.WithWatch
	simulator  *programs.Simulator
	operator   *programs.Operator
	directory  string
}

func (w *world) file(name string) string { return filepath.Join(w.directory, name) }

func (w *world) kubeconfig() string { return w.file("kubeconfig") }

// makeDirectory is first: everything else has files there.
func (w *world) makeDirectory() error {
	directory, err := os.MkdirTemp("", "databricks-operator-demo-")
	if err != nil {
		return fmt.Errorf("make a directory for the demo's files: %w", err)
	}
	w.directory = directory
	return nil
}

// startKubernetes starts etcd and kube-apiserver, with the CRDs.
func (w *world) startKubernetes(ctx context.Context) (string, error) {
	started, err := controlplane.Start()
	if err != nil {
		return "", err
	}
	w.kubernetes = started
	kubeconfig, err := started.Kubeconfig()
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(w.kubeconfig(), kubeconfig, 0o600); err != nil {
		return "", fmt.Errorf("write the kubeconfig: %w", err)
	}
	w.api, err = client.NewWithWatch(started.Config, client.Options{Scheme: started.Scheme})
	if err != nil {
		return "", fmt.Errorf("make a client: %w", err)
	}
	if err := w.awaitNamespaces(ctx); err != nil {
		return "", err
	}
	asking, err := discovery.NewDiscoveryClientForConfig(started.Config)
	if err != nil {
		return "", fmt.Errorf("make a client: %w", err)
	}
	version, err := asking.ServerVersion()
	if err != nil {
		return "", fmt.Errorf("ask for the API server's version: %w", err)
	}
	return fmt.Sprintf("kube-apiserver %s and etcd, at %s", version.GitVersion, strings.TrimSuffix(started.Config.Host, "/")), nil
}

// awaitNamespaces waits for those that a new API server makes a little later.
func (w *world) awaitNamespaces(ctx context.Context) error {
	err := wait.PollUntilContextTimeout(ctx, glance, 20*time.Second, true, func(ctx context.Context) (bool, error) {
		for _, name := range []string{namespace, "kube-system"} {
			if err := w.api.Get(ctx, client.ObjectKey{Name: name}, &corev1.Namespace{}); err != nil {
				return false, nil //nolint:nilerr // not yet
			}
		}
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("wait for the namespaces %s and kube-system: %w", namespace, err)
	}
	return nil
}

func (w *world) startSimulator(ctx context.Context, binary string, timeScale float64) (string, error) {
	scale := strconv.FormatFloat(timeScale, 'g', -1, 64)
	started, err := programs.StartSimulator(ctx, binary, w.file("simulator.log"), w.file("databricks-ca.pem"), "--time-scale="+scale)
	if err != nil {
		return "", err
	}
	w.simulator = started
	return fmt.Sprintf("bin/simulator, %s times as fast as life, at %s", scale, started.URL), nil
}

func (w *world) startOperator(ctx context.Context, binary string) (string, error) {
	started, err := programs.StartOperator(ctx, binary, w.file("operator.log"),
		"--kubeconfig="+w.kubeconfig(),
		"--allowed-hosts="+w.simulator.URL,
		"--databricks-ca-file="+w.simulator.CAFile,
		"--poll-interval-active=1s",
		"--leader-elect=false",
	)
	if err != nil {
		return "", err
	}
	w.operator = started
	return fmt.Sprintf("bin/manager, allowed to reach %s alone, as process %d", w.simulator.URL, started.PID()), nil
}

// stop ends what runs, in the order in which one needs the other, and removes
// the files.
func (w *world) stop() error {
	var problems []error
	if w.operator != nil {
		problems = append(problems, w.operator.Stop())
	}
	if w.simulator != nil {
		problems = append(problems, w.simulator.Stop())
	}
	if w.kubernetes != nil {
		problems = append(problems, w.kubernetes.Stop())
	}
	if w.directory != "" {
		problems = append(problems, os.RemoveAll(w.directory))
	}
	return errors.Join(problems...)
}
