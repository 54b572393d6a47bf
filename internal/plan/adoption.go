package plan

import (
	"fmt"
	"slices"
	"sort"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/owner"
)

// The rules of this file adopt the cluster of an earlier object of the same namespace and
// name, after a restore or when a control plane is built anew. No such object can exist
// beside this one, so its cluster has no other owner.

// appliesTo reports whether an object adopts clusters by its name.
func (a Adoption) appliesTo(cluster *v1alpha1.DatabricksCluster) bool {
	policy := cluster.Spec.AdoptionPolicy
	if policy == "" {
		policy = a.Default
	}
	return policy == v1alpha1.AdoptionPolicyAdoptOrCreate
}

// searchesFor reports whether an object that never had a cluster searches for one by its
// name.
func (a Adoption) searchesFor(cluster *v1alpha1.DatabricksCluster) bool {
	isFirst := cluster.Status.ClusterID == "" && cluster.Spec.ClusterID == "" && cluster.Status.Creation == nil
	return isFirst && cluster.DeletionTimestamp.IsZero() && a.appliesTo(cluster)
}

// isOwn reports whether a tag names this object, or an earlier one of its name that it
// succeeds.
func (in Input) isOwn(tag string) bool {
	of, own := owner.Parse(tag), owner.Parse(in.Observed.Owner.Value)
	isSame := of.ID() == own.ID() && in.Observed.Owner.Value != ""
	return isSame || in.succeeds(of)
}

// succeeds reports whether this object takes the place of the owner of a cluster.
func (in Input) succeeds(of owner.Owner) bool {
	own := owner.Parse(in.Observed.Owner.Value)
	isKnown := of.Operator == own.Operator || slices.Contains(in.Adoption.Predecessors, of.Operator)
	return of.Name != "" && of.Name == own.Name && isKnown && in.Adoption.appliesTo(in.Cluster)
}

// predecessors returns the ids of the matches that belong to an earlier object of this
// name. As a tag alone can be forged, only clusters of this principal count.
func (in Input) predecessors() []string {
	var ids []string
	for _, match := range in.Observed.Search.Matches {
		isPrincipals := match.CreatorUserName == in.Observed.Principal && match.ClusterSource == compute.ClusterSourceApi
		if isPrincipals && in.succeeds(owner.Parse(match.CustomTags[v1alpha1.OwnerTagKey])) {
			ids = append(ids, databricks.PlainText(match.ClusterId))
		}
	}
	sort.Strings(ids)
	return ids
}

// adoptOrCreate returns a plan that adopts the cluster of an earlier object of this name,
// or starts the first incarnation once complete lists show none.
func (in Input) adoptOrCreate() Plan {
	switch ids := in.predecessors(); len(ids) {
	case 0:
		return in.createUnlessFound(creating().Message)
	case 1:
		return Plan{
			Step: StoreClusterID{ClusterID: ids[0], Source: FoundByName},
			Verdict: managed.Verdict{
				Reason:  v1alpha1.ReasonCreating,
				Message: fmt.Sprintf("adopting cluster %s, which was created for an earlier object of this name", ids[0]),
			},
		}
	default:
		return Plan{Verdict: in.duplicates(ids)}
	}
}
