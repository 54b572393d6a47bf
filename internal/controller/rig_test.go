package controller_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	ctrl "sigs.k8s.io/controller-runtime"
	ctrlcache "sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/connection"
	"github.com/databricks-operator/databricks-operator/internal/controller"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/owner"
	"github.com/databricks-operator/databricks-operator/internal/plan"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
	"github.com/databricks-operator/databricks-operator/test/controlplane"
	"github.com/databricks-operator/databricks-operator/test/corpus"
)

// kubernetes is the control plane that all tests of this package share. Every test has a
// namespace, a workspace and an operator of its own.
var kubernetes *controlplane.ControlPlane

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	if os.Getenv("GOMEGA_DEFAULT_EVENTUALLY_TIMEOUT") == "" {
		SetDefaultEventuallyTimeout(time.Minute)
	}
	SetDefaultEventuallyPollingInterval(50 * time.Millisecond)
	SetDefaultConsistentlyDuration(500 * time.Millisecond)
	SetDefaultConsistentlyPollingInterval(10 * time.Millisecond)
	started, err := controlplane.Start()
	if err != nil {
		fmt.Fprintln(os.Stderr, "internal/controller:", err)
		os.Exit(1)
	}
	kubernetes = started
	stopKeeping, err := corpus.Keep(started.Config)
	if err != nil {
		fmt.Fprintln(os.Stderr, "internal/controller:", err)
		os.Exit(1)
	}
	code := m.Run()
	if err := errors.Join(stopKeeping(), started.Stop()); err != nil {
		fmt.Fprintln(os.Stderr, "internal/controller:", err)
	}
	os.Exit(code)
}

const (
	defaultSecret = "databricks-credentials"
	operatorID    = "0a1b2c3d"
)

// rig is the environment of one test: a namespace, a workspace, and an operator for only
// this namespace.
type rig struct {
	Gomega
	t   *testing.T
	api client.Client
	// kube is the operator's configuration for the API server.
	kube      *restConfig
	workspace *watchedWorkspace
	namespace string
	// hosts are allowed in addition to the workspace. authorities are trusted: those of all
	// workspaces of the test, so that only the operator's own checks keep it from one.
	hosts       []string
	authorities [][]byte
	// tenants are the other namespaces of the operator.
	tenants      []string
	timings      simulator.Timings
	options      controller.Options
	cacheOptions cache.Options
	// registry is that of the operator that was started last.
	registry *cache.Registry
	// intercept intercepts the operator's calls to the API server.
	intercept interceptor.Funcs
	// stop ends the operator as a signal does. kill ends it as SIGKILL does: intercepted
	// calls that are blocked are never made.
	stop, kill func()
	killed     chan struct{}
	record     *record
	log        *operatorLog
	// kubernetesFails declares that the test makes the API server fail, so that the errors
	// which the framework logs are no fault of the operator.
	kubernetesFails bool
	// ownNamespaceSuffers declares that the test breaks something that its whole namespace
	// uses, such as the Secret.
	ownNamespaceSuffers bool
	// refusing is true while a test makes the API server refuse some requests.
	refusing *atomic.Bool
	// fleet is the objects in addition to the test's own; nil if there are none.
	fleet *fleet
}

// requestDeadline is the timeout of calls to the workspace. A busy machine does not reach it.
const requestDeadline = 10 * time.Second

