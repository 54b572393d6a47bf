// Package controlplane starts a real kube-apiserver and etcd with the CRDs of
// this repository, for tests and for the demo. It knows nothing of the operator.
package controlplane

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// ErrNotBuilt says that there are no binaries to start, and how to get them.
var ErrNotBuilt = errors.New("no control plane to run: run 'make controlplane'")

// ControlPlane is a running kube-apiserver with its etcd.
type ControlPlane struct {
	// Config reaches the API server as a cluster administrator.
	Config *rest.Config
	// Scheme knows the core types and this operator's.
	Scheme      *runtime.Scheme
	environment *envtest.Environment
	guard       *guard
}

// WithServiceAccounts switches on the admission of service accounts, which
// envtest switches off. It is for those who start kube-controller-manager too:
// without it no namespace has the account that every pod and tool expects.
func WithServiceAccounts(environment *envtest.Environment) {
	environment.ControlPlane.GetAPIServer().Configure().Disable("disable-admission-plugins")
}

// Start starts a control plane from KUBEBUILDER_ASSETS, or else from bin/k8s of
// the checkout, with the CRDs as they are shipped.
func Start(options ...func(*envtest.Environment)) (*ControlPlane, error) {
	repository, err := checkout()
	if err != nil {
		return nil, err
	}
	assets, err := binaries(repository)
	if err != nil {
		return nil, err
	}
	known := runtime.NewScheme()
	if err := errors.Join(scheme.AddToScheme(known), v1alpha1.AddToScheme(known)); err != nil {
		return nil, fmt.Errorf("make a scheme: %w", err)
	}
	environment := &envtest.Environment{
		BinaryAssetsDirectory: assets,
		CRDDirectoryPaths:     []string{filepath.Join(repository, "config", "crd", "bases")},
		ErrorIfCRDPathMissing: true,
		UseExistingCluster:    new(false), // whatever the environment says
		// A machine that builds something beside may need far more than the usual 20 s.
		ControlPlaneStartTimeout: 2 * time.Minute,
		ControlPlaneStopTimeout:  2 * time.Minute,
	}
	for _, configure := range options {
		configure(environment)
	}
	config, err := environment.Start()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the control plane in %s: %w", assets, err), environment.Stop())
	}
	guard, err := newGuard()
	if err != nil {
		return nil, errors.Join(err, environment.Stop())
	}
	return &ControlPlane{Config: config, Scheme: known, environment: environment, guard: guard}, nil
}

// Stop ends both processes.
func (c *ControlPlane) Stop() error {
	defer c.guard.dismiss()
	if err := c.environment.Stop(); err != nil {
		return fmt.Errorf("stop the control plane: %w", err)
	}
	return nil
}

// SigningKey is the file with the key that service account tokens are signed
// with, for kube-controller-manager.
func (c *ControlPlane) SigningKey() string {
	return filepath.Join(c.environment.ControlPlane.GetAPIServer().CertDir, "sa-signer.key")
}

// Kubeconfig is a kubeconfig file for an administrator, for kubectl and for the
// operator as a process of its own.
func (c *ControlPlane) Kubeconfig() ([]byte, error) {
	user, err := c.environment.ControlPlane.AddUser(envtest.User{Name: "admin", Groups: []string{"system:masters"}}, nil)
	if err != nil {
		return nil, fmt.Errorf("add an administrator: %w", err)
	}
	kubeconfig, err := user.KubeConfig()
	if err != nil {
		return nil, fmt.Errorf("write a kubeconfig: %w", err)
	}
	return kubeconfig, nil
}

// checkout is the top of the repository, seen from the directory of a test or
// of a command.
func checkout() (string, error) {
	here, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the checkout: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(here, "config", "crd", "bases")); err == nil {
			return here, nil
		}
		above := filepath.Dir(here)
		if above == here {
			return "", errors.New("not inside a checkout of databricks-operator: config/crd/bases is not found")
		}
		here = above
	}
}

func binaries(repository string) (string, error) {
	assets := os.Getenv("KUBEBUILDER_ASSETS")
	if assets == "" {
		assets = filepath.Join(repository, "bin", "k8s")
	}
	for _, binary := range []string{"kube-apiserver", "etcd"} {
		if _, err := os.Stat(filepath.Join(assets, binary)); err != nil { //nolint:gosec // the environment is the developer's own
			return "", fmt.Errorf("%w (%w)", ErrNotBuilt, err)
		}
	}
	return assets, nil
}
