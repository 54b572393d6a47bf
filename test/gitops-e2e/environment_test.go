package gitops

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
	"github.com/databricks-operator/databricks-operator/test/controlplane"
	"github.com/databricks-operator/databricks-operator/test/programs"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

const (
	// operatorNamespace contains the Secret of the workspace.
	operatorNamespace = "databricks-operator-system"
	// workspace is the DatabricksWorkspace that all namespaces use.
	workspace = "lab"
	// timeScale shortens a launch of five minutes to six seconds.
	timeScale = "50"
	// startTimeout is how long the slowest program may take to become ready.
	startTimeout = 2 * time.Minute
)

// environment holds the running programs, and the directory with their files.
type environment struct {
	directory  string
	kubernetes *controlplane.ControlPlane
	api        client.WithWatch
	binaries   programs.Binaries
	workspace  *programs.Simulator
	operator   *programs.Operator
	// manager is kube-controller-manager, nil if it is skipped.
	manager *programs.Process
	// tools are the running tools.
	tools []tool
	// skips are the reasons for skipped programs, by program.
	skips map[string]string

	mu    sync.Mutex
	stops []func() error
}

// startEnvironment starts everything but the operator. It always returns an
// environment, so that a partial start can be stopped.
func startEnvironment() (*environment, error) {
	l := &environment{skips: map[string]string{}}
	var err error
	if l.directory, err = os.MkdirTemp("", "gitops-e2e-"); err != nil {
		return l, fmt.Errorf("make a directory: %w", err)
	}
	if l.binaries, err = programs.Find("../../bin"); err != nil {
		return l, err
	}
	summary.progress("starting the control plane, the simulator and the tools")
	ctx, cancel := context.WithTimeout(context.Background(), 4*startTimeout)
	defer cancel()
	if err := l.startKubernetes(ctx); err != nil {
		return l, err
	}
	if err := l.startWorkspace(ctx); err != nil {
		return l, err
	}
	err = l.startTools(ctx)
	return l, err
}

func (l *environment) file(name string) string { return filepath.Join(l.directory, name) }

func (l *environment) kubeconfig() string { return l.file("kubeconfig") }

func (l *environment) startKubernetes(ctx context.Context) (err error) {
	var crds []string
	for _, program := range []string{kustomizeController, argoCD} {
		if directory := filepath.Join(binaryDirectory, "crds", program); exists(directory) {
			crds = append(crds, directory)
		}
	}
	l.kubernetes, err = controlplane.Start(controlplane.WithServiceAccounts, func(e *envtest.Environment) {
		e.CRDDirectoryPaths = append(e.CRDDirectoryPaths, crds...)
	})
	if err != nil {
		return err
	}
	l.onStop(l.kubernetes.Stop)
	content, err := l.kubernetes.Kubeconfig()
	if err != nil {
		return err
	}
	authority := l.file("kubernetes-ca.pem")
	if err := errors.Join(
		os.WriteFile(l.kubeconfig(), content, 0o600),
		os.WriteFile(authority, l.kubernetes.Config.CAData, 0o600),
	); err != nil {
		return err
	}
	if l.api, err = client.NewWithWatch(l.kubernetes.Config, client.Options{Scheme: l.kubernetes.Scheme}); err != nil {
		return err
	}
	return l.startControllerManager(ctx, authority)
}

