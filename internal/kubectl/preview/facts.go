package preview

import (
	"context"
	"fmt"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/drift"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/plan"
	"github.com/databricks-operator/databricks-operator/internal/selection"
)

// Source is the workspace of an object.
type Source interface {
	Host() string
	Me(ctx context.Context) (databricks.Principal, error)
	Get(ctx context.Context, clusterID string) (databricks.Cluster, error)
	List(ctx context.Context, query databricks.ListQuery) ([]compute.ClusterDetails, error)
	Policies(ctx context.Context) (map[string]string, error)
	InstancePools(ctx context.Context) (map[string]string, error)
	SparkVersions(ctx context.Context) ([]compute.SparkVersion, error)
	NodeTypes(ctx context.Context) ([]compute.NodeType, error)
	LibraryStatuses(ctx context.Context, clusterID string) ([]compute.LibraryFullStatus, error)
	Permissions(ctx context.Context, clusterID string) ([]compute.ClusterAccessControlResponse, error)
}

// Facts are what the workspace answers about one object.
type Facts struct {
	Host string
	// Principal is the user's own, not the operator's.
	Principal databricks.Principal
	// Referents are the objects that the object refers to; a missing one does not exist.
	// Read does not read them, because they are not in the workspace.
	Referents map[selection.Reference]selection.Referent
	// ManagedBy is the other object that manages the cluster, as namespace/name; empty: none
	// is visible. Read does not look for it.
	ManagedBy string
	// Lists are the lists that the names and selectors of the object need.
	Lists selection.Lists
	// Presence is whether the object's cluster exists. It is managed.Unknown without an id.
	Presence managed.Presence
	// Cluster is valid if the cluster is present.
	Cluster databricks.Cluster
	// Libraries, Permissions and Pinned are read if the object declares them.
	Libraries   plan.Libraries
	Permissions plan.Permissions
	Pinned      *bool
}

// Read reads the facts about an object.
func Read(ctx context.Context, source Source, object *v1alpha1.DatabricksCluster) (Facts, error) {
	facts := Facts{Host: source.Host()}
	var err error
	if facts.Principal, err = source.Me(ctx); err != nil {
		return facts, fmt.Errorf("ask %s who you are: %w", facts.Host, err)
	}
	if facts.Lists, err = readLists(ctx, source, object); err != nil {
		return facts, err
	}
	id := clusterID(object)
	if id == "" {
		return facts, nil
	}
	facts.Cluster, err = source.Get(ctx, id)
	switch databricks.ClassOf(err) {
	case "":
		facts.Presence = managed.Present
	case databricks.ClassMissing:
		facts.Presence = managed.Missing
		return facts, nil
	default:
		return facts, fmt.Errorf("read cluster %s: %w", id, err)
	}
	err = facts.readParts(ctx, source, object)
	return facts, err
}

func clusterID(object *v1alpha1.DatabricksCluster) string {
	if object.Status.ClusterID != "" {
		return object.Status.ClusterID
	}
	return object.Spec.ClusterID
}

// readLists reads the lists that the names and selectors of an object need.
func readLists(ctx context.Context, source Source, object *v1alpha1.DatabricksCluster) (lists selection.Lists, err error) {
	for _, list := range selection.Needs(&object.Spec) {
		switch list {
		case selection.Policies:
			lists.Policies, err = source.Policies(ctx)
		case selection.InstancePools:
			lists.InstancePools, err = source.InstancePools(ctx)
		case selection.Versions:
			lists.Versions, err = source.SparkVersions(ctx)
		case selection.NodeTypes:
			lists.NodeTypes, err = source.NodeTypes(ctx)
		}
		if err != nil {
			return lists, fmt.Errorf("read the %s: %w", list, err)
		}
	}
	return lists, nil
}

// readParts reads what is not in the answer about a cluster.
func (f *Facts) readParts(ctx context.Context, source Source, object *v1alpha1.DatabricksCluster) error {
	id := clusterID(object)
	if plan.ManagesLibraries(object) {
		statuses, err := source.LibraryStatuses(ctx, id)
		if err != nil {
			return fmt.Errorf("read the libraries of cluster %s: %w", id, err)
		}
		f.Libraries = plan.Libraries{Seen: true, Statuses: statuses}
	}
	if plan.ManagesPermissions(object) {
		entries, err := source.Permissions(ctx, id)
		if err != nil {
			return fmt.Errorf("read the permissions on cluster %s: %w", id, err)
		}
		f.Permissions = plan.Permissions{Seen: true, Direct: drift.DirectPermissions(entries)}
	}
	if plan.ManagesPin(object) {
		pinned, err := source.List(ctx, databricks.ListQuery{PinnedOnly: true})
		if err != nil {
			return err
		}
		f.Pinned = new(false)
		for i := range pinned {
			*f.Pinned = *f.Pinned || pinned[i].ClusterId == id
		}
	}
	return nil
}