// newRig returns a rig with short intervals and without an operator, for a test that runs
// in parallel. simulated are the options of a particular workspace.
func newRig(t *testing.T, simulated ...simulator.Options) *rig {
	t.Helper()
	t.Parallel()
	r := &rig{
		Gomega:   NewWithT(t),
		t:        t,
		kube:     as(operatorName),
		refusing: &atomic.Bool{},
		options: controller.Options{
			OperatorID: operatorID,
			OwnerTag:   true,
			Limits: plan.Limits{
				CreateWindow:    2 * time.Second,
				RequestDeadline: requestDeadline,
				VisibilityGrace: 300 * time.Millisecond,
			},
			Credentials: connection.Intervals{Refresh: 300 * time.Millisecond, Retry: 100 * time.Millisecond, MinReread: 50 * time.Millisecond, MissingGrace: time.Minute},
			Coalesce:    50 * time.Millisecond,
			Orphans:     50 * time.Millisecond,
			// The objects of a test are all in its namespace.
			SeesAllNamespaces: true,
			ConnectPause:      200 * time.Millisecond,
			// A busy machine does not reach it, also after a restart.
			ConnectDeadline: time.Minute,
		},
		cacheOptions: cache.Options{
			Fast: 50 * time.Millisecond, Slow: 400 * time.Millisecond, Settle: 5 * time.Millisecond,
			RequestDeadline: requestDeadline, Grace: 300 * time.Millisecond, Lag: 100 * time.Millisecond,
			Limits: cache.Limits{Start: 500, Max: 1000, Burst: 100, ProbeRefused: 300 * time.Millisecond},
		},
		timings: simulator.Timings{
			Launch: 150 * time.Millisecond, PoolLaunch: 100 * time.Millisecond, Restart: 150 * time.Millisecond,
			Resize: 100 * time.Millisecond, Terminate: 100 * time.Millisecond, Retention: 30 * 24 * time.Hour,
		},
	}
	var err error
	r.api, err = client.New(kubernetes.Config, client.Options{Scheme: kubernetes.Scheme})
	r.Expect(err).NotTo(HaveOccurred())
	r.namespace = r.newNamespace()
	options := simulator.Options{}
	if len(simulated) > 0 {
		options = simulated[0]
	}
	r.workspace = r.newWorkspace(options)
	r.putSecret(defaultSecret, r.workspace.URL, simulator.DefaultToken)
	r.record = newRecord()
	r.log = watchOperator(r)
	watchStatuses(r, r.record, r.namespace)
	return r
}

func (r *rig) newNamespace() string {
	r.t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "case-"}}
	r.Expect(r.api.Create(r.t.Context(), namespace)).To(Succeed())
	return namespace.Name
}

func (r *rig) newWorkspace(options simulator.Options) *watchedWorkspace {
	r.t.Helper()
	options.Timings = &r.timings
	// Tests use any names of groups and users.
	options.Behaviour.AnyPrincipalExists = true
	service, err := simulator.Start(context.Background(), options)
	r.Expect(err).NotTo(HaveOccurred())
	r.t.Cleanup(func() { r.Expect(service.Close()).To(Succeed()) })
	r.authorities = append(r.authorities, service.CAPEM)
	return &watchedWorkspace{Service: service}
}

// takes changes the durations in the workspace, including those of changes in progress. A
// transitional state that a test waits for lasts until the test shortens its duration.
func (r *rig) takes(change func(*simulator.Timings)) {
	change(&r.timings)
	r.workspace.SetTimings(r.timings)
}

func (r *rig) putSecret(name, host, token string) {
	r.t.Helper()
	r.putSecretIn(r.namespace, name, host, token)
}

func (r *rig) putSecretIn(namespace, name, host, token string) {
	r.t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}}
	data := map[string][]byte{"DATABRICKS_HOST": []byte(host), "DATABRICKS_TOKEN": []byte(token)}
	err := r.api.Get(r.t.Context(), client.ObjectKeyFromObject(secret), secret)
	secret.Data = data
	if err == nil {
		r.Expect(r.api.Update(r.t.Context(), secret)).To(Succeed())
		return
	}
	r.Expect(r.api.Create(r.t.Context(), secret)).To(Succeed())
}

