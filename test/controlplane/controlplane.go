// Package controlplane starts a real kube-apiserver and etcd with the CRDs of
// this repository, for tests and the demo. It does not depend on the operator.
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

// ErrNotBuilt reports that the binaries are missing, and how to build them.
var ErrNotBuilt = errors.New("no control plane to run: run 'make controlplane'")

// ControlPlane is a running kube-apiserver with its etcd.
type ControlPlane struct {
	// Config connects to the API server as a cluster administrator.
	Config *rest.Config
	// Scheme contains the core types and this operator's types.
	Scheme      *runtime.Scheme
	environment *envtest.Environment
	guard       *guard
	// directory has the started programs.
	directory string
}

// programs are the programs of a control plane.
var programs = []string{"kube-apiserver", "etcd"}

// WithServiceAccounts enables the service account admission plugin, which
// envtest disables. Suites that start kube-controller-manager need it, because
// it gives each namespace the default account that pods expect.
func WithServiceAccounts(environment *envtest.Environment) {
	environment.ControlPlane.GetAPIServer().Configure().Disable("disable-admission-plugins")
}

// Start starts a control plane with the shipped CRDs, from the binaries in
// KUBEBUILDER_ASSETS or else in bin/k8s of the checkout.
func Start(options ...func(*envtest.Environment)) (*ControlPlane, error) {
	repository, err := checkout()
	if err != nil {
		return nil, err
	}
	assets, err := binaries(repository)
	if err != nil {
		return nil, err
	}
	directory, err := rarelyCollected(assets)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(directory))
	}
	known := runtime.NewScheme()
	if err := errors.Join(scheme.AddToScheme(known), v1alpha1.AddToScheme(known)); err != nil {
		return nil, fmt.Errorf("make a scheme: %w", err)
	}
	environment := &envtest.Environment{
		BinaryAssetsDirectory: directory,
		CRDDirectoryPaths:     []string{filepath.Join(repository, "config", "crd", "bases")},
		ErrorIfCRDPathMissing: true,
		UseExistingCluster:    new(false), // overrides the environment
		// The usual 20 s are not enough on a machine that is also compiling.
		ControlPlaneStartTimeout: 2 * time.Minute,
		ControlPlaneStopTimeout:  2 * time.Minute,
	}
	for _, configure := range options {
		configure(environment)
	}
	config, err := environment.Start()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the control plane in %s: %w", assets, err), environment.Stop(), os.RemoveAll(directory))
	}
	guard, err := newGuard()
	if err != nil {
		return nil, errors.Join(err, environment.Stop(), os.RemoveAll(directory))
	}
	return &ControlPlane{Config: config, Scheme: known, environment: environment, guard: guard, directory: directory}, nil
}

// Stop stops both processes.
func (c *ControlPlane) Stop() error {
	defer c.guard.dismiss()
	if err := errors.Join(c.environment.Stop(), os.RemoveAll(c.directory)); err != nil {
		return fmt.Errorf("stop the control plane: %w", err)
	}
	return nil
}

// SigningKey returns the path of the key that signs service account tokens, for
// kube-controller-manager.
func (c *ControlPlane) SigningKey() string {
	return filepath.Join(c.environment.ControlPlane.GetAPIServer().CertDir, "sa-signer.key")
}

// EtcdURL returns the address of etcd, which needs no credential.
func (c *ControlPlane) EtcdURL() string { return c.environment.ControlPlane.Etcd.URL.String() }

// Kubeconfig returns a kubeconfig file of an administrator, for kubectl and for
// the operator as a separate process.
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

// checkout returns the root of the repository that contains the working
// directory.
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
	for _, binary := range programs {
		if _, err := os.Stat(filepath.Join(assets, binary)); err != nil { //nolint:gosec // the environment is the developer's own
			return "", fmt.Errorf("%w (%w)", ErrNotBuilt, err)
		}
	}
	return assets, nil
}
