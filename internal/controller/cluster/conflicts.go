package cluster

import (
	"context"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// conflicts finds the objects that manage the same cluster. If other operators may work
// in the same namespaces, objects outside this operator's scope count as well. They are
// read from the API server, which selects objects by the same field as the cache.
type conflicts struct {
	cache, uncached client.Reader
	// namespaces are those of the operator; empty for all. sharesNamespaces reports
	// whether other operators may work in them.
	namespaces       []string
	sharesNamespaces bool
}

// workspacePlace identifies a workspace, in which the ids of clusters are unique. The
// workspace id is empty if it is unknown.
type workspacePlace struct{ host, workspaceID string }

// has reports whether an object's cluster may be in the workspace.
func (p workspacePlace) has(cluster *v1alpha1.DatabricksCluster) bool {
	bound := cluster.Status
	sameHost := bound.Host == "" || bound.Host == p.host
	return sameHost && (bound.WorkspaceID == "" || p.workspaceID == "" || bound.WorkspaceID == p.workspaceID)
}

// of returns the object that already manages a cluster of a workspace, or the older one
// of two such objects; "" if there is none.
func (c conflicts) of(ctx context.Context, cluster *v1alpha1.DatabricksCluster, id string, in workspacePlace) (string, error) {
	all, err := c.all(ctx, cluster, id)
	if err != nil {
		return "", err
	}
	for _, other := range all {
		rival := other.UID != cluster.UID && holdsCluster(&other) && in.has(&other)
		if rival && other.Status.ClusterID == id && (cluster.Status.ClusterID != id || older(&other, cluster)) {
			return client.ObjectKeyFromObject(&other).String(), nil
		}
	}
	return "", nil
}

// holdsCluster reports whether an object prevents others from managing its cluster.
func holdsCluster(cluster *v1alpha1.DatabricksCluster) bool {
	return cluster.Spec.ManagementPolicy != v1alpha1.ManagementPolicyObserve && slices.Contains(cluster.Finalizers, v1alpha1.FinalizerCluster)
}

// all returns the objects with a cluster in their status. For a cluster that was created
// for the object the informer cache suffices, because the owner tag names the object.
func (c conflicts) all(ctx context.Context, cluster *v1alpha1.DatabricksCluster, id string) ([]v1alpha1.DatabricksCluster, error) {
	reader, namespaces := c.cache, []string{""}
	if c.sharesNamespaces && cluster.Spec.ClusterID != "" {
		reader = c.uncached
		if len(c.namespaces) > 0 {
			namespaces = c.namespaces
		}
	}
	var all []v1alpha1.DatabricksCluster
	for _, namespace := range namespaces {
		var some v1alpha1.DatabricksClusterList
		if err := reader.List(ctx, &some, client.InNamespace(namespace), client.MatchingFields{indexClusterID: id}); err != nil {
			return nil, fmt.Errorf("find the object that manages cluster %s: %w", id, err)
		}
		all = append(all, some.Items...)
	}
	return all, nil
}

// older reports whether a is older than b. Objects of the same age are ordered by UID.
func older(a, b *v1alpha1.DatabricksCluster) bool {
	if a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.UID < b.UID
	}
	return a.CreationTimestamp.Before(&b.CreationTimestamp)
}
