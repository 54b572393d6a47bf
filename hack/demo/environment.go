package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/test/controlplane"
	"github.com/databricks-operator/databricks-operator/test/programs"
)

// pollInterval is the interval between checks of a condition.
const pollInterval = 100 * time.Millisecond

// environment holds the running programs and the directory with their files.
type environment struct {
	kubernetes *controlplane.ControlPlane
	api        client.WithWatch
	simulator  *programs.Simulator
	operator   *programs.Operator
	directory  string
}

func (w *environment) file(name string) string { return filepath.Join(w.directory, name) }

func (w *environment) kubeconfig() string { return w.file("kubeconfig") }

// makeDirectory makes the directory for the files of all programs.
func (w *environment) makeDirectory() error {
	directory, err := os.MkdirTemp("", "databricks-operator-demo-")
	if err != nil {
		return fmt.Errorf("make a directory for the demo's files: %w", err)
	}
	w.directory = directory
	return nil
}

// startKubernetes starts etcd and kube-apiserver, with the CRDs.
func (w *environment) startKubernetes(ctx context.Context) (string, error) {
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
	discoveryClient, err := discovery.NewDiscoveryClientForConfig(started.Config)
	if err != nil {
		return "", fmt.Errorf("make a client: %w", err)
	}
	version, err := discoveryClient.ServerVersion()
	if err != nil {
		return "", fmt.Errorf("ask for the API server's version: %w", err)
	}
	return fmt.Sprintf("kube-apiserver %s and etcd, at %s", version.GitVersion, strings.TrimSuffix(started.Config.Host, "/")), nil
}

// operatorNamespace has the Secrets of the DatabricksWorkspaces, so that docs/workspaces.md
// can be followed in a demo that is kept.
const operatorNamespace = "databricks-operator-system"

// awaitNamespaces waits for the namespaces that a new API server creates, and creates the
// one of the operator.
func (w *environment) awaitNamespaces(ctx context.Context) error {
	err := wait.PollUntilContextTimeout(ctx, pollInterval, 20*time.Second, true, func(ctx context.Context) (bool, error) {
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
	own := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: operatorNamespace}}
	if err := w.api.Create(ctx, own); err != nil {
		return fmt.Errorf("create the namespace %s: %w", operatorNamespace, err)
	}
	return nil
}

func (w *environment) startSimulator(ctx context.Context, binary string, timeScale float64) (string, error) {
	scale := strconv.FormatFloat(timeScale, 'g', -1, 64)
	configuration, err := json.Marshal(workspaces())
	if err != nil {
		return "", fmt.Errorf("configure the simulator: %w", err)
	}
	if err := os.WriteFile(w.file("workspaces.json"), configuration, 0o600); err != nil {
		return "", fmt.Errorf("configure the simulator: %w", err)
	}
	started, err := programs.StartSimulator(ctx, binary, w.file("simulator.log"), w.file("databricks-ca.pem"),
		"--time-scale="+scale, "--config="+w.file("workspaces.json"))
	if err != nil {
		return "", err
	}
	w.simulator = started
	return fmt.Sprintf("bin/simulator, %s times faster than a real workspace, at %s", scale, started.URL), nil
}

func (w *environment) startOperator(ctx context.Context, binary string) (string, error) {
	started, err := programs.StartOperator(ctx, binary, w.file("operator.log"),
		"--kubeconfig="+w.kubeconfig(),
		"--allowed-hosts="+w.simulator.URL,
		"--databricks-ca-file="+w.simulator.CAFile,
		"--poll-interval-active=1s",
		"--leader-elect=false",
		"--operator-namespace="+operatorNamespace,
	)
	if err != nil {
		return "", err
	}
	w.operator = started
	return fmt.Sprintf("bin/manager, with %s as its only allowed host, process %d", w.simulator.URL, started.PID()), nil
}

// stop stops the programs in reverse order of their dependencies, and removes
// the files.
func (w *environment) stop() error {
	var errs []error
	if w.operator != nil {
		errs = append(errs, w.operator.Stop())
	}
	if w.simulator != nil {
		errs = append(errs, w.simulator.Stop())
	}
	if w.kubernetes != nil {
		errs = append(errs, w.kubernetes.Stop())
	}
	if w.directory != "" {
		errs = append(errs, os.RemoveAll(w.directory))
	}
	return errors.Join(errs...)
}
