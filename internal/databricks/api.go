package databricks

import (
	"context"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
)

// Reader is every call that changes nothing. It is what most of the operator
// gets to hold: whoever has a Reader cannot write, by type.
//
// Every method makes exactly one request of its own, ends by the context's
// deadline (DefaultTimeout where it has none), and fails with an *Error. Where an
// OAuth token is due it is fetched first; where the server refuses a cached one,
// the request, which then had no effect, is made once more with a fresh one.
type Reader interface {
	// Get returns one cluster, Spec included. A cluster that is not there fails
	// with ClassMissing, in whichever of its three shapes the API told so.
	Get(ctx context.Context, clusterID string) (*compute.ClusterDetails, error)
	// List returns one page. Items never carry Spec.
	List(ctx context.Context, query ListQuery) (ListPage, error)
	// Me tells who the credential is. It is the cheapest check of a credential.
	Me(ctx context.Context) (Principal, error)
	// LibraryStatuses is how far the libraries of a cluster are, those included
	// that a policy or the whole workspace brought.
	LibraryStatuses(ctx context.Context, clusterID string) ([]compute.LibraryFullStatus, error)
	// Permissions is who may use a cluster, by direct grants and by inherited ones.
	Permissions(ctx context.Context, clusterID string) ([]compute.ClusterAccessControlResponse, error)
	// SparkVersions and NodeTypes are what the workspace offers.
	SparkVersions(ctx context.Context) ([]compute.SparkVersion, error)
	NodeTypes(ctx context.Context) ([]compute.NodeType, error)
	// Policies and InstancePools are the names of those that the principal may see,
	// by id.
	Policies(ctx context.Context) (map[string]string, error)
	InstancePools(ctx context.Context) (map[string]string, error)
}

// Writer is every call that changes a workspace. Only the controller's act.go
// comes to hold one.
//
// Every method makes one request, as Reader's do. Where an answer is lost and
// the effect is unknown, it fails with ClassAmbiguous and never repeats itself.
type Writer interface {
	// Create makes a cluster and returns its id; the cluster is then PENDING.
	Create(ctx context.Context, request CreateRequest) (clusterID string, err error)
	// Edit replaces the whole specification. It restarts a RUNNING cluster.
	Edit(ctx context.Context, request compute.EditCluster) error
	// Update changes what UpdateMask names. It restarts a RUNNING cluster.
	Update(ctx context.Context, request compute.UpdateCluster) error
	// Resize changes the size of a RUNNING cluster without a restart.
	Resize(ctx context.Context, request compute.ResizeCluster) error
	// Start starts a TERMINATED cluster.
	Start(ctx context.Context, clusterID string) error
	// Restart restarts a RUNNING cluster.
	Restart(ctx context.Context, clusterID string) error
	// Terminate stops a cluster and keeps its record (the API's "delete").
	Terminate(ctx context.Context, clusterID string) error
	// PermanentDelete stops a cluster and forgets it. A cluster that is already
	// gone fails with ClassMissing; a pinned one with ClassPinned.
	PermanentDelete(ctx context.Context, clusterID string) error
	// Pin keeps a cluster from being purged 30 days after it ended.
	Pin(ctx context.Context, clusterID string) error
	// Unpin undoes Pin.
	Unpin(ctx context.Context, clusterID string) error
	// InstallLibraries asks for libraries in any state of the cluster: on one that
	// is down they stay PENDING until it starts.
	InstallLibraries(ctx context.Context, clusterID string, libraries []compute.Library) error
	// UninstallLibraries marks libraries to be gone after the next restart. Those
	// that are not there are ignored.
	UninstallLibraries(ctx context.Context, clusterID string, libraries []compute.Library) error
	// SetPermissions replaces all direct grants on a cluster; none takes them away.
	SetPermissions(ctx context.Context, clusterID string, grants []compute.ClusterAccessControlRequest) error
}

// CreateRequest is a cluster to be made. IdempotencyToken (at most 64
// characters) is accepted by the API and no longer a field of the SDK's type:
// while a cluster created with it is active, the API answers with that
// cluster's id and makes none.
type CreateRequest struct {
	compute.CreateCluster
	IdempotencyToken string
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
	// Err is nil or an *Error.
	Err error
}
