package main

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/connection"
	"github.com/databricks-operator/databricks-operator/internal/controller"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
)

// options has the values of the flags.
type options struct {
	metricsAddress, probeAddress string
	secureMetrics, leaderElect   bool
	metricsCertDir               string
	leaderElectionNamespace      string
	leaseDuration                time.Duration
	// shard is this operator's name among those that share the objects.
	shard           string
	watchNamespaces []string
	// workspaceStatus is false where another shard writes the status of
	// DatabricksWorkspaces.
	workspaceStatus bool
	watchLabels     string
	allowedHosts    []string
	namespaceHosts  []string
	caFile          string
	// proxyAddress and proxyCredentials are read into proxy.
	proxyAddress, proxyCredentials string
	showVersion                    bool
	// allowed and roots are the parsed values of allowedHosts and caFile.
	allowed    databricks.AllowList
	roots      *x509.CertPool
	proxy      *databricks.Proxy
	controller controller.Options
	workspace  cache.Options
	logging    zap.Options
}

// The files of --metrics-cert-dir, as in a Secret of the type kubernetes.io/tls.
const (
	certificateFile = "tls.crt"
	keyFile         = "tls.key"
)

var (
	operatorID = regexp.MustCompile(`^[0-9a-f]{8}$`)
	// apiServerAudience matches the usual audiences of an API server, as the CRDs do.
	apiServerAudience = regexp.MustCompile(`^(?i)(https?://)?kubernetes([.:/]|$)`)
)

// parseFlags parses the command line. Its errors name the flag, the value and the
// remedy. It writes the help or the version to out, and returns pflag.ErrHelp then.
func parseFlags(args []string, out io.Writer) (options, error) {
	var o options
	flags := o.flagSet()
	flags.Usage = func() {
		fmt.Fprintf(out, "The operator for Databricks clusters.\n\nUsage:\n  manager [flags]\n\nFlags:\n%s", flags.FlagUsages())
	}
	if err := flags.Parse(args); err != nil {
		return o, err //nolint:wrapcheck // pflag's message names the flag
	}
	if o.showVersion {
		fmt.Fprintln(out, "databricks-operator", version)
		return o, pflag.ErrHelp
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("%q is no flag: the operator takes no arguments", flags.Arg(0))
	}
	o.controller.ForeignWorkspaceStatus = !o.workspaceStatus
	if o.logging.Level != nil {
		o.logging.Level = cappedLevel{o.logging.Level}
	}
	if err := o.validate(); err != nil {
		return o, err
	}
	return o, nil
}

