package controller

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

// holders finds the objects that manage one cluster. An object may be out of this
// operator's scope and in the same namespace: so where others may work there too,
// the API server is asked, which finds objects by that field as the cache does.
type holders struct {
	cache, uncached client.Reader
	scope           Scope
}

// of is the object that manages the same cluster already, or of two that do the
// older one; "" for none. An object that was not given a cluster has its own.
func (h holders) of(ctx context.Context, cluster *v1alpha1.DatabricksCluster, id string) (string, error) {
	if cluster.Spec.ClusterID == "" {
		return "", nil
	}
	all, err := h.all(ctx, id)
	if err != nil {
		return "", err
	}
	for _, other := range all {
		rival := other.UID != cluster.UID && other.Spec.ManagementPolicy != v1alpha1.ManagementPolicyObserve
		if rival && other.Status.ClusterID == id && (cluster.Status.ClusterID != id || older(&other, cluster)) {
			return client.ObjectKeyFromObject(&other).String(), nil
		}
	}
	return "", nil
}

// all are the objects that have a cluster on record.
func (h holders) all(ctx context.Context, id string) ([]v1alpha1.DatabricksCluster, error) {
	reader, namespaces := h.cache, []string{""}
	if h.scope.labelled() {
		reader = h.uncached
		if len(h.scope.Namespaces) > 0 {
			namespaces = h.scope.Namespaces
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
