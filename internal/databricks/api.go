package databricks

import (
	"context"
	"encoding/json"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
)

// Reader makes the calls that change nothing. Most of the operator gets a Reader, so
// that its type excludes writes.
//
// Every method makes exactly one request, returns by the context's deadline
// (DefaultTimeout if it has none), and fails with an *Error. A missing OAuth token is
// requested first. If the server refuses a cached token, the request had no effect
// and is repeated once with a new token.
type Reader interface {
	// Get returns one cluster with its raw spec. It fails with ClassMissing if the
	// cluster does not exist, for each of the three forms of that response.
	Get(ctx context.Context, clusterID string) (Cluster, error)
	// List returns one page. Its clusters have no Spec.
	List(ctx context.Context, query ListQuery) (ListPage, error)
	// Me returns the principal of the credential. It is the cheapest check of a
	// credential.
	Me(ctx context.Context) (Principal, error)
	// LibraryStatuses returns the status of every library of a cluster, with those
	// that a policy or the workspace adds.
	LibraryStatuses(ctx context.Context, clusterID string) ([]compute.LibraryFullStatus, error)
	// Permissions returns the direct and the inherited permissions on a cluster.
	Permissions(ctx context.Context, clusterID string) ([]compute.ClusterAccessControlResponse, error)
	// SparkVersions returns the runtimes that the workspace offers.
	SparkVersions(ctx context.Context) ([]compute.SparkVersion, error)
	// NodeTypes returns the node types that the workspace offers.
	NodeTypes(ctx context.Context) ([]compute.NodeType, error)
	// Policies returns the names of the policies that the principal can see, by id.
	Policies(ctx context.Context) (map[string]string, error)
	// InstancePools returns the names of the pools that the principal can see, by id.
	InstancePools(ctx context.Context) (map[string]string, error)
}

// Writer makes the calls that change a workspace. Only act.go and fence.go of the
// controller get one.
//
// Every method makes one request, like those of Reader. It fails with ClassAmbiguous
// if the response is lost and the effect is unknown, and never repeats the request.
type Writer interface {
	// Create creates a cluster and returns its id; the cluster is then PENDING.
	Create(ctx context.Context, request CreateRequest) (clusterID string, err error)
	// Edit replaces the whole specification. It restarts a RUNNING cluster. body is
	// sent unchanged, and its cluster_id must be clusterID.
	Edit(ctx context.Context, clusterID string, body json.RawMessage) error
	// Update changes the fields in UpdateMask. It restarts a RUNNING cluster.
	Update(ctx context.Context, request UpdateRequest) error
	// Resize changes the size of a RUNNING cluster without a restart.
	Resize(ctx context.Context, request compute.ResizeCluster) error
	// Start starts a TERMINATED cluster.
	Start(ctx context.Context, clusterID string) error
	// Restart restarts a RUNNING cluster.
	Restart(ctx context.Context, clusterID string) error
	// Terminate stops a cluster and keeps its record (the API's "delete").
	Terminate(ctx context.Context, clusterID string) error
	// PermanentDelete stops a cluster and deletes its record. It fails with
	// ClassMissing if the cluster does not exist, and with ClassPinned if it is pinned.
	PermanentDelete(ctx context.Context, clusterID string) error
	// Pin keeps a cluster from being purged 30 days after its termination.
	Pin(ctx context.Context, clusterID string) error
	// Unpin is the inverse of Pin.
	Unpin(ctx context.Context, clusterID string) error
	// InstallLibraries requests libraries, in any state of the cluster. On a cluster
	// that is not running they stay PENDING until it starts.
	InstallLibraries(ctx context.Context, clusterID string, libraries []compute.Library) error
	// UninstallLibraries marks libraries for removal at the next restart. Libraries
	// that are not installed are ignored.
	UninstallLibraries(ctx context.Context, clusterID string, libraries []compute.Library) error
	// SetPermissions replaces all direct permissions on a cluster; an empty list
	// removes them.
	SetPermissions(ctx context.Context, clusterID string, permissions []compute.ClusterAccessControlRequest) error
}

// CreateRequest is the body of clusters/create. The API accepts IdempotencyToken (at
// most 64 characters), which the SDK's type no longer has: while a cluster that was
// created with the token is active, the API returns the id of that cluster and
// creates none.
type CreateRequest struct {
	compute.CreateCluster
	IdempotencyToken string
}

// Cluster is the response of clusters/get.
type Cluster struct {
	// Details has every field that the SDK knows, except Spec, which is nil.
	Details *compute.ClusterDetails
	// Spec is the spec object of the response in compact form, with the original
	// values, number literals and unknown keys. It is nil if the response has no spec,
	// which means that the spec is unknown, not empty.
	Spec json.RawMessage
}

// UpdateRequest is the body of clusters/update.
type UpdateRequest struct {
	ClusterID string
	// Cluster is a JSON object with the new values. A field in the mask that Cluster
	// lacks is cleared.
	Cluster json.RawMessage
	// UpdateMask is the comma-separated list of the fields to change.
	UpdateMask string
}

// ListQuery selects one page of clusters/list. The zero value selects the first page
// with the server's defaults.
type ListQuery struct {
	// PageSize is the number of clusters per page, 1 to 100; 0 is the server's default.
	PageSize int
	// PageToken is ListPage.NextPageToken of the previous page.
	PageToken string
	// Sources selects clusters by their source (API, UI, JOB, …); empty selects all.
	Sources []compute.ClusterSource
	// PinnedOnly selects pinned clusters. No other call shows which clusters are pinned.
	PinnedOnly bool
	// SortByName sorts by name. Unlike the default order, it does not move a cluster to
	// another page when its state changes.
	SortByName bool
}

// ListPage is one page of clusters/list.
type ListPage struct {
	Clusters []compute.ClusterDetails
	// NextPageToken is empty on the last page.
	NextPageToken string
}

// Principal is the user or service principal that a credential authenticates as.
type Principal struct {
	// ID is the SCIM id, unique in the workspace.
	ID string
	// UserName is an e-mail address, or the application id of a service principal. A
	// cluster has it in creator_user_name.
	UserName string
	// WorkspaceID is the X-Databricks-Org-Id header of the response; it may be empty.
	WorkspaceID string
}

// Call describes one finished request for metrics, traces and the rate limiter.
// Requests for OAuth tokens are included. It has no secret and no body.
type Call struct {
	Method, Path string
	// Endpoint is the name of the endpoint in the API reference, such as clusters/get.
	// It contains no id, and no path that a server chose for its tokens.
	Endpoint string
	// StatusCode is 0 if there was no response.
	StatusCode int
	Duration   time.Duration
	// ServerDate is the Date header of the response; zero if there is none.
	ServerDate time.Time
	// Err is nil or an *Error.
	Err error
}