// startControllerManager starts kube-controller-manager, which collects
// garbage, finishes the deletion of namespaces and creates their service
// accounts.
func (l *environment) startControllerManager(ctx context.Context, authority string) error {
	binary, err := l.find(kubeControllerManager)
	if binary == "" {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	l.manager, err = l.start(nil, binary, kubeControllerManager,
		"--kubeconfig="+l.kubeconfig(),
		"--authentication-kubeconfig="+l.kubeconfig(),
		"--authorization-kubeconfig="+l.kubeconfig(),
		"--service-account-private-key-file="+l.kubernetes.SigningKey(),
		"--root-ca-file="+authority,
		"--use-service-account-credentials=true",
		"--leader-elect=false",
		"--bind-address=127.0.0.1", "--secure-port="+port,
		"--cert-dir="+l.file("kube-controller-manager"),
		"--controllers=*,-node-ipam-controller,-node-route-controller,-service-lb-controller,-cloud-node-lifecycle-controller",
	)
	if err != nil {
		return err
	}
	return l.await(ctx, "kube-controller-manager gives namespaces their service account", func(ctx context.Context) bool {
		return l.api.Get(ctx, client.ObjectKey{Namespace: "default", Name: "default"}, &corev1.ServiceAccount{}) == nil
	})
}

// startWorkspace starts the simulator and creates the objects that refer to it.
func (l *environment) startWorkspace(ctx context.Context) (err error) {
	l.workspace, err = programs.StartSimulator(ctx, l.binaries.Simulator, l.file("simulator.log"), l.file("databricks-ca.pem"),
		"--time-scale="+timeScale)
	if err != nil {
		return err
	}
	l.onStop(l.workspace.Stop)
	shared := &v1alpha1.DatabricksWorkspace{ObjectMeta: metav1.ObjectMeta{Name: workspace}}
	shared.Spec.Host = l.workspace.URL
	shared.Spec.SecretRef = &v1alpha1.OperatorSecretReference{Name: workspace}
	shared.Spec.AllowedNamespaces = &v1alpha1.AllowedNamespaces{Selector: &metav1.LabelSelector{}}
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: operatorNamespace}},
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: workspace},
			StringData: map[string]string{"host": l.workspace.URL, "token": simulator.DefaultToken},
		},
		shared,
	} {
		if err := l.api.Create(ctx, object); err != nil {
			return fmt.Errorf("create %s: %w", object.GetName(), err)
		}
	}
	return nil
}

// startTools starts both tools concurrently.
func (l *environment) startTools(ctx context.Context) error {
	starts := []func(context.Context, *environment) (tool, error){startFlux, startArgoCD}
	started, errs := make([]tool, len(starts)), make([]error, len(starts))
	var all sync.WaitGroup
	for i := range starts {
		all.Go(func() { started[i], errs[i] = starts[i](ctx, l) })
	}
	all.Wait()
	for _, t := range started {
		if t != nil {
			l.tools = append(l.tools, t)
		}
	}
	return errors.Join(errs...)
}

// startOperator starts the operator, after the scenarios that need it to be
// down.
func (l *environment) startOperator(ctx context.Context) (err error) {
	l.operator, err = programs.StartOperator(ctx, l.binaries.Manager, l.file("operator.log"),
		"--kubeconfig="+l.kubeconfig(),
		"--allowed-hosts="+l.workspace.URL,
		"--databricks-ca-file="+l.workspace.CAFile,
		"--operator-namespace="+operatorNamespace,
		"--poll-interval-active=500ms",
		"--leader-elect=false",
	)
	if err != nil {
		return err
	}
	l.onStop(l.operator.Stop)
	return nil
}

// start starts a program that stop kills.
func (l *environment) start(environment []string, binary, name string, args ...string) (*programs.Process, error) {
	process, err := programs.StartWith(environment, binary, l.file(name+".log"), args...)
	if err != nil {
		return nil, err
	}
	l.onStop(func() error { process.Kill(); return nil })
	return process, nil
}

// onStop registers a function for stop.
func (l *environment) onStop(stop func() error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stops = append(l.stops, stop)
}

// stop stops all programs, the last one first.
func (l *environment) stop() error {
	var errs []error
	for len(l.stops) > 0 {
		last := len(l.stops) - 1
		errs = append(errs, l.stops[last]())
		l.stops = l.stops[:last]
	}
	return errors.Join(errs...)
}

// await polls until a condition on a started program holds.
func (l *environment) await(ctx context.Context, what string, condition func(context.Context) bool) error {
	err := wait.PollUntilContextTimeout(ctx, pollInterval, startTimeout, true, func(ctx context.Context) (bool, error) { return condition(ctx), nil })
	if err != nil {
		return fmt.Errorf("wait until %s: %w", what, err)
	}
	return nil
}

// The programs of `make e2e-gitops`, by their names in bin/gitops.
const (
	kubeControllerManager = "kube-controller-manager"
	kustomizeController   = "kustomize-controller"
	argoCD                = "argocd"
)

// binaryDirectory contains these programs.
const binaryDirectory = "../../bin/gitops"

// find returns the path of a program; "" if it was skipped, whose reason it
// records.
func (l *environment) find(program string) (binary string, err error) {
	file, err := filepath.Abs(filepath.Join(binaryDirectory, program))
	if err != nil {
		return "", err
	}
	if exists(file) {
		return file, nil
	}
	reason, err := os.ReadFile(file + ".skipped")
	if err != nil {
		return "", fmt.Errorf("%s is not built: run 'make e2e-gitops'", program)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.skips[program] = strings.TrimSpace(string(reason))
	return "", nil
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// freePort returns an unused port.
func freePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return port, errors.Join(err, listener.Close())
}
