package workspace

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	"github.com/databricks/databricks-sdk-go/service/iam"
	"golang.org/x/sync/errgroup"

	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/ratelimit"
)

// Workspace is a workspace as the user sees it. Its requests wait for the rate limiter,
// so that a command obeys the limits of the workspace as the operator does. It is safe
// for concurrent use.
type Workspace struct {
	client  *databricks.Client
	limiter *ratelimit.Limiter
	host    string
	waiting func(reason string)
}

const (
	// concurrency is the number of requests in flight.
	concurrency = 8
	// maxThrottled is how often one request may be throttled before the command fails.
	maxThrottled = 30
	// maxTransient is how often one read is repeated after a failure that may pass.
	maxTransient = 3
	// maxUnavailable is how long a request waits for a workspace that does not answer.
	maxUnavailable = 5 * time.Second
)

// Host returns the URL of the workspace: "https://" and the host, without a path.
func (w *Workspace) Host() string { return w.host }

// Me returns the principal of the user's credential.
func (w *Workspace) Me(ctx context.Context) (databricks.Principal, error) {
	return read(ctx, w, ratelimit.Request{Priority: ratelimit.PriorityConfirm, Endpoint: "preview/scim/v2/Me"}, w.client.Me)
}

// Get returns one cluster with its raw spec. It fails with databricks.ClassMissing if the
// cluster does not exist.
func (w *Workspace) Get(ctx context.Context, clusterID string) (databricks.Cluster, error) {
	request := ratelimit.Request{Priority: ratelimit.PriorityConfirm, Endpoint: "clusters/get", Resource: clusterID}
	return read(ctx, w, request, func(ctx context.Context) (databricks.Cluster, error) { return w.client.Get(ctx, clusterID) })
}

// Read is the result of the read of one cluster.
type Read struct {
	ID      string
	Cluster databricks.Cluster
	// Err is why the cluster cannot be read, if that concerns this cluster alone: it does
	// not exist any more, or the user may not read it.
	Err error
}

