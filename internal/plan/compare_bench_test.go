package plan

import (
	"testing"

	"github.com/databricks/databricks-sdk-go/service/compute"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/drift"
)

// What each reconcile of an unchanged object computes: its desired fields, and whether its
// cluster has them.
func BenchmarkCompareUnchanged(b *testing.B) {
	in := situation(spec(func(s *v1alpha1.DatabricksClusterSpec) {
		s.SparkVersion, s.NodeTypeID, s.NumWorkers = "16.4.x-scala2.12", "i3.xlarge", new(int32(2))
		s.CustomTags = map[string]string{"team": "a", "cost-center": "4711"}
		s.SparkConf = map[string]string{"spark.speculation": "true"}
	}))
	details := &compute.ClusterDetails{
		ClusterId: clusterID, State: compute.StateRunning, SparkVersion: "16.4.x-scala2.12", NodeTypeId: "i3.xlarge", DriverNodeTypeId: "i3.xlarge",
		NumWorkers: 2, CustomTags: map[string]string{"team": "a", "cost-center": "4711"}, SparkConf: map[string]string{"spark.speculation": "true"},
	}
	desired, err := drift.Desired(&in.Cluster.Spec.ClusterSpec, drift.Secrets{})
	if err != nil {
		b.Fatal(err)
	}
	in.Cluster.Status.AppliedDigest = drift.Digest(desired)
	in.Cluster.Status.OwnedFields = drift.Owned(desired)
	b.ReportAllocs()
	for b.Loop() {
		desired, err := drift.Desired(&in.Cluster.Spec.ClusterSpec, drift.Secrets{})
		if err != nil {
			b.Fatal(err)
		}
		found, err := Compare(CompareInput{Cluster: in.Cluster, Desired: desired, Details: details, ReadAt: noon, Spec: []byte("{}"), SpecAt: noon.Add(-1)})
		if err != nil || !found.Complete || len(found.Differences) > 0 {
			b.Fatalf("%+v, %v", found, err)
		}
	}
}
