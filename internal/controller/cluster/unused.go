package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/cache"
	"github.com/databricks-operator/databricks-operator/internal/connection"
	"github.com/databricks-operator/databricks-operator/internal/controller/connector"
)

const (
	// unusedFor is how long a connection is searched for orphans after its last object was
	// deleted.
	unusedFor = 48 * time.Hour
	// maxUnused bounds the number of these connections; the oldest are dropped.
	maxUnused = 50
	// unusedSearchDeadline is how long one search may take, and unusedSearchesDeadline how
	// long all that are due together.
	unusedSearchDeadline, unusedSearchesDeadline = time.Minute, 3 * time.Minute
	// unusedPollInterval is how often a search looks for the answer of the workspace.
	unusedPollInterval = 200 * time.Millisecond
	// unusedKind is the kind of the user of a connection that no object uses.
	unusedKind = "OrphanSearch"
)

// ConnectionStore stores the connections that no object uses any more, as text without a
// secret, for the next process.
type ConnectionStore interface {
	// Load returns the stored text; empty if there is none.
	Load(ctx context.Context) (string, error)
	// Save replaces the stored text; empty removes it.
	Save(ctx context.Context, text string) error
}

// unusedConnections are the connections whose last object was deleted. Their workspaces
// may have clusters that no list shows, because the cache of a workspace ends with its last
// object. A connection to a DatabricksWorkspace is not among them: that has a cache of its
// own. Only the orphan report uses it.
type unusedConnections struct {
	registry  *cache.Registry
	connector *connector.Connector
	// store may be nil, if the connections need not survive this process.
	store  ConnectionStore
	logger logr.Logger
	// searchInterval is how often each connection is searched.
	searchInterval time.Duration

	// isLoaded reports whether those of the last process are known.
	isLoaded bool
	// inUse are the connections of the objects, and all those that none of them has.
	inUse map[string]unusedConnection
	all   map[string]unusedConnection
	// results are those of the last search of each connection.
	results map[string]searchResult
}

// unusedConnection is one connection, in the form in which it is stored.
type unusedConnection struct {
	Namespace  string               `json:"namespace"`
	Connection *v1alpha1.Connection `json:"connection,omitempty"`
	Host       string               `json:"host"`
	// Since is when its last object was deleted.
	Since metav1.Time `json:"since,omitzero"`
}

type searchResult struct {
	at     time.Time
	tagged []cache.Tagged
	err    error
}

func newUnusedConnections(connect *connector.Connector, store ConnectionStore, logger logr.Logger, searchInterval time.Duration) *unusedConnections {
	return &unusedConnections{
		registry: connect.Registry, connector: connect, store: store, logger: logger, searchInterval: searchInterval,
		inUse: map[string]unusedConnection{}, all: map[string]unusedConnection{}, results: map[string]searchResult{},
	}
}

// connectionOf returns the connection of an object that has or had a cluster; ok is false
// for other objects, and for those that use a DatabricksWorkspace.
func connectionOf(cluster *v1alpha1.DatabricksCluster) (used unusedConnection, ok bool) {
	if cluster.Status.Host == "" || connector.WorkspaceRef(cluster) != "" {
		return unusedConnection{}, false
	}
	return unusedConnection{Namespace: cluster.Namespace, Connection: cluster.Spec.Connection.DeepCopy(), Host: cluster.Status.Host}, true
}

// key identifies a connection.
func (u unusedConnection) key() string {
	u.Since = metav1.Time{}
	key, _ := json.Marshal(u) //nolint:errchkjson // a type of strings
	return string(key)
}

// update takes the existing objects into account.
func (u *unusedConnections) update(ctx context.Context, objects []v1alpha1.DatabricksCluster, now time.Time) {
	if !u.load(ctx) {
		return
	}
	inUse := map[string]unusedConnection{}
	for i := range objects {
		if used, ok := connectionOf(&objects[i]); ok {
			inUse[used.key()] = used
		}
	}
	before := maps.Clone(u.all)
	for key, used := range u.inUse {
		if _, still := inUse[key]; !still {
			used.Since = metav1.NewTime(now.Truncate(time.Second))
			u.all[key] = used
		}
	}
	u.inUse = inUse
	maps.DeleteFunc(u.all, func(key string, one unusedConnection) bool {
		_, isUsed := inUse[key]
		return isUsed || now.Sub(one.Since.Time) > unusedFor
	})
	for _, oldest := range u.byAge()[min(maxUnused, len(u.all)):] {
		delete(u.all, oldest.key())
	}
	maps.DeleteFunc(u.results, func(key string, _ searchResult) bool {
		_, known := u.all[key]
		return !known
	})
	if !maps.Equal(before, u.all) {
		u.save(ctx)
	}
}

