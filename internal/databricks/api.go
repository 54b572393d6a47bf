package databricks

import (
	"context"
	"encoding/json"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"
	"github.com/databricks/databricks-sdk-go/service/iam"
)

// Reader has all calls that change nothing.
//
// Every method makes exactly one request of its own, ends by the context's deadline
// (DefaultTimeout if it has none), and fails with an *Error. An OAuth token that is due is
// requested first. If the server refuses a cached token, the request, which had no effect,
// is repeated once with a new one.
type Reader interface {
	ClusterReader
	PermissionReader
	LibraryReader
	CatalogReader
	ComplianceReader
	CollectionReader
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

// CatalogReader reads the runtimes and node types of a workspace. Its policies and pools are
// collections.
type CatalogReader interface {
	// SparkVersions returns the runtimes of the workspace.
	SparkVersions(ctx context.Context) ([]compute.SparkVersion, error)
	// NodeTypes returns the node types of the workspace.
	NodeTypes(ctx context.Context) ([]compute.NodeType, error)
}

// CollectionReader reads the items of collections.
type CollectionReader interface {
	// Items returns all items that the principal can read, in one request. It fails with
	// ClassTooLarge if the list is over its limits, 8 MiB and 10,000 items.
	Items(ctx context.Context, of *Collection) ([]Item, error)
	// Item returns one item. It fails with ClassMissing if the item does not exist, and
	// with ClassHost if the workspace returns another one.
	Item(ctx context.Context, of *Collection, id string) (Item, error)
	// ItemPermissions returns the direct and the inherited permissions on an item.
	ItemPermissions(ctx context.Context, of *Collection, id string) ([]iam.AccessControlResponse, error)
	// CountClusters counts the clusters that use a policy, up to 100.
	CountClusters(ctx context.Context, policyID string) (ClusterCount, error)
}

// ComplianceReader reads whether clusters comply with their policies.
type ComplianceReader interface {
	// Compliances returns one page of the clusters with a policy. pageToken is
	// CompliancePage.NextPageToken of the previous page, or empty.
	Compliances(ctx context.Context, policyID, pageToken string) (CompliancePage, error)
}

// CompliancePage is one page of policies/clusters/list-compliance.
type CompliancePage struct {
	Clusters []compute.ClusterCompliance
	// NextPageToken is empty on the last page.
	NextPageToken string
}

// Writer has all calls that change a workspace. Only the controller's act.go may
// hold one.
//
// Every method makes one request, as those of Reader do. If the response is lost, so that
// the effect is unknown, it fails with ClassAmbiguous and is not repeated.
type Writer interface {
	ClusterWriter
	PermissionWriter
	LibraryWriter
	ComplianceWriter
	CollectionWriter
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

// ComplianceWriter enforces the policies of clusters.
type ComplianceWriter interface {
	// EnforceCompliance changes a cluster until it complies with its policy, and returns
	// the paths of the changed values, in the policy language. It restarts a RUNNING
	// cluster that it changes, and fails with ClassBusy in the states between RUNNING and
	// TERMINATED.
	EnforceCompliance(ctx context.Context, clusterID string) (changed []string, err error)
}

// CollectionWriter changes the items of collections. Bodies are sent byte for byte.
type CollectionWriter interface {
	// CreateItem creates an item and returns its id. A name that another item has fails
	// with Error.NameTaken.
	CreateItem(ctx context.Context, of *Collection, body json.RawMessage) (id string, err error)
	// EditItem replaces the item whose id is in body. A policy loses what body omits; a
	// pool loses those omitted members that can be edited.
	EditItem(ctx context.Context, of *Collection, body json.RawMessage) error
	// DeleteItem deletes an item. An item that is already deleted fails with ClassMissing.
	// Clusters that use the item do not prevent its deletion.
	DeleteItem(ctx context.Context, of *Collection, id string) error
	// SetItemPermissions replaces all direct permissions on an item; an empty list removes
	// them.
	SetItemPermissions(ctx context.Context, of *Collection, id string, permissions []iam.AccessControlRequest) error
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

// CreateRequest is the body of clusters/create. The API accepts IdempotencyToken, at most
// 64 characters, which is no longer a field of the SDK's type: while a cluster that was
// created with it is active, the API returns the id of that cluster and creates none.
type CreateRequest struct {
	compute.CreateCluster
	IdempotencyToken string
}

// Cluster is the response of clusters/get.
type Cluster struct {
	// Details has every field that the SDK knows, except Spec, which is nil.
	Details *compute.ClusterDetails
	// Spec is the spec object of the response in compact form, with its values, number
	// literals and keys that the SDK does not know. It is nil if the response has no spec,
	// which means that the spec is unknown, not empty.
	Spec json.RawMessage
}

// UpdateRequest is the body of clusters/update.
type UpdateRequest struct {
	ClusterID string
	// Cluster has the new values as a JSON object. Fields in the mask that it lacks are
	// cleared.
	Cluster json.RawMessage
	// UpdateMask is the comma-separated list of the fields to change.
	UpdateMask string
}

// ListQuery requests one page of clusters/list. The zero value requests the first page
// with the default size and order of the server.
type ListQuery struct {
	// PageSize is the number of clusters to return, 1 to 100; 0 means the server's default.
	PageSize int
	// PageToken is ListPage.NextPageToken of the previous page.
	PageToken string
	// Sources are the sources of the clusters to return (API, UI, JOB, …); empty: all.
	Sources []compute.ClusterSource
	// PinnedOnly returns pinned clusters only. No other response says whether a cluster is
	// pinned.
	PinnedOnly bool
	// PolicyID selects the clusters that use a policy; empty selects all.
	PolicyID string
	// SortByName requests the order by name. Unlike in the default order, a cluster does
	// not move between pages when its state changes.
	SortByName bool
}

// ListPage is one page of clusters/list.
type ListPage struct {
	Clusters []compute.ClusterDetails
	// NextPageToken is empty on the last page.
	NextPageToken string
}

// Principal is the user or service principal of a credential, as SCIM Me returns it.
type Principal struct {
	// ID is the SCIM id, which is unique in the workspace.
	ID string
	// UserName is an e-mail address, or a service principal's application id, as in
	// creator_user_name of a cluster.
	UserName string
	// WorkspaceID is the X-Databricks-Org-Id header of the response; empty if the server
	// sends none.
	WorkspaceID string
}

// Call describes one finished request, including those for OAuth tokens, for metrics. It
// contains no secret and no body.
type Call struct {
	Method, Path string
	// Endpoint is the endpoint as in the API reference, such as clusters/get. It has no
	// ids, so there are few.
	Endpoint string
	// StatusCode is 0 if there was no response.
	StatusCode int
	Duration   time.Duration
	// ServerDate is the Date header of the response; zero if there is none.
	ServerDate time.Time
	// Err is nil or an *Error.
	Err error
}
