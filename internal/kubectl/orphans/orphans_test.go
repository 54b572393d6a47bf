package orphans_test

import (
	"testing"

	"github.com/databricks/databricks-sdk-go/service/compute"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/kubectl/orphans"
	"github.com/databricks-operator/databricks-operator/internal/owner"
)

const id = "0a1b2c3d"

func cluster(clusterID, tag string) compute.ClusterDetails {
	found := compute.ClusterDetails{ClusterId: clusterID}
	if tag != "" {
		found.CustomTags = map[string]string{v1alpha1.OwnerTagKey: tag}
	}
	return found
}

func TestAClusterWithoutItsObjectIsAnOrphan(t *testing.T) {
	g := NewWithT(t)
	object := v1alpha1.DatabricksCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "etl", UID: types.UID("new")}}
	object.Status.ClusterID = "used-by-status"
	adopting := v1alpha1.DatabricksCluster{}
	adopting.Spec.ClusterID = "used-by-spec"
	result := orphans.Find([]compute.ClusterDetails{
		cluster("z-orphan", id+"-gone"),
		cluster("restored", owner.Of(id, "old", "team", "etl").Tag()),
		cluster("creating", owner.Of(id, "new", "team", "etl").Tag()),
		cluster("used-by-status", id+"-gone"),
		cluster("used-by-spec", id+"-gone"),
		cluster("foreign", "ffffffff-gone"),
		cluster("untagged", ""),
	}, []v1alpha1.DatabricksCluster{object, adopting}, id)
	var found []string
	for _, orphan := range result.Orphans {
		found = append(found, orphan.ClusterID+" "+orphan.Object)
	}
	g.Expect(found).To(Equal([]string{"restored team/etl", "z-orphan "}))
	g.Expect(result.Foreign).To(Equal(map[string]int{"ffffffff": 1}))
}
