package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
	"github.com/databricks-operator/databricks-operator/test/controlplane"
	"github.com/databricks-operator/databricks-operator/test/corpus"
	"github.com/databricks-operator/databricks-operator/test/programs"
)

var (
	// kubernetes is the control plane that all tests share. Each test has its
	// own namespace.
	kubernetes *controlplane.ControlPlane
	api        client.Client
	kubeconfig string
	// directory holds the files of the whole suite.
	directory string
)

// binaries builds the programs of this checkout once.
var binaries = sync.OnceValues(func() (programs.Binaries, error) {
	// `go test` caches the result of a test until a file that the test opened
	// changes. Walking the sources makes it notice their changes.
	for _, sources := range []string{"../../api", "../../cmd", "../../internal"} {
		if err := filepath.WalkDir(sources, func(string, fs.DirEntry, error) error { return nil }); err != nil {
			return programs.Binaries{}, err
		}
	}
	return programs.Build(context.Background(), directory)
})

// builtBinaries returns the programs for a test.
func builtBinaries(t *testing.T) programs.Binaries {
	t.Helper()
	all, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestMain(m *testing.M) {
	flag.Parse()
	ctrl.SetLogger(logr.Discard())
	SetDefaultEventuallyTimeout(40 * time.Second)
	SetDefaultEventuallyPollingInterval(20 * time.Millisecond)
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "test/e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	// The tests mostly wait for timeouts, so more of them than processors can
	// run.
	if err := flag.Set("test.parallel", "8"); err != nil {
		return 0, err
	}
	if directory, err = os.MkdirTemp("", "e2e-"); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(directory)) }()
	if kubernetes, err = controlplane.Start(); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, kubernetes.Stop()) }()
	stopKeeping, err := corpus.Keep(kubernetes.Config)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, stopKeeping()) }()
	if api, err = client.New(kubernetes.Config, client.Options{Scheme: kubernetes.Scheme}); err != nil {
		return 0, err
	}
	content, err := kubernetes.Kubeconfig()
	if err != nil {
		return 0, err
	}
	kubeconfig = filepath.Join(directory, "kubeconfig")
	if err := os.WriteFile(kubeconfig, content, 0o600); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// newNamespace creates a namespace with a credentials Secret for the workspace.
func newNamespace(t *testing.T, host string) string {
	t.Helper()
	g := NewWithT(t)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "e2e-"}}
	g.Expect(api.Create(t.Context(), namespace)).To(Succeed())
	g.Expect(api.Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "databricks-credentials", Namespace: namespace.Name},
		StringData: map[string]string{"DATABRICKS_HOST": host, "DATABRICKS_TOKEN": simulator.DefaultToken},
	})).To(Succeed())
	return namespace.Name
}

// newCluster returns an object that does not exist in the API server yet.
func newCluster(namespace, name string) *v1alpha1.DatabricksCluster {
	cluster := &v1alpha1.DatabricksCluster{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}}
	cluster.Spec.SparkVersion = "16.4.x-scala2.12"
	cluster.Spec.NodeTypeID = "i3.xlarge"
	cluster.Spec.NumWorkers = new(int32(1))
	cluster.Spec.AutoterminationMinutes = new(int32(60))
	return cluster
}

// readiness returns an object's Ready condition, such as "True Running".
func readiness(ctx context.Context, object *v1alpha1.DatabricksCluster) string {
	now := &v1alpha1.DatabricksCluster{}
	if err := api.Get(ctx, client.ObjectKeyFromObject(object), now); err != nil {
		return err.Error()
	}
	for _, condition := range now.Status.Conditions {
		if condition.Type == v1alpha1.ConditionReady {
			return string(condition.Status) + " " + condition.Reason
		}
	}
	return ""
}

// exists reports whether an object still exists. It returns true if the answer
// is unknown.
func exists(ctx context.Context, object *v1alpha1.DatabricksCluster) bool {
	err := api.Get(ctx, client.ObjectKeyFromObject(object), &v1alpha1.DatabricksCluster{})
	return !apierrors.IsNotFound(err)
}
