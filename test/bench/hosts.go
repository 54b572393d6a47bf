package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// layout is how many workspaces a rig has.
type layout struct {
	// workspaces is the number of workspaces with a host of their own; 0 means
	// that all objects use the simulator's address.
	workspaces int
	// silent is the number of further hosts, which accept connections and never
	// answer.
	silent int
}

// workspace is a workspace with a host of its own. All share one simulator,
// which tells them apart by their tokens.
type workspace struct{ name, url, token string }

// simulatorFlags returns the flags that create the workspaces.
func (l layout) simulatorFlags() []string {
	var flags []string
	for i := range l.workspaces {
		flags = append(flags, fmt.Sprintf("--token=%s/=%s", workspaceName(i), tokenOf(i)))
	}
	if l.workspaces > 0 { // the first one is that of the default Secret
		flags = append(flags, "--token="+workspaceName(0)+"/=dapi-simulator")
	}
	return flags
}

func workspaceName(i int) string { return fmt.Sprintf("workspace-%04d", i) }

func tokenOf(i int) string { return fmt.Sprintf("dapi-%04d", i) }

// openWorkspaces opens the hosts of all workspaces and creates a Secret for
// each, which has its name. The silent ones are the last.
func (r *rig) openWorkspaces(ctx context.Context, wanted layout) error {
	for i := range wanted.workspaces + wanted.silent {
		to := strings.TrimPrefix(r.simulator.URL, "https://")
		if i >= wanted.workspaces {
			to = ""
		}
		url, err := r.hosts.open(ctx, to)
		if err != nil {
			return err
		}
		r.workspaces = append(r.workspaces, workspace{workspaceName(i), url, tokenOf(i)})
	}
	return forEach(ctx, len(r.workspaces), func(ctx context.Context, i int) error {
		one := r.workspaces[i]
		return r.api.Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: one.name, Namespace: namespace},
			StringData: map[string]string{"DATABRICKS_HOST": one.url, "DATABRICKS_TOKEN": one.token},
		})
	})
}

// objectIn returns an object of a workspace.
func (r *rig) objectIn(one workspace, name string) *v1alpha1.DatabricksCluster {
	object := newObject(name)
	object.Spec.Connection = &v1alpha1.Connection{SecretRef: &v1alpha1.LocalSecretReference{Name: one.name}}
	return object
}

// urls returns the hosts that the operator may reach.
func (r *rig) urls() []string {
	all := []string{r.simulator.URL}
	for _, one := range r.workspaces {
		all = append(all, one.url)
	}
	return all
}

// hosts are addresses of this process.
type hosts struct {
	running sync.WaitGroup
	// mu guards the rest.
	mu     sync.Mutex
	opened []io.Closer
	closed bool
}

// open returns the URL of a new address. Its connections are forwarded to an
// address; without one they stay open and get no answer.
func (h *hosts) open(ctx context.Context, to string) (url string, err error) {
	var listening net.ListenConfig
	listener, err := listening.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("open a host: %w", err)
	}
	h.keep(listener)
	h.running.Go(func() {
		for {
			accepted, err := listener.Accept()
			if err != nil {
				return
			}
			h.keep(accepted)
			if to != "" {
				h.running.Go(func() { h.forward(ctx, accepted, to) })
			}
		}
	})
	return "https://" + listener.Addr().String(), nil
}

func (h *hosts) forward(ctx context.Context, accepted net.Conn, to string) {
	defer func() { _ = accepted.Close() }()
	dialer := net.Dialer{Timeout: 10 * time.Second}
	onward, err := dialer.DialContext(ctx, "tcp", to)
	if err != nil {
		return
	}
	h.keep(onward)
	defer func() { _ = onward.Close() }()
	h.running.Go(func() {
		_, _ = io.Copy(onward, accepted) // either end may close
		_ = onward.Close()
	})
	_, _ = io.Copy(accepted, onward)
}

// keep closes something at the end.
func (h *hosts) keep(what io.Closer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		_ = what.Close()
		return
	}
	h.opened = append(h.opened, what)
}

// close closes all addresses and connections.
func (h *hosts) close() {
	h.mu.Lock()
	h.closed = true
	for _, one := range h.opened {
		_ = one.Close()
	}
	h.mu.Unlock()
	h.running.Wait()
}