// flagSet returns all flags, which set the options. docs/flags.md is generated
// from them.
func (o *options) flagSet() *pflag.FlagSet {
	flags := pflag.NewFlagSet("manager", pflag.ContinueOnError)
	flags.SortFlags = false

	flags.StringSliceVar(&o.allowedHosts, "allowed-hosts", databricks.DefaultAllowedHosts(), "workspaces that may be reached: suffixes such as .cloud.databricks.com (https on 443, no special addresses) and origins such as https://127.0.0.1:8443 (matched exactly)")
	flags.StringSliceVar(&o.namespaceHosts, "namespace-hosts", nil, "hosts of the credentials of namespaces, as namespace=host, such as team-a-*=https://adb-1.2.azuredatabricks.net; namespaces that no value matches may use all of --allowed-hosts (default: none)")
	flags.StringSliceVar(&o.controller.AllowedTokenAudiences, "allowed-token-audiences", nil, "audiences that workloadIdentity.audience may name beside addresses of its workspace and account ids, such as databricks; never the API server's (default: none)")
	flags.StringVar(&o.caFile, "databricks-ca-file", "", "PEM file of certificate authorities for workspaces, in addition to those of the system")
	flags.StringVar(&o.proxyAddress, "databricks-proxy", "", "HTTP proxy for all requests to workspaces and to issuers of their tokens, such as http://proxy.example.com:3128; the proxy settings of the environment are ignored (default: none)")
	flags.StringVar(&o.proxyCredentials, "databricks-proxy-credentials-dir", "", "directory with the files username and password for --databricks-proxy, which are read for each connection (default: no credentials)")
	flags.StringVar(&o.controller.DefaultSecret, "default-credentials-secret", "databricks-credentials", "Secret of objects without spec.connection, in their own namespace")
	flags.StringVar(&o.controller.OperatorID, "operator-id", "", "8 hex digits that identify this control plane's clusters if several control planes use one workspace (default: from the UID of the namespace kube-system)")
	flags.StringVar((*string)(&o.controller.Adoption.Default), "adoption-policy", string(v1alpha1.AdoptionPolicyNever), "what objects without spec.adoptionPolicy do before they create their first cluster: Never, or AdoptOrCreate, which adopts the cluster of an earlier object of the same namespace and name")
	flags.StringSliceVar(&o.controller.Adoption.Predecessors, "predecessors", nil, "ids of operators whose clusters are adopted, too, such as that of a control plane that this one replaces")
	flags.BoolVar(&o.controller.OwnerTag, "owner-tag", true, "mark created clusters with the custom tag databricks-operator-owner; without it a lost create is resolved by repeating it with its idempotency token")
	flags.BoolVar(&o.controller.Workspaces, "workspaces", true, "serve DatabricksWorkspaces; false needs no permissions on cluster-scoped objects; set it for all but one of several operators in one cluster")
	flags.StringVar(&o.controller.OperatorNamespace, "operator-namespace", ownNamespace(), "namespace of the Secrets that DatabricksWorkspaces name (default: from POD_NAMESPACE, or the pod's own)")
	flags.StringVar(&o.controller.OperatorServiceAccount, "operator-service-account", os.Getenv("POD_SERVICE_ACCOUNT"), "service account of DatabricksWorkspaces with spec.workloadIdentity, in that namespace (default: from POD_SERVICE_ACCOUNT)")
	flags.StringSliceVar(&o.watchNamespaces, "watch-namespaces", nil, "namespaces to watch (default: all)")
	flags.StringVar(&o.watchLabels, "watch-label-selector", "", "label selector of the objects to reconcile, as for kubectl, such as shard=a or '!shard' (default: any)")
	flags.StringVar(&o.shard, "shard", "", "name of this operator if several operators share the objects by --watch-namespaces or --watch-label-selector; each shard has its own lease")
	flags.BoolVar(&o.workspaceStatus, "workspace-status", true, "write the status of DatabricksWorkspaces; set it to false for all but one of several shards")
	flags.IntVar(&o.controller.Workers, "workers", 8, "number of objects that are reconciled concurrently")

	flags.Float64Var(&o.workspace.Limits.Max, "max-requests-per-second", 30, "maximum requests per second to one workspace; the operator measures a lower limit itself")
	flags.Float64Var(&o.workspace.Limits.Headroom, "request-headroom", 0.2, "share of a workspace's request limit that is left to people and other tools")
	flags.DurationVar(&o.workspace.RequestDeadline, "request-timeout", 30*time.Second, "timeout of one request to a workspace")
	flags.DurationVar(&o.workspace.Fast, "poll-interval-active", 8*time.Second, "how often a workspace is listed while one of its clusters is in transition")
	flags.DurationVar(&o.workspace.Slow, "poll-interval-quiet", 270*time.Second, "how often a workspace is listed while no cluster is in transition")
	flags.DurationVar(&o.controller.Limits.CreateWindow, "create-window", 10*time.Second, "how long after its intent is persisted a create may be sent")
	flags.DurationVar(&o.controller.Limits.VisibilityGrace, "visibility-grace", 30*time.Second, "how long a created cluster may be invisible in the API before it counts as missing")

	flags.BoolVar(&o.leaderElect, "leader-elect", false, "use leader election, so that only one of several replicas is active")
	flags.DurationVar(&o.leaseDuration, "leader-election-lease-duration", 15*time.Second, "how long a standby waits without a lease renewal before it takes over; the leader stops after two thirds of that")
	flags.StringVar(&o.leaderElectionNamespace, "leader-election-namespace", "", "namespace of the lease (default: the pod's own)")
	flags.StringVar(&o.metricsAddress, "metrics-bind-address", "0", "address of the metrics endpoint, such as :8443; 0 turns it off")
	flags.BoolVar(&o.secureMetrics, "metrics-secure", true, "serve metrics over HTTPS, only to clients that Kubernetes RBAC authorizes")
	flags.StringVar(&o.metricsCertDir, "metrics-cert-dir", "", "directory of the certificate of the metrics, with the files tls.crt and tls.key, which are read again when they change (default: a self-signed certificate of each start)")
	flags.StringVar(&o.probeAddress, "health-probe-bind-address", ":8081", "address of /healthz and /readyz; 0 turns them off")

	flags.BoolVar(&o.showVersion, "version", false, "print the version and exit")

	standard := flag.NewFlagSet("", flag.ContinueOnError)
	config.RegisterFlags(standard)
	o.logging.BindFlags(standard)
	flags.AddGoFlagSet(standard)
	return flags
}

