package controller

import (
	"time"

	"github.com/databricks-operator/databricks-operator/internal/connection"
	"github.com/databricks-operator/databricks-operator/internal/controller/cluster"
	"github.com/databricks-operator/databricks-operator/internal/controller/listed"
	"github.com/databricks-operator/databricks-operator/internal/controller/workspace"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/plan"
)

// Options configure the controllers. Zero durations mean the default.
type Options struct {
	// OperatorID distinguishes the clusters of this control plane from those of another
	// one in the same workspace: 8 hex digits.
	OperatorID string
	// Adoption is how clusters are adopted by the names of objects: never by default.
	Adoption plan.Adoption
	// OwnerTag adds the tag of its object to every created cluster.
	OwnerTag bool
	// DefaultSecret is the Secret of objects without spec.connection.
	DefaultSecret string
	// Scope is the scope that CacheOptions were made for.
	Scope Scope
	// Workspaces enables DatabricksWorkspaces. ForeignWorkspaceStatus leaves their status
	// to another shard.
	Workspaces, ForeignWorkspaceStatus bool
	// OperatorNamespace is the namespace of their credentials, and OperatorServiceAccount
	// the operator's service account in it; both are empty if unknown.
	OperatorNamespace, OperatorServiceAccount string
	// AllowedTokenAudiences are the audiences of service account tokens beside the
	// workspace's own.
	AllowedTokenAudiences []string
	// HostRules narrow the hosts of the objects' own credentials.
	HostRules connection.HostRules
	// Usage is the shortest time between two changes of the usage in the status of a
	// DatabricksWorkspace: 1 min.
	Usage time.Duration
	// Workers is the number of objects that are reconciled concurrently: 8.
	Workers int
	Limits  plan.Limits
	// Credentials are how often Secrets are read.
	Credentials connection.Intervals
	// ConnectDeadline is how long a workspace may leave the first call with a credential
	// unanswered before its objects report that: 10 s. ConnectPause is the shortest time
	// until an object retries a failed connection: 30 s.
	ConnectDeadline, ConnectPause time.Duration
	// Coalesce is how long changes that only report progress may wait, so that one write
	// has several of them: 30 s.
	Coalesce time.Duration
	// Orphans is how often the operator searches for clusters without an object: 5 min.
	// It only searches if SeesAllNamespaces is set, because the object of a cluster may be
	// outside its scope otherwise.
	Orphans           time.Duration
	SeesAllNamespaces bool
	// Open reports whether objects may be reconciled; nil: always. While it does not, they
	// are requeued, and nothing is read or written for them.
	Open func() bool
	// OnOrphans is called after every search with the number of such clusters by host; nil
	// for no call.
	OnOrphans func(byHost map[string]int)
	// UnusedConnections keeps the connections that no object uses any more across restarts,
	// for the search for such clusters; nil: they are not kept.
	UnusedConnections cluster.ConnectionStore
	// ConflictPause is the retry interval of an object whose newest version the cache does
	// not have yet: 100 ms. It doubles up to 10 s.
	ConflictPause time.Duration
	// WriteBackoff is the backoff after a failed write to the API server: 10 s. It doubles
	// up to 30 s.
	WriteBackoff time.Duration
}

func (o Options) withDefaults() Options {
	setDefault(&o.DefaultSecret, "databricks-credentials")
	setDefault(&o.Workers, 8)
	setDefault(&o.Usage, time.Minute)
	setDefault(&o.Limits.CreateWindow, 10*time.Second)
	setDefault(&o.Limits.RequestDeadline, 30*time.Second)
	setDefault(&o.Limits.VisibilityGrace, 30*time.Second)
	setDefault(&o.ConnectDeadline, 10*time.Second)
	setDefault(&o.ConnectPause, 30*time.Second)
	setDefault(&o.Coalesce, 30*time.Second)
	setDefault(&o.Orphans, 5*time.Minute)
	setDefault(&o.ConflictPause, 100*time.Millisecond)
	setDefault(&o.WriteBackoff, 10*time.Second)
	if o.Open == nil {
		o.Open = func() bool { return true }
	}
	if o.OnOrphans == nil {
		o.OnOrphans = func(map[string]int) {}
	}
	return o
}

func setDefault[T comparable](value *T, fallback T) {
	var zero T
	if *value == zero {
		*value = fallback
	}
}

// connection returns the options of the credentials.
func (o Options) connection(enqueue func(connection.User)) connection.Options {
	return connection.Options{
		DefaultSecret:          o.DefaultSecret,
		Workspaces:             o.Workspaces,
		OperatorNamespace:      o.OperatorNamespace,
		OperatorServiceAccount: o.OperatorServiceAccount,
		AllowedTokenAudiences:  o.AllowedTokenAudiences,
		HostRules:              o.HostRules,
		Intervals:              o.Credentials,
		Enqueue:                enqueue,
	}
}

// cluster returns the options of the controller of DatabricksClusters.
func (o Options) cluster() cluster.Options {
	return cluster.Options{
		OperatorID:        o.OperatorID,
		OwnerTag:          o.OwnerTag,
		Adoption:          o.Adoption,
		Workspaces:        o.Workspaces,
		Namespaces:        o.Scope.Namespaces,
		SharesNamespaces:  o.Scope.labelled(),
		SeesAllNamespaces: o.SeesAllNamespaces,
		Workers:           o.Workers,
		Limits:            o.Limits,
		Coalesce:          o.Coalesce,
		Orphans:           o.Orphans,
		OnOrphans:         o.OnOrphans,
		UnusedConnections: o.UnusedConnections,
		Open:              o.Open,
		ConflictPause:     o.ConflictPause,
		WriteBackoff:      o.WriteBackoff,
	}
}

// listed returns the options of the controllers of the kinds that a workspace lists in one
// call.
func (o Options) listed() listed.Options {
	return listed.Options{
		OperatorID: o.OperatorID,
		OwnerTag:   o.OwnerTag,
		Workspaces: o.Workspaces,
		Open:       o.Open,
		Workers:    o.Workers,
		Limits: managed.Limits{
			CreateWindow:      o.Limits.CreateWindow,
			RequestDeadline:   o.Limits.RequestDeadline,
			VisibilityGrace:   o.Limits.VisibilityGrace,
			ContentionWindow:  o.Limits.ContentionWindow,
			ContentionBackoff: o.Limits.ContentionBackoff,
		},
		Coalesce:      o.Coalesce,
		ConflictPause: o.ConflictPause,
		WriteBackoff:  o.WriteBackoff,
	}
}

// workspace returns the options of the controller of DatabricksWorkspaces.
func (o Options) workspace() workspace.Options {
	return workspace.Options{Open: o.Open, UsageInterval: o.Usage, ConflictPause: o.ConflictPause}
}
