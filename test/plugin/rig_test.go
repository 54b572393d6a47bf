package plugin_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/yaml"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/connection"
	"github.com/databricks-operator/databricks-operator/internal/controller"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/cli"
	"github.com/databricks-operator/databricks-operator/internal/plan"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
	"github.com/databricks-operator/databricks-operator/test/controlplane"
	"github.com/databricks-operator/databricks-operator/test/plugin/varied"
)

var (
	// kubernetes is the control plane that all tests share. Every test has namespaces, a
	// workspace and an operator of its own.
	kubernetes *controlplane.ControlPlane
	// kubeconfig is the file of an administrator.
	kubeconfig string
	// directory has the files that all tests share.
	directory string
	// home is the developer's, which has the build cache.
	home = os.Getenv("HOME")
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctrl.SetLogger(logr.Discard())
	SetDefaultEventuallyTimeout(30 * time.Second)
	SetDefaultEventuallyPollingInterval(50 * time.Millisecond)
	var err error
	if directory, err = os.MkdirTemp("", "plugin-"); err != nil {
		fmt.Fprintln(os.Stderr, "test/plugin:", err)
		return 1
	}
	defer func() { _ = os.RemoveAll(directory) }()
	if kubernetes, err = controlplane.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "test/plugin:", err)
		return 1
	}
	defer func() { _ = kubernetes.Stop() }()
	content, err := kubernetes.Kubeconfig()
	if err == nil {
		kubeconfig = filepath.Join(directory, "kubeconfig")
		err = os.WriteFile(kubeconfig, content, 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "test/plugin:", err)
		return 1
	}
	return m.Run()
}

const operatorID = "0a1b2c3d"

// rig is the environment of one test.
type rig struct {
	Gomega
	t   *testing.T
	api client.Client
	sim *simulator.Service
	// namespaces belong to the test, and namespace is the first of them.
	namespaces []string
	namespace  string
	caFile     string
	// control is the control plane, and operatorID the id of its operator.
	control    *controlplane.ControlPlane
	operatorID string
	stop       func()
}

// newRig returns a rig with a number of namespaces, each with a credentials Secret, and
// without an operator.
func newRig(t *testing.T, namespaces int) *rig {
	t.Helper()
	r := newRigIn(t, kubernetes, kubeconfig, varied.Workspace())
	r.operatorID = operatorID
	for range namespaces {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "plugin-"}}
		r.Expect(r.api.Create(t.Context(), namespace)).To(Succeed())
		r.namespaces = append(r.namespaces, namespace.Name)
		r.putCredential(namespace.Name)
	}
	r.namespace = r.namespaces[0]
	return r
}

// newRigIn returns a rig without namespaces in a control plane.
func newRigIn(t *testing.T, control *controlplane.ControlPlane, kubeconfig string, workspace simulator.Workspace) *rig {
	t.Helper()
	r := &rig{Gomega: NewWithT(t), t: t, control: control, stop: func() {}}
	var err error
	r.api, err = client.New(control.Config, client.Options{Scheme: control.Scheme})
	r.Expect(err).NotTo(HaveOccurred())
	r.sim, err = simulator.Start(context.Background(), simulator.Options{
		Workspaces: []simulator.Workspace{workspace}, Behaviour: simulator.Behaviour{AnyPrincipalExists: true},
		// The objects of earlier tests stay in the control plane, and ids have the second
		// in which they were created: the rest must differ.
		Seed: rand.Uint64(),
		Timings: &simulator.Timings{
			Launch: 150 * time.Millisecond, PoolLaunch: 100 * time.Millisecond, Restart: 150 * time.Millisecond,
			Resize: 100 * time.Millisecond, Terminate: 100 * time.Millisecond, Retention: 30 * 24 * time.Hour,
		},
	})
	r.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = r.sim.Close() })
	r.caFile = filepath.Join(t.TempDir(), "ca.pem")
	r.Expect(os.WriteFile(r.caFile, r.sim.CAPEM, 0o600)).To(Succeed())
	t.Setenv("HOME", t.TempDir())
	t.Setenv("DATABRICKS_TOKEN", simulator.DefaultToken)
	t.Setenv("KUBECONFIG", kubeconfig)
	return r
}

