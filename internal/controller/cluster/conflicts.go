package cluster

import (
	"context"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// conflicts finds the objects that manage one cluster. An object may be out of this
// operator's scope and in the same namespace: so where others may work there too,
// the API server is asked, which finds objects by that field as the cache does.
type conflicts struct {
	cache, uncached client.Reader
	// namespaces are those of the operator; empty for all. sharesNamespaces reports
	// whether other operators may work in them.
	namespaces       []string
	sharesNamespaces bool
}

// workspacePlace is where a cluster lives: ids of clusters are unique in it. The
// workspace id is empty where it is not known.
type workspacePlace struct{ host, workspaceID string }

// has reports whether an object's cluster may live there.
func (p workspacePlace) has(cluster *v1alpha1.DatabricksCluster) bool {
	bound := cluster.Status
	sameHost := bound.Host == "" || bound.Host == p.host
	return sameHost && (bound.WorkspaceID == "" || p.workspaceID == "" || bound.WorkspaceID == p.workspaceID)
}

// of is the object that manages the same cluster of a workspace already, or of two
// that do the older one; "" for none.
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

// holdsCluster reports that an object keeps others from managing its cluster.
func holdsCluster(cluster *v1alpha1.DatabricksCluster) bool {
	return cluster.Spec.ManagementPolicy != v1alpha1.ManagementPolicyObserve && slices.Contains(cluster.Finalizers, v1alpha1.FinalizerCluster)
}

// all are the objects that have a cluster on record. For a cluster that the object
// made itself the cache will do: its owner tag says whose it is.
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
			return nil, fmt.Errorf("look whether another object manages cluster %s: %w", id, err)
		}
		all = append(all, some.Items...)
	}
	return all, nil
}

// older orders objects by age, and those of one age by uid.
func older(a, b *v1alpha1.DatabricksCluster) bool {
	if a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.UID < b.UID
	}
	return a.CreationTimestamp.Before(&b.CreationTimestamp)
}
