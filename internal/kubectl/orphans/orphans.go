package orphans

import (
	"cmp"
	"slices"
	"time"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/databricks"
	"github.com/databricks-operator/databricks-operator/internal/owner"
)

// Orphan is a cluster with an owner tag whose object does not exist.
type Orphan struct {
	ClusterID string `json:"clusterID"`
	Name      string `json:"name"`
	State     string `json:"state"`
	// Created is when the cluster was created.
	Created time.Time `json:"created"`
	// Tag is the value of the owner tag.
	Tag string `json:"tag"`
	// Object is the object of the same namespace and name that exists now and uses another
	// cluster or none, as namespace/name; empty: there is none.
	Object string `json:"object,omitempty"`
}

// Result is what a search found.
type Result struct {
	// Orphans are sorted by cluster id.
	Orphans []Orphan
	// Foreign counts the clusters of other operators, by the operators' ids.
	Foreign map[string]int
}

// Find returns the orphans of an operator. objects are the objects of all namespaces: an
// object that is missing in it makes its cluster an orphan.
func Find(clusters []compute.ClusterDetails, objects []v1alpha1.DatabricksCluster, operatorID string) Result {
	uses, uids, names := map[string]bool{}, map[string]bool{}, map[string]string{}
	for i := range objects {
		object := &objects[i]
		uses[object.Status.ClusterID], uses[object.Spec.ClusterID] = true, true
		uids[string(object.UID)] = true
		of := owner.Of(operatorID, string(object.UID), object.Namespace, object.Name)
		names[of.Name] = object.Namespace + "/" + object.Name
	}
	result := Result{Foreign: map[string]int{}}
	for i := range clusters {
		cluster := &clusters[i]
		tag := cluster.CustomTags[v1alpha1.OwnerTagKey]
		of := owner.Parse(tag)
		switch {
		case tag == "" || uses[cluster.ClusterId]:
		case of.Operator != operatorID:
			result.Foreign[of.Operator]++
		case !uids[of.UID]:
			result.Orphans = append(result.Orphans, Orphan{
				ClusterID: cluster.ClusterId, Name: databricks.PlainText(cluster.ClusterName), State: string(cluster.State),
				Created: time.UnixMilli(cluster.StartTime).UTC(), Tag: tag, Object: names[of.Name],
			})
		}
	}
	slices.SortFunc(result.Orphans, func(a, b Orphan) int { return cmp.Compare(a.ClusterID, b.ClusterID) })
	return result
}