// putCredential creates the credentials Secret of a namespace.
func (r *rig) putCredential(namespace string) {
	r.t.Helper()
	r.putSecret(namespace, "databricks-credentials", nil, map[string]string{"DATABRICKS_HOST": r.sim.URL, "DATABRICKS_TOKEN": simulator.DefaultToken})
}

func (r *rig) putSecret(namespace, name string, labels, values map[string]string) {
	r.t.Helper()
	r.Expect(r.api.Create(r.t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, Labels: labels}, StringData: values,
	})).To(Succeed())
}

// start runs the operator for the namespaces of the test until it ends.
func (r *rig) start() {
	r.t.Helper()
	scope := controller.Scope{Namespaces: r.namespaces}
	mgr, err := ctrl.NewManager(r.control.Config, ctrl.Options{
		Scheme: r.control.Scheme, Logger: logr.Discard(), Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
		Cache: controller.CacheOptions(scope), Controller: config.Controller{SkipNameValidation: new(true)},
	})
	r.Expect(err).NotTo(HaveOccurred())
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(r.sim.CAPEM)
	allowed, err := databricks.ParseAllowList([]string{r.sim.URL})
	r.Expect(err).NotTo(HaveOccurred())
	transport := databricks.NewTransport(allowed, roots, nil)
	r.t.Cleanup(transport.CloseIdleConnections)
	changes := &controller.EventSource{}
	registry := cache.NewRegistry(cache.Options{
		Fast: 50 * time.Millisecond, Slow: 400 * time.Millisecond, Settle: 5 * time.Millisecond,
		RequestDeadline: 10 * time.Second, Grace: 300 * time.Millisecond, Lag: 100 * time.Millisecond,
		Limits:   cache.Limits{Start: 500, Max: 1000, Burst: 100, ProbeRefused: 300 * time.Millisecond},
		OnChange: changes.Changed,
		Dial: func(credential databricks.Config) (cache.Client, error) {
			return databricks.New(credential, databricks.Options{Transport: transport, Version: "test"})
		},
	})
	r.Expect(controller.Setup(mgr, registry, changes, controller.Options{
		OperatorID: r.operatorID, OwnerTag: true, Scope: scope,
		Limits:      plan.Limits{CreateWindow: 2 * time.Second, RequestDeadline: 10 * time.Second, VisibilityGrace: 300 * time.Millisecond},
		Credentials: connection.Intervals{Refresh: 300 * time.Millisecond, Retry: 100 * time.Millisecond, MinReread: 50 * time.Millisecond, MissingGrace: time.Minute},
		Coalesce:    50 * time.Millisecond, ConnectPause: 200 * time.Millisecond, ConnectDeadline: time.Minute,
	})).To(Succeed())
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := mgr.Start(ctx); err != nil {
			r.t.Error("the operator stopped:", err)
		}
	})
	r.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
	})
	r.t.Cleanup(r.stop)
}

// output is the result of a command.
type output struct {
	code        int
	out, errOut string
}

// dbc runs a command of the plugin in the first namespace.
func (r *rig) dbc(args ...string) output {
	r.t.Helper()
	return r.dbcIn(r.t.Context(), r.namespace, args...)
}

// dbcIn runs a command in a namespace until it or ctx ends.
func (r *rig) dbcIn(ctx context.Context, namespace string, args ...string) output {
	r.t.Helper()
	var out, errOut bytes.Buffer
	all := append([]string{"--host=" + r.sim.URL, "--databricks-ca-file=" + r.caFile}, args...)
	if namespace != "" {
		all = append(all, "--namespace="+namespace)
	}
	code := cli.Run(ctx, all, cli.Options{
		Streams: genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &errOut}, Version: "test",
		Limits: ratelimit.Options{Start: 500, Max: 1000, Burst: 100},
	})
	for line := range strings.SplitSeq(out.String()+errOut.String(), "\n") {
		r.Expect(line).NotTo(ContainSubstring("\x1b"), "no control sequence in a pipe")
	}
	return output{code, out.String(), errOut.String()}
}

