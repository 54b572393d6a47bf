package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
	"github.com/databricks-operator/databricks-operator/test/controlplane"
	"github.com/databricks-operator/databricks-operator/test/programs"
)

const (
	// namespace contains all objects and the lease.
	namespace = "default"
	// operatorID marks the clusters of the measured operator.
	operatorID = "0a1b2c3d"
	// pollInterval is the interval between checks of a condition.
	pollInterval = 250 * time.Millisecond
)

// rig is a control plane, a workspace and the running operators.
type rig struct {
	binaries   programs.Binaries
	directory  string
	kubernetes *controlplane.ControlPlane
	config     *rest.Config
	api        client.WithWatch
	simulator  *programs.Simulator
	hosts      hosts
	workspaces []workspace
	operators  []*operator
	// memoryLimit is that of the operator's container in MiB; 0: none. As in an
	// installation, Go collects garbage more often near it.
	memoryLimit int
}

// operator is one operator process.
type operator struct {
	*programs.Operator
	metrics string
}

// newRig starts everything but an operator, with one workspace on the
// simulator's own address; launches take the given time.
func newRig(ctx context.Context, binaries programs.Binaries, launch time.Duration) (*rig, error) {
	return newRigWith(ctx, binaries, launch, layout{})
}

// newRigWith is newRig with workspaces that have hosts of their own.
func newRigWith(ctx context.Context, binaries programs.Binaries, launch time.Duration, wanted layout) (r *rig, err error) {
	r = &rig{binaries: binaries}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.stop())
		}
	}()
	if r.directory, err = os.MkdirTemp("", "databricks-operator-bench-"); err != nil {
		return r, fmt.Errorf("make a directory: %w", err)
	}
	if r.kubernetes, err = controlplane.Start(); err != nil {
		return r, err
	}
	kubeconfig, err := r.kubernetes.Kubeconfig()
	if err != nil {
		return r, err
	}
	if err := os.WriteFile(r.file("kubeconfig"), kubeconfig, 0o600); err != nil {
		return r, fmt.Errorf("write the kubeconfig: %w", err)
	}
	r.config = rest.CopyConfig(r.kubernetes.Config)
	r.config.QPS = -1 // the load generator must not be throttled
	if r.api, err = client.NewWithWatch(r.config, client.Options{Scheme: r.kubernetes.Scheme}); err != nil {
		return r, fmt.Errorf("make a client: %w", err)
	}
	r.simulator, err = programs.StartSimulator(ctx, binaries.Simulator, r.file("simulator.log"), r.file("ca.pem"), wanted.simulatorFlags()...)
	if err != nil {
		return r, err
	}
	if err := r.setLaunchTime(ctx, launch); err != nil {
		return r, err
	}
	if err := r.putSecret(ctx); err != nil {
		return r, err
	}
	err = r.openWorkspaces(ctx, wanted)
	return r, err
}

// setLaunchTime sets the duration of launches; other transitions take no time.
func (r *rig) setLaunchTime(ctx context.Context, span time.Duration) error {
	return r.simulator.Do(ctx, http.MethodPatch, "timings", map[string]string{
		"launch": span.String(), "restart": "0s", "resize": "0s", "terminate": "0s",
	}, nil)
}

// putSecret creates the credentials of all objects when the namespace exists.
func (r *rig) putSecret(ctx context.Context) error {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "databricks-credentials", Namespace: namespace},
		StringData: map[string]string{"DATABRICKS_HOST": r.simulator.URL, "DATABRICKS_TOKEN": simulator.DefaultToken},
	}
	return r.await(ctx, "a Secret in the namespace "+namespace, time.Minute, func(ctx context.Context) (bool, error) {
		return r.api.Create(ctx, secret.DeepCopy()) == nil, nil
	})
}

func (r *rig) file(name string) string { return filepath.Join(r.directory, name) }

// start starts another operator, with the flags of an installation and others.
func (r *rig) start(ctx context.Context, others ...string) (*operator, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	log := r.file(fmt.Sprintf("operator-%d.log", len(r.operators)))
	var environment []string
	if r.memoryLimit > 0 {
		environment = []string{fmt.Sprintf("GOMEMLIMIT=%d000000", r.memoryLimit)}
	}
	started, err := programs.StartOperatorWith(ctx, environment, r.binaries.Manager, log, append(others,
		"--kubeconfig="+r.file("kubeconfig"),
		"--allowed-hosts="+strings.Join(r.urls(), ","),
		"--databricks-ca-file="+r.simulator.CAFile,
		"--operator-id="+operatorID,
		"--leader-elect=true",
		"--leader-election-namespace="+namespace,
		"--metrics-bind-address="+address,
		"--metrics-secure=false",
	)...)
	if err != nil {
		return nil, err
	}
	one := &operator{Operator: started, metrics: "http://" + address + "/metrics"}
	r.operators = append(r.operators, one)
	return one, r.await(ctx, "the operator's metrics", time.Minute, func(ctx context.Context) (bool, error) {
		_, err := one.scrape(ctx)
		return err == nil, nil
	})
}

func freeAddress(ctx context.Context) (string, error) {
	var listening net.ListenConfig
	listener, err := listening.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return listener.Addr().String(), listener.Close()
}

// stop stops everything and removes the files.
func (r *rig) stop() error {
	var problems []error
	for _, operator := range r.operators {
		operator.Kill()
	}
	r.hosts.close()
	if r.simulator != nil {
		r.simulator.Kill()
	}
	if r.kubernetes != nil {
		problems = append(problems, r.kubernetes.Stop())
	}
	return errors.Join(append(problems, os.RemoveAll(r.directory))...)
}

// logs returns the end of every operator's log, for error messages.
func (r *rig) logs() string {
	var all strings.Builder
	for _, operator := range r.operators {
		fmt.Fprintf(&all, "%s\n%s\n", operator.Log.Path(), operator.Log.Tail(5))
	}
	return all.String()
}

// await polls until a condition holds.
func (r *rig) await(ctx context.Context, what string, timeout time.Duration, condition func(context.Context) (bool, error)) error {
	return r.awaitEvery(ctx, pollInterval, what, timeout, condition)
}

// awaitEvery is await with an interval of its own.
func (r *rig) awaitEvery(ctx context.Context, every time.Duration, what string, timeout time.Duration, condition func(context.Context) (bool, error)) error {
	if err := wait.PollUntilContextTimeout(ctx, every, timeout, true, condition); err != nil {
		return fmt.Errorf("wait for %s: %w\n%s", what, err, r.logs())
	}
	return nil
}

// pause waits.
func pause(ctx context.Context, span time.Duration) error {
	timer := time.NewTimer(span)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