func (o *options) validate() error {
	id, most, left := o.controller.OperatorID, o.workspace.Limits.Max, o.workspace.Limits.Headroom
	switch {
	case id != "" && !operatorID.MatchString(id):
		return fmt.Errorf("--operator-id %q is not 8 lower-case hex digits, such as 0a1b2c3d", id)
	case len(validation.IsDNS1123Label(o.controller.OperatorNamespace)) > 0 && o.controller.OperatorNamespace != "":
		return fmt.Errorf("--operator-namespace %q is not a namespace's name, such as databricks-operator-system", o.controller.OperatorNamespace)
	case o.controller.Workers < 1:
		return fmt.Errorf("--workers %d: at least 1 is needed", o.controller.Workers)
	case most <= 0:
		return fmt.Errorf("--max-requests-per-second %g: must be above 0", most)
	case left < 0 || left >= 1:
		return fmt.Errorf("--request-headroom %g: must be 0 or more and below 1", left)
	}
	if policy := o.controller.Adoption.Default; policy != v1alpha1.AdoptionPolicyNever && policy != v1alpha1.AdoptionPolicyAdoptOrCreate {
		return fmt.Errorf("--adoption-policy %q: must be Never or AdoptOrCreate", policy)
	}
	for _, id := range o.controller.Adoption.Predecessors {
		if !operatorID.MatchString(id) {
			return fmt.Errorf("--predecessors %q is not 8 lower-case hex digits, such as 0a1b2c3d", id)
		}
	}
	for _, audience := range o.controller.AllowedTokenAudiences {
		if audience == "" || apiServerAudience.MatchString(audience) {
			return fmt.Errorf("--allowed-token-audiences %q: a token for it would be valid for the Kubernetes API; name the audience of a federation policy, such as databricks", audience)
		}
	}
	for name, span := range map[string]time.Duration{
		"request-timeout":      o.workspace.RequestDeadline,
		"poll-interval-active": o.workspace.Fast,
		"poll-interval-quiet":  o.workspace.Slow,
		"create-window":        o.controller.Limits.CreateWindow,
		"visibility-grace":     o.controller.Limits.VisibilityGrace,
	} {
		if span <= 0 {
			return fmt.Errorf("--%s %s: must be above 0", name, span)
		}
	}
	if window := o.controller.Limits.CreateWindow; window < time.Second {
		return fmt.Errorf("--create-window %s: must be at least 1s, since deadlines are stored in whole seconds", window)
	}
	o.controller.Limits.RequestDeadline = o.workspace.RequestDeadline
	o.workspace.Grace = o.controller.Limits.VisibilityGrace
	if err := o.checkMetricsCertificate(); err != nil {
		return err
	}
	if err := o.readScope(); err != nil {
		return err
	}
	return o.readHosts()
}

// checkMetricsCertificate reports a certificate that the metrics cannot be served with.
func (o *options) checkMetricsCertificate() error {
	switch directory := o.metricsCertDir; {
	case directory == "":
		return nil
	case !o.secureMetrics:
		return fmt.Errorf("--metrics-cert-dir %q: --metrics-secure=false serves the metrics without a certificate; remove one of them", directory)
	default:
		_, err := tls.LoadX509KeyPair(filepath.Join(directory, certificateFile), filepath.Join(directory, keyFile))
		if err != nil {
			return fmt.Errorf("--metrics-cert-dir %q: %w", directory, err)
		}
		return nil
	}
}

// readScope reads which objects are this operator's, and by what name.
func (o *options) readScope() error {
	for _, namespace := range o.watchNamespaces {
		if len(validation.IsDNS1123Label(namespace)) > 0 {
			return fmt.Errorf("--watch-namespaces %q is not a namespace's name, such as team-a", namespace)
		}
	}
	selector, err := labels.Parse(o.watchLabels)
	if err != nil {
		return fmt.Errorf("--watch-label-selector %q: %w; write it as for kubectl get -l, such as shard=a or '!shard'", o.watchLabels, err)
	}
	o.controller.Scope = controller.Scope{Namespaces: o.watchNamespaces, Labels: selector}
	o.controller.SeesAllNamespaces = o.controller.Scope.All()
	switch {
	case o.shard != "" && (len(validation.IsDNS1123Label(o.shard)) > 0 || len(o.shard) > longestShard):
		return fmt.Errorf("--shard %q is not a name such as team-a, of at most %d small letters, digits and dashes", o.shard, longestShard)
	case o.shard != "" && o.controller.Scope.All():
		return fmt.Errorf("--shard %q works on all objects, and so would every other shard: set --watch-label-selector or --watch-namespaces", o.shard)
	case o.shard == "" && o.leaderElect && o.watchLabels != "":
		return fmt.Errorf("--watch-label-selector %q with --leader-elect needs a --shard, such as --shard=a: "+
			"operators of one name wait for each other's lease, and the objects of those that wait are left alone", o.watchLabels)
	case o.leaseDuration < shortestLease || o.leaseDuration%time.Second != 0:
		return fmt.Errorf("--leader-election-lease-duration %s: must be whole seconds, at least %s", o.leaseDuration, shortestLease)
	}
	return nil
}

const (
	// longestShard leaves room for the rest of a lease's name.
	longestShard  = 30
	shortestLease = 2 * time.Second
)

// namespaceFile is where Kubernetes tells a pod its namespace.
const namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// ownNamespace is the namespace that the operator runs in; "" outside of a pod.
func ownNamespace() string {
	if namespace := os.Getenv("POD_NAMESPACE"); namespace != "" {
		return namespace
	}
	content, err := os.ReadFile(namespaceFile)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(content))
}

// readHosts reads what may be reached, and whose certificates are trusted there.
func (o *options) readHosts() (err error) {
	if o.controller.HostRules, err = connection.ParseHostRules(o.namespaceHosts); err != nil {
		return err
	}
	if o.allowed, err = databricks.ParseAllowList(o.allowedHosts); err != nil {
		return err //nolint:wrapcheck // the message names the flag
	}
	if o.roots, err = databricks.LoadRoots(o.caFile); err != nil {
		return err //nolint:wrapcheck // the message names the flag
	}
	o.proxy, err = databricks.ParseProxy(o.proxyAddress, o.proxyCredentials)
	return err //nolint:wrapcheck // the message names the flag
}