// ok runs a command that succeeds, and returns its standard output.
func (r *rig) ok(args ...string) string {
	r.t.Helper()
	result := r.dbc(args...)
	r.Expect(result.code).To(Equal(0), "%s\n%s", result.out, result.errOut)
	return result.out
}

// small returns an object that every workspace accepts.
func (r *rig) small(name string, change ...func(*v1alpha1.DatabricksClusterSpec)) *v1alpha1.DatabricksCluster {
	cluster := &v1alpha1.DatabricksCluster{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: r.namespace}}
	cluster.Spec.SparkVersion = "16.4.x-scala2.12"
	cluster.Spec.NodeTypeID = "i3.xlarge"
	cluster.Spec.NumWorkers = new(int32(1))
	cluster.Spec.AutoterminationMinutes = new(int32(60))
	for _, apply := range change {
		apply(&cluster.Spec)
	}
	return cluster
}

// policy returns a policy that every workspace accepts.
func (r *rig) policy(name string, change ...func(*v1alpha1.DatabricksClusterPolicySpec)) *v1alpha1.DatabricksClusterPolicy {
	r.t.Helper()
	policy := &v1alpha1.DatabricksClusterPolicy{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: r.namespace}}
	r.Expect(yaml.Unmarshal([]byte("definition: {num_workers: {type: range, maxValue: 4}}\nmaxClustersPerUser: 3\n"), &policy.Spec)).To(Succeed())
	for _, apply := range change {
		apply(&policy.Spec)
	}
	return policy
}

// pool returns an instance pool that every workspace accepts.
func (r *rig) pool(name string, change ...func(*v1alpha1.DatabricksInstancePoolSpec)) *v1alpha1.DatabricksInstancePool {
	pool := &v1alpha1.DatabricksInstancePool{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: r.namespace}}
	pool.Spec.NodeTypeID, pool.Spec.MaxCapacity = "i3.xlarge", new(int32(10))
	for _, apply := range change {
		apply(&pool.Spec)
	}
	return pool
}

func (r *rig) create(object client.Object) {
	r.t.Helper()
	r.Expect(r.api.Create(r.t.Context(), object)).To(Succeed())
}

func (r *rig) get(key client.ObjectKey) *v1alpha1.DatabricksCluster {
	now := &v1alpha1.DatabricksCluster{}
	if err := r.api.Get(r.t.Context(), key, now); err != nil {
		return &v1alpha1.DatabricksCluster{}
	}
	return now
}

// condition returns a condition as "True Reason".
func condition(cluster *v1alpha1.DatabricksCluster, kind string) string {
	for _, condition := range cluster.Status.Conditions {
		if condition.Type == kind && cluster.Status.ObservedGeneration == cluster.Generation {
			return string(condition.Status) + " " + condition.Reason
		}
	}
	return ""
}

// becomes waits for a condition, such as Ready, with "True Reason".
func (r *rig) becomes(cluster *v1alpha1.DatabricksCluster, kind, want string) {
	r.t.Helper()
	r.Eventually(func() string { return condition(r.get(client.ObjectKeyFromObject(cluster)), kind) }).Should(Equal(want))
}

// writes returns the requests that changed the workspace.
func (r *rig) writes() []string {
	var all []string
	for _, entry := range r.sim.Requests() {
		if entry.Effect && entry.Method != http.MethodGet && entry.Endpoint != "clusters/events" {
			all = append(all, fmt.Sprintf("%s %s %s", entry.Endpoint, entry.ClusterID, entry.Body))
		}
	}
	return all
}