// byAge returns the connections, the newest first.
func (u *unusedConnections) byAge() []unusedConnection {
	return slices.SortedFunc(maps.Values(u.all), func(a, b unusedConnection) int {
		return cmp.Or(b.Since.Compare(a.Since.Time), cmp.Compare(a.key(), b.key()))
	})
}

// load reads what the last process stored, once, and reports whether that is known.
func (u *unusedConnections) load(ctx context.Context) bool {
	if u.isLoaded || u.store == nil {
		return true
	}
	text, err := u.store.Load(ctx)
	if err != nil {
		u.logger.Error(err, "the connections without an object are not known")
		return false
	}
	var stored []unusedConnection
	if err := json.Unmarshal([]byte(cmp.Or(text, "[]")), &stored); err != nil {
		u.logger.Error(err, "the stored connections without an object cannot be read, and are dropped")
	}
	for _, one := range stored {
		u.all[one.key()] = one
	}
	u.isLoaded = true
	return true
}

func (u *unusedConnections) save(ctx context.Context) {
	if u.store == nil {
		return
	}
	var text []byte
	var err error
	if len(u.all) > 0 {
		text, err = json.Marshal(u.byAge())
	}
	if err = errors.Join(err, u.store.Save(ctx, string(text))); err != nil {
		u.logger.Error(err, "the connections without an object cannot be stored, and are lost if the operator stops")
	}
}

// search searches the connections that are due, one after another. Those that it does not
// reach within its deadline are due again.
func (u *unusedConnections) search(ctx context.Context, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, unusedSearchesDeadline)
	defer cancel()
	for key, one := range u.all {
		last, searched := u.results[key]
		if ctx.Err() != nil || searched && now.Sub(last.at) < u.searchInterval {
			continue
		}
		found, err := u.searchOne(ctx, one)
		if err != nil && (last.err == nil || last.err.Error() != err.Error()) {
			u.logger.Info("a workspace without objects cannot be searched for clusters", "host", one.Host, "namespace", one.Namespace, "reason", err.Error())
		}
		if err != nil {
			found = last.tagged
		}
		u.results[key] = searchResult{at: now, tagged: found, err: err}
	}
}

// tagged returns the clusters that the last searches found.
func (u *unusedConnections) tagged() []cache.Tagged {
	var all []cache.Tagged
	for _, result := range u.results {
		all = append(all, result.tagged...)
	}
	return all
}

// searchOne connects to a workspace, reads a complete list, and disconnects.
func (u *unusedConnections) searchOne(ctx context.Context, one unusedConnection) ([]cache.Tagged, error) {
	ctx, cancel := context.WithTimeout(ctx, unusedSearchDeadline)
	defer cancel()
	self := connector.Identity{User: connection.User{Kind: unusedKind, Namespace: one.Namespace, Name: one.key()}}
	defer u.connector.Release(self)
	began := time.Now()
	poll := time.NewTicker(unusedPollInterval)
	defer poll.Stop()
	for {
		found, err := u.look(ctx, self, one, began)
		if err == nil || errors.Is(err, errOtherHost) {
			return found, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-poll.C:
		}
	}
}

// errOtherHost means that a credential is for another workspace than before.
var errOtherHost = errors.New("the credential is for another workspace now")

// look returns the tagged clusters of a complete list that began after a time. It fails
// while there is none.
func (u *unusedConnections) look(ctx context.Context, self connector.Identity, one unusedConnection, after time.Time) ([]cache.Tagged, error) {
	credential, blocked := u.connector.Resolver.Resolve(ctx, connection.Request{User: self.User, Connection: one.Connection})
	if blocked != nil {
		return nil, errors.New(cmp.Or(blocked.Message, "the credential is not known yet"))
	}
	if credential.Config.Host() != one.Host {
		return nil, errOtherHost
	}
	workspace, err := u.registry.Connect(self.Subscriber(), credential.Config, credential.Source.Domain())
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	found, isComplete := workspace.Tagged(v1alpha1.OwnerTagKey, after)
	if !isComplete {
		return nil, errors.New("the list of clusters is not complete")
	}
	return found, nil
}