// GetAll reads clusters, in the order of their ids. It fails with the first failure that
// does not concern one cluster alone. found is called after each cluster with their number
// so far, and may be nil.
func (w *Workspace) GetAll(ctx context.Context, ids []string, found func(count int)) ([]Read, error) {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	all := make([]Read, len(ids))
	var mu sync.Mutex // guards count
	count := 0
	for i, id := range ids {
		group.Go(func() error {
			cluster, err := w.Get(ctx, id)
			class := databricks.ClassOf(err)
			if err != nil && class != databricks.ClassMissing && class != databricks.ClassForbidden {
				return fmt.Errorf("read cluster %s: %w", id, err)
			}
			all[i] = Read{ID: id, Cluster: cluster, Err: err}
			mu.Lock()
			defer mu.Unlock()
			if count++; found != nil {
				found(count)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return all, nil
}

// maxListPages bounds a list; at 100 clusters a page it is far above the largest workspace.
const maxListPages = 1000

// List returns all clusters that a query selects, sorted by id, each once.
func (w *Workspace) List(ctx context.Context, query databricks.ListQuery) ([]compute.ClusterDetails, error) {
	query.PageSize, query.SortByName = 100, true
	byID := map[string]compute.ClusterDetails{}
	request := ratelimit.Request{Priority: ratelimit.PrioritySlowList, Endpoint: "clusters/list"}
	for range maxListPages {
		page, err := read(ctx, w, request, func(ctx context.Context) (databricks.ListPage, error) { return w.client.List(ctx, query) })
		if err != nil {
			return nil, fmt.Errorf("list the clusters: %w", err)
		}
		for i := range page.Clusters {
			byID[page.Clusters[i].ClusterId] = page.Clusters[i]
		}
		if query.PageToken = page.NextPageToken; query.PageToken == "" {
			break
		}
	}
	if query.PageToken != "" {
		return nil, fmt.Errorf("list the clusters: there are more than %d pages", maxListPages)
	}
	all := make([]compute.ClusterDetails, 0, len(byID))
	for _, cluster := range byID {
		all = append(all, cluster)
	}
	slices.SortFunc(all, func(a, b compute.ClusterDetails) int { return strings.Compare(a.ClusterId, b.ClusterId) })
	return all, nil
}

// Items returns all items of a collection that the user can read, with their whole
// content, sorted by id.
func (w *Workspace) Items(ctx context.Context, of *databricks.Collection) ([]databricks.Item, error) {
	request := ratelimit.Request{Priority: ratelimit.PriorityConfirm, Endpoint: of.ListEndpoint()}
	items, err := read(ctx, w, request, func(ctx context.Context) ([]databricks.Item, error) { return w.client.Items(ctx, of) })
	slices.SortFunc(items, func(a, b databricks.Item) int { return strings.Compare(a.ID, b.ID) })
	return items, err
}

// Item returns one item of a collection. It fails with databricks.ClassMissing if it does
// not exist.
func (w *Workspace) Item(ctx context.Context, of *databricks.Collection, id string) (databricks.Item, error) {
	request := ratelimit.Request{Priority: ratelimit.PriorityConfirm, Endpoint: of.GetEndpoint(), Resource: id}
	return read(ctx, w, request, func(ctx context.Context) (databricks.Item, error) { return w.client.Item(ctx, of, id) })
}

// ItemPermissions returns the direct and the inherited permissions on an item.
func (w *Workspace) ItemPermissions(ctx context.Context, of *databricks.Collection, id string) ([]iam.AccessControlResponse, error) {
	request := ratelimit.Request{Priority: ratelimit.PriorityConfirm, Endpoint: of.PermissionsEndpoint(), Resource: id}
	return read(ctx, w, request, func(ctx context.Context) ([]iam.AccessControlResponse, error) {
		return w.client.ItemPermissions(ctx, of, id)
	})
}

// Policies returns the names of the cluster policies that the user can read, by id.
func (w *Workspace) Policies(ctx context.Context) (map[string]string, error) {
	return w.names(ctx, databricks.ClusterPolicies)
}

// InstancePools returns the names of the instance pools that the user can read, by id.
func (w *Workspace) InstancePools(ctx context.Context) (map[string]string, error) {
	return w.names(ctx, databricks.InstancePools)
}

func (w *Workspace) names(ctx context.Context, of *databricks.Collection) (map[string]string, error) {
	items, err := w.Items(ctx, of)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, item := range items {
		names[item.ID] = item.Name
	}
	return names, nil
}

// SparkVersions returns the runtimes of the workspace.
func (w *Workspace) SparkVersions(ctx context.Context) ([]compute.SparkVersion, error) {
	return read(ctx, w, ratelimit.Request{Priority: ratelimit.PriorityConfirm, Endpoint: "clusters/spark-versions"}, w.client.SparkVersions)
}

// NodeTypes returns the node types of the workspace.
func (w *Workspace) NodeTypes(ctx context.Context) ([]compute.NodeType, error) {
	return read(ctx, w, ratelimit.Request{Priority: ratelimit.PriorityConfirm, Endpoint: "clusters/list-node-types"}, w.client.NodeTypes)
}

// LibraryStatuses returns the status of the libraries of a cluster.
func (w *Workspace) LibraryStatuses(ctx context.Context, clusterID string) ([]compute.LibraryFullStatus, error) {
	request := ratelimit.Request{Priority: ratelimit.PriorityConfirm, Endpoint: "libraries/cluster-status", Resource: clusterID}
	return read(ctx, w, request, func(ctx context.Context) ([]compute.LibraryFullStatus, error) {
		return w.client.LibraryStatuses(ctx, clusterID)
	})
}

// Permissions returns the direct and the inherited permissions on a cluster.
func (w *Workspace) Permissions(ctx context.Context, clusterID string) ([]compute.ClusterAccessControlResponse, error) {
	request := ratelimit.Request{Priority: ratelimit.PriorityConfirm, Endpoint: "permissions/clusters", Resource: clusterID}
	return read(ctx, w, request, func(ctx context.Context) ([]compute.ClusterAccessControlResponse, error) {
		return w.client.Permissions(ctx, clusterID)
	})
}

// Events returns one page of the events of a cluster.
func (w *Workspace) Events(ctx context.Context, query databricks.EventQuery) (databricks.EventPage, error) {
	request := ratelimit.Request{Priority: ratelimit.PriorityConfirm, Endpoint: "clusters/events", Resource: query.ClusterID}
	return read(ctx, w, request, func(ctx context.Context) (databricks.EventPage, error) { return w.client.Events(ctx, query) })
}

// Terminate stops a cluster and keeps its record.
func (w *Workspace) Terminate(ctx context.Context, clusterID string) error {
	request := ratelimit.Request{Priority: ratelimit.PriorityTerminate, Endpoint: "clusters/delete", Resource: clusterID}
	return w.call(ctx, request, func(ctx context.Context) error { return w.client.Terminate(ctx, clusterID) })
}

// State returns the state of the rate limiter.
func (w *Workspace) State() ratelimit.State { return w.limiter.State(time.Now()) }

// read makes a read, and repeats it after a failure that may pass.
func read[T any](ctx context.Context, w *Workspace, request ratelimit.Request, call func(context.Context) (T, error)) (T, error) {
	var result T
	for attempt := 1; ; attempt++ {
		err := w.call(ctx, request, func(ctx context.Context) (err error) {
			result, err = call(ctx)
			return err
		})
		if databricks.ClassOf(err) != databricks.ClassTransient || ctx.Err() != nil || attempt == maxTransient {
			return result, err
		}
	}
}

// call waits for the limiter and makes a request, again while it is throttled.
func (w *Workspace) call(ctx context.Context, request ratelimit.Request, call func(context.Context) error) error {
	for throttled := 1; ; throttled++ {
		permit, err := w.acquire(ctx, request)
		if err != nil {
			return err
		}
		err = call(ctx)
		permit.Release(time.Now(), outcomeOf(err))
		switch {
		case databricks.ClassOf(err) != databricks.ClassThrottled:
			return err
		case throttled == maxThrottled:
			return fmt.Errorf("the workspace throttles every request: %w", err)
		}
	}
}

// acquire waits for a permit. It fails at once if the workspace does not answer for longer
// than a user waits for.
func (w *Workspace) acquire(ctx context.Context, request ratelimit.Request) (*ratelimit.Permit, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		permit, wait := w.limiter.Acquire(request, time.Now())
		if wait == nil {
			return permit, nil
		}
		unavailable := wait.Reason == ratelimit.ReasonHostUnavailable || wait.Reason == ratelimit.ReasonEndpointUnavailable
		if unavailable && time.Until(wait.At) > maxUnavailable {
			return nil, wait
		}
		if wait.Reason != ratelimit.ReasonRateLimited && w.waiting != nil {
			w.waiting(wait.Error())
		}
		timer := time.NewTimer(time.Until(wait.At))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// outcomeOf returns the outcome of a request for the limiter.
func outcomeOf(err error) ratelimit.Outcome {
	if err == nil {
		return ratelimit.Outcome{Kind: ratelimit.Served}
	}
	failure, known := errors.AsType[*databricks.Error](err)
	switch {
	case !known:
		return ratelimit.Outcome{Kind: ratelimit.Failed}
	case failure.Class == databricks.ClassThrottled:
		return ratelimit.Outcome{Kind: ratelimit.Throttled, RetryAfter: failure.RetryAfter}
	case failure.Answered:
		return ratelimit.Outcome{Kind: ratelimit.Answered}
	case failure.StatusCode == 0:
		return ratelimit.Outcome{Kind: ratelimit.Unreachable}
	default:
		return ratelimit.Outcome{Kind: ratelimit.Failed}
	}
}