// start runs the operator until the test ends or the operator is killed.
func (r *rig) start() {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	mgr, err := ctrl.NewManager(r.kube, ctrl.Options{
		Scheme:                  kubernetes.Scheme,
		Logger:                  r.log.logger(),
		Metrics:                 metricsserver.Options{BindAddress: "0"},
		HealthProbeBindAddress:  "0",
		Cache:                   r.cached(),
		Controller:              config.Controller{SkipNameValidation: new(true)},
		GracefulShutdownTimeout: new(5 * time.Second),
		NewClient: func(kube *restConfig, options client.Options) (client.Client, error) {
			inner, err := client.NewWithWatch(kube, options)
			if err != nil {
				return nil, err
			}
			return interceptor.NewClient(inner, r.intercept), nil
		},
	})
	r.Expect(err).NotTo(HaveOccurred())
	changes := &controller.EventSource{}
	cacheOptions := r.cacheOptions
	cacheOptions.Dial = r.dialer()
	cacheOptions.OnChange = changes.Changed
	options := r.options
	options.Scope = r.scope()
	r.registry = cache.NewRegistry(cacheOptions)
	r.Expect(controller.Setup(mgr, r.registry, changes, options)).To(Succeed())
	run := r.log.run()
	var running sync.WaitGroup
	running.Go(func() {
		if err := mgr.Start(ctx); err != nil {
			r.t.Error("the operator stopped:", err)
		}
	})
	var once sync.Once
	killed := make(chan struct{})
	r.killed = killed
	r.stop = func() {
		once.Do(func() {
			r.log.stop(run)
			cancel()
			running.Wait()
		})
	}
	var dead sync.Once
	r.kill = func() {
		dead.Do(func() { close(killed) })
		r.stop()
	}
	r.t.Cleanup(r.kill)
	if r.fleet != nil {
		r.t.Cleanup(r.fleetIsAsBefore)
	}
}

// scope returns the scope of the operator.
func (r *rig) scope() controller.Scope {
	return controller.Scope{Namespaces: append([]string{r.namespace}, r.tenants...), Labels: r.options.Scope.Labels}
}

// cached returns the options of the operator: its scope, and of cluster-scoped kinds the
// objects of this test.
func (r *rig) cached() ctrlcache.Options {
	options := controller.CacheOptions(r.scope())
	if options.ByObject == nil {
		options.ByObject = map[client.Object]ctrlcache.ByObject{}
	}
	options.ByObject[&v1alpha1.DatabricksWorkspace{}] = ctrlcache.ByObject{Label: labels.SelectorFromSet(labels.Set{labelCase: r.namespace})}
	return options
}

// labelCase is the label of cluster-scoped objects with their test.
const labelCase = "case"

