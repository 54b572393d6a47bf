package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/discovery"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/controller"
	"github.com/databricks-operator/databricks-operator/internal/crds"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/metrics"
	"github.com/databricks-operator/databricks-operator/internal/restore"
)

// startDeadline bounds the requests to the API server before the manager starts.
const startDeadline = 30 * time.Second

func newScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	return scheme
}

// newManager returns the configured manager, which is not started.
func newManager(ctx context.Context, o options) (ctrl.Manager, error) {
	kube, err := config.GetConfig()
	if err != nil {
		return nil, fmt.Errorf("find the Kubernetes API (--kubeconfig, or the pod's own account): %w", err)
	}
	// The API server shows the program's name in its audit log, and as the field manager.
	kube.UserAgent = "databricks-operator/" + version
	mgr, err := ctrl.NewManager(kube, managerOptions(o))
	if err != nil {
		return nil, fmt.Errorf("make the manager: %w", err)
	}
	if o.controller.OperatorID == "" {
		if o.controller.OperatorID, err = idOfControlPlane(ctx, kube, mgr.GetScheme()); err != nil {
			return nil, err
		}
	}
	source, calls, orphans := &controller.EventSource{}, metrics.NewCalls(), &metrics.Orphans{}
	o.workspace.Dial = dialer(o, calls)
	o.workspace.OnChange = source.Changed
	o.workspace.Logger = mgr.GetLogger().WithName("workspace")
	o.controller.OnOrphans = orphans.Found
	complete, err := newCRDCheck(kube, mgr, o)
	if err != nil {
		return nil, err
	}
	o.controller.Open = complete.Complete
	if namespace := cmp.Or(o.leaderElectionNamespace, ownNamespace()); o.leaderElect && namespace != "" {
		o.controller.UnusedConnections = controller.LeaseAnnotation{
			Reader: mgr.GetAPIReader(), Writer: mgr.GetClient(), Lease: client.ObjectKey{Namespace: namespace, Name: leaseName(o.shard)},
		}
	}
	registry := cache.NewRegistry(o.workspace)
	if err := controller.Setup(mgr, registry, source, o.controller); err != nil {
		return nil, fmt.Errorf("set up the operator: %w", err)
	}
	state := &metrics.State{
		Reader: mgr.GetClient(), SharedWorkspaces: o.controller.Workspaces,
		Workspaces: registry, Orphans: orphans, Calls: calls,
	}
	if err := metrics.Add(mgr, ctrlmetrics.Registry, state, version); err != nil {
		return nil, fmt.Errorf("set up the operator: %w", err)
	}
	// Any of the operator's namespaces shows the version of the store.
	restored := &restore.Check{Reader: mgr.GetAPIReader(), Informers: mgr.GetCache(), Every: restore.Every}
	if watched := o.controller.Scope.Namespaces; len(watched) > 0 {
		restored.Namespace = watched[0]
	}
	if err := mgr.Add(restored); err != nil {
		return nil, fmt.Errorf("add the check for a restored API server to the manager: %w", err)
	}
	return mgr, addProbes(mgr, complete)
}

// newCRDCheck adds the check of the CRDs to the manager, which has compared them once.
func newCRDCheck(kube *rest.Config, mgr ctrl.Manager, o options) (*crds.Check, error) {
	found, err := discovery.NewDiscoveryClientForConfigAndClient(kube, mgr.GetHTTPClient())
	if err != nil {
		return nil, fmt.Errorf("make a client for the OpenAPI documents: %w", err)
	}
	workspaces := crds.WithoutWorkspaces
	if o.controller.Workspaces {
		workspaces = crds.WithWorkspaces
	}
	check := crds.NewCheck(found.OpenAPIV3(), crds.Kinds(workspaces), mgr.GetLogger().WithName("crds"))
	check.Compare()
	if err := mgr.Add(check); err != nil {
		return nil, fmt.Errorf("add the check of the CRDs to the manager: %w", err)
	}
	return check, nil
}

func managerOptions(o options) ctrl.Options {
	endpoint := metricsserver.Options{BindAddress: o.metricsAddress, SecureServing: o.secureMetrics}
	if o.secureMetrics {
		endpoint.FilterProvider = filters.WithAuthenticationAndAuthorization
		endpoint.CertDir, endpoint.CertName, endpoint.KeyName = o.metricsCertDir, certificateFile, keyFile
	}
	return ctrl.Options{
		Scheme:                        newScheme(),
		Cache:                         controller.CacheOptions(o.controller.Scope),
		Metrics:                       endpoint,
		HealthProbeBindAddress:        o.probeAddress,
		LeaderElection:                o.leaderElect,
		LeaderElectionID:              leaseName(o.shard),
		LeaderElectionNamespace:       o.leaderElectionNamespace,
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 new(o.leaseDuration),
		RenewDeadline:                 new(o.leaseDuration * 2 / 3),
		// A standby notices each renewal, and its absence, up to twice this late.
		RetryPeriod: new(o.leaseDuration / 30),
	}
}

// leaseName returns the lease of a shard, or of an operator without shards.
func leaseName(shard string) string {
	name := "databricks-operator"
	if shard != "" {
		name += "-" + shard
	}
	return name + "." + v1alpha1.GroupName
}

// idOfControlPlane returns the default operator id, which differs between Kubernetes
// clusters.
func idOfControlPlane(ctx context.Context, kube *rest.Config, scheme *runtime.Scheme) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, startDeadline)
	defer cancel()
	reader, err := client.New(kube, client.Options{Scheme: scheme})
	if err != nil {
		return "", fmt.Errorf("make a client: %w", err)
	}
	var system corev1.Namespace
	if err := reader.Get(ctx, client.ObjectKey{Name: "kube-system"}, &system); err != nil {
		return "", fmt.Errorf("read the namespace kube-system for the operator's id (or set --operator-id): %w", err)
	}
	const digits = 8
	return string(system.UID[:digits]), nil
}

// dialer returns a function that creates the clients of credentials, which share one
// connection pool.
func dialer(o options, calls *metrics.Calls) func(databricks.Config) (cache.Client, error) {
	transport := databricks.NewTransport(o.allowed, o.roots, o.proxy)
	return func(config databricks.Config) (cache.Client, error) {
		return databricks.New(config, databricks.Options{
			Transport: transport, Version: version, Observe: calls.Observer(config.Host()),
		})
	}
}

func addProbes(mgr ctrl.Manager, complete *crds.Check) error {
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return fmt.Errorf("add the health check: %w", err)
	}
	if err := mgr.AddReadyzCheck("crds", complete.Ready); err != nil {
		return fmt.Errorf("add the readiness check: %w", err)
	}
	return nil
}
