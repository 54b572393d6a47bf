package databricks

import (
	"context"
	"encoding/json"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
)

// Reader has all calls that change nothing.
//
// Every method makes exactly one request of its own, ends by the context's
// deadline (DefaultTimeout if it has none), and fails with an *Error. If an OAuth
// token is due it is fetched first. If the server refuses a cached token, the
// request, which had no effect, is repeated once with a new one.
type Reader interface {
	ClusterReader
	PermissionReader
	LibraryReader
	CatalogReader
	// Me returns the principal of the credential. It is the cheapest check of a
	// credential.
	Me(ctx context.Context) (Principal, error)
}

// ClusterReader reads clusters.
type ClusterReader interface {
	// Get returns one cluster with its raw spec. It fails with ClassMissing if the
	// cluster does not exist.
	Get(ctx context.Context, clusterID string) (Cluster, error)
	// List returns one page. Items never have a Spec.
	List(ctx context.Context, query ListQuery) (ListPage, error)
}

// PermissionReader reads the permissions of clusters.
type PermissionReader interface {
	// Permissions returns the direct and the inherited permissions on a cluster.
	Permissions(ctx context.Context, clusterID string) ([]compute.ClusterAccessControlResponse, error)
}

// LibraryReader reads the libraries of clusters.
type LibraryReader interface {
	// LibraryStatuses returns the status of the libraries of a cluster, including
	// those of a policy or of the whole workspace.
	LibraryStatuses(ctx context.Context, clusterID string) ([]compute.LibraryFullStatus, error)
}

// CatalogReader reads the runtimes, node types, policies and pools of a workspace.
type CatalogReader interface {
	// SparkVersions returns the runtimes of the workspace.
	SparkVersions(ctx context.Context) ([]compute.SparkVersion, error)
	// NodeTypes returns the node types of the workspace.
	NodeTypes(ctx context.Context) ([]compute.NodeType, error)
	// Policies returns the names of the cluster policies that the principal can
	// read, by id.
	Policies(ctx context.Context) (map[string]string, error)
	// InstancePools returns the names of the instance pools that the principal can
	// read, by id.
	InstancePools(ctx context.Context) (map[string]string, error)
}

// Writer has all calls that change a workspace. Only the controller's act.go may
// hold one.
//
// Every method makes one request, as those of Reader do. If an answer is lost, so
// that the effect is unknown, it fails with ClassAmbiguous and is not repeated.
type Writer interface {
	ClusterWriter
	PermissionWriter
	LibraryWriter
}

// ClusterWriter changes clusters.
type ClusterWriter interface {
	// Create creates a cluster and returns its id; the cluster is then PENDING.
	Create(ctx context.Context, request CreateRequest) (clusterID string, err error)
	// Edit replaces the whole specification. It restarts a RUNNING cluster. body is
	// sent byte for byte, and its cluster_id must be clusterID.
	Edit(ctx context.Context, clusterID string, body json.RawMessage) error
	// Update changes what UpdateMask names. It restarts a RUNNING cluster.
	Update(ctx context.Context, request UpdateRequest) error
	// Resize changes the size of a RUNNING cluster without a restart.
	Resize(ctx context.Context, request compute.ResizeCluster) error
	// Start starts a TERMINATED cluster.
	Start(ctx context.Context, clusterID string) error
	// Restart restarts a RUNNING cluster.
	Restart(ctx context.Context, clusterID string) error
	// Terminate stops a cluster and keeps its record (the API's "delete").
	Terminate(ctx context.Context, clusterID string) error
	// PermanentDelete stops and permanently deletes a cluster. A cluster that is already
	// deleted fails with ClassMissing; a pinned one with ClassPinned.
	PermanentDelete(ctx context.Context, clusterID string) error
	// Pin prevents the purge of a cluster 30 days after its termination.
	Pin(ctx context.Context, clusterID string) error
	// Unpin undoes Pin.
	Unpin(ctx context.Context, clusterID string) error
}

// PermissionWriter changes the permissions of clusters.
type PermissionWriter interface {
	// SetPermissions replaces all direct permissions on a cluster; an empty list removes
	// them.
	SetPermissions(ctx context.Context, clusterID string, grants []compute.ClusterAccessControlRequest) error
}

// LibraryWriter changes the libraries of clusters.
type LibraryWriter interface {
	// InstallLibraries requests libraries in any state of the cluster. On a terminated
	// cluster they stay PENDING until it starts.
	InstallLibraries(ctx context.Context, clusterID string, libraries []compute.Library) error
	// UninstallLibraries marks libraries for removal at the next restart. It ignores
	// libraries that are not installed.
	UninstallLibraries(ctx context.Context, clusterID string, libraries []compute.Library) error
}

// CreateRequest is a cluster to be made. IdempotencyToken (at most 64
// characters) is accepted by the API and no longer a field of the SDK's type:
// while a cluster created with it is active, the API answers with that
// cluster's id and makes none.
type CreateRequest struct {
	compute.CreateCluster
	IdempotencyToken string
}

// Cluster is the answer of clusters/get.
type Cluster struct {
	// Details holds every field that the SDK knows, except Spec, which is nil.
	Details *compute.ClusterDetails
	// Spec is the answer's spec object in compact form: values, number literals and
	// keys that the SDK does not know are those of the answer. It is nil where the
	// answer has no spec, which means that the spec is unknown, not empty.
	Spec json.RawMessage
}

// UpdateRequest is the body of clusters/update.
type UpdateRequest struct {
	ClusterID string
	// Cluster holds the new values as a JSON object; fields that the mask names and
	// Cluster lacks are cleared.
	Cluster json.RawMessage
	// UpdateMask is the comma-separated list of the fields to change.
	UpdateMask string
}

// ListQuery asks for one page of clusters/list. The zero value asks for the
// first page as the server likes it.
type ListQuery struct {
	// PageSize is how many clusters to return, 1 to 100; 0 leaves it to the server.
	PageSize int
	// PageToken is ListPage.NextPageToken of the page before.
	PageToken string
	// Sources keeps clusters made by these (API, UI, JOB, …); none keeps all.
	Sources []compute.ClusterSource
	// PinnedOnly keeps pinned clusters: the only way to learn who is pinned.
	PinnedOnly bool
	// SortByName asks for name order, which unlike the default order does not
	// move a cluster between pages when its state changes.
	SortByName bool
}

// ListPage is one page of clusters/list.
type ListPage struct {
	Clusters []compute.ClusterDetails
	// NextPageToken is empty on the last page.
	NextPageToken string
}

// Principal is who a credential is, as SCIM Me tells.
type Principal struct {
	// ID is SCIM's id, unique in the workspace.
	ID string
	// UserName is an e-mail address, or a service principal's application id.
	// It is what creator_user_name of a cluster names.
	UserName string
	// WorkspaceID comes from the X-Databricks-Org-Id header of the answer, where
	// the server sends one; else empty.
	WorkspaceID string
}

// Call describes one finished request, those for OAuth tokens included, for
// metrics, traces and the gate. It carries no secret and no body.
type Call struct {
	Method, Path string
	// Endpoint is what was called, as the API reference has it, such as
	// clusters/get: one of few, whatever ids the path has and whatever path a
	// server chose for its tokens.
	Endpoint string
	// StatusCode is 0 where no answer came.
	StatusCode int
	Duration   time.Duration
	// ServerDate is the Date header of the answer; zero where there is none.
	ServerDate time.Time
	// Err is nil or an *Error.
	Err error
}