// dialer returns a function that creates clients which trust only the simulators.
func (r *rig) dialer() func(databricks.Config) (cache.Client, error) {
	roots := x509.NewCertPool()
	for _, authority := range r.authorities {
		roots.AppendCertsFromPEM(authority)
	}
	allowed, err := databricks.ParseAllowList(append([]string{r.workspace.URL, ".cloud.databricks.com"}, r.hosts...))
	r.Expect(err).NotTo(HaveOccurred())
	transport := databricks.NewTransport(allowed, roots, nil)
	r.t.Cleanup(transport.CloseIdleConnections)
	return func(config databricks.Config) (cache.Client, error) {
		return databricks.New(config, databricks.Options{Transport: transport, Version: "test"})
	}
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

// withShortGrace lets a missing Secret, service account or workspace be reported as a
// fault within the time of a test, and late enough for a test to see it awaited before.
func (r *rig) withShortGrace() { r.options.Credentials.MissingGrace = 5 * time.Second }

// tagOf returns the owner tag of the clusters that are created for an object.
func tagOf(cluster *v1alpha1.DatabricksCluster) string {
	return owner.Of(operatorID, string(cluster.UID), cluster.Namespace, cluster.Name).Tag()
}

func (r *rig) create(cluster *v1alpha1.DatabricksCluster) *v1alpha1.DatabricksCluster {
	r.t.Helper()
	r.Expect(r.api.Create(r.t.Context(), cluster)).To(Succeed())
	return cluster
}

// edit changes an object's specification, and retries after a conflict.
func (r *rig) edit(cluster *v1alpha1.DatabricksCluster, change func(*v1alpha1.DatabricksCluster)) {
	r.t.Helper()
	r.Eventually(func() error {
		now := r.get(cluster)
		change(now)
		return r.api.Update(r.t.Context(), now)
	}).Should(Succeed())
}

func (r *rig) get(cluster *v1alpha1.DatabricksCluster) *v1alpha1.DatabricksCluster {
	now := &v1alpha1.DatabricksCluster{}
	if err := r.api.Get(r.t.Context(), client.ObjectKeyFromObject(cluster), now); err != nil {
		return &v1alpha1.DatabricksCluster{}
	}
	return now
}

func (r *rig) remove(cluster *v1alpha1.DatabricksCluster) {
	r.t.Helper()
	r.Expect(r.api.Delete(r.t.Context(), cluster)).To(Succeed())
}

// becomes waits for a condition with its reason, such as Ready=Running, of the object's
// current generation, and returns the object.
func (r *rig) becomes(cluster *v1alpha1.DatabricksCluster, want string) *v1alpha1.DatabricksCluster {
	r.t.Helper()
	var now *v1alpha1.DatabricksCluster
	r.Eventually(func(g Gomega) {
		now = r.get(cluster)
		g.Expect(conditions(now)).To(ContainElement(want))
		g.Expect(now.Status.ObservedGeneration).To(Equal(now.Generation), "the conditions %v are about another generation", conditions(now))
	}).Should(Succeed())
	return now
}

// gone waits until the object does not exist.
func (r *rig) gone(cluster *v1alpha1.DatabricksCluster) {
	r.t.Helper()
	r.Eventually(func() string { return r.get(cluster).Name }).Should(BeEmpty())
}

// conditions returns the conditions of an object: Type=Reason for those that are true,
// Type!=Reason for false, and Type?=Reason for unknown.
func conditions(cluster *v1alpha1.DatabricksCluster) []string {
	signs := map[metav1.ConditionStatus]string{metav1.ConditionTrue: "=", metav1.ConditionFalse: "!=", metav1.ConditionUnknown: "?="}
	var all []string
	for _, condition := range cluster.Status.Conditions {
		all = append(all, condition.Type+signs[condition.Status]+condition.Reason)
	}
	return all
}

// message returns the message of a condition.
func message(cluster *v1alpha1.DatabricksCluster, kind string) string {
	for _, condition := range cluster.Status.Conditions {
		if condition.Type == kind {
			return condition.Message
		}
	}
	return ""
}

// calls returns the number of requests to an endpoint that took effect.
func (r *rig) calls(endpoint string) int {
	count := 0
	for _, entry := range r.workspace.RequestsTo(endpoint) {
		if entry.Effect {
			count++
		}
	}
	return count
}

// writes returns the operations that changed the workspace, in order.
func (r *rig) writes() []string {
	var all []string
	for _, entry := range r.workspace.Requests() {
		name := strings.TrimPrefix(entry.Endpoint, "clusters/")
		switch name {
		case "get", "list", "events", "spark-versions", "list-node-types", "list-zones":
		case "policies/enforce-compliance":
			if entry.Effect {
				all = append(all, name)
			}
		default:
			if entry.Effect && strings.HasPrefix(entry.Endpoint, "clusters/") {
				all = append(all, name)
			}
		}
	}
	return all
}

// live returns the existing clusters, including terminated ones.
func (r *rig) live() []simulator.Record {
	var all []simulator.Record
	for _, cluster := range r.workspace.Clusters() {
		if !cluster.Deleted && !cluster.Purged {
			all = append(all, cluster)
		}
	}
	return all
}

// events returns the reasons of an object's events.
func (r *rig) events(cluster *v1alpha1.DatabricksCluster) []string {
	return eventsOf(r, cluster.Name)
}
