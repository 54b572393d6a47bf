package specsize_test

import (
	"maps"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/specsize"
)

// clusterOf returns an object whose Spark configuration has the size, in bytes.
func clusterOf(size int) *v1alpha1.DatabricksCluster {
	cluster := &v1alpha1.DatabricksCluster{}
	cluster.UID, cluster.ResourceVersion = "u", "7"
	cluster.Spec.SparkConf = map[string]string{"k": strings.Repeat("x", size-1)}
	return cluster
}

func TestOf(t *testing.T) {
	for name, c := range map[string]struct {
		spec v1alpha1.DatabricksClusterSpec
		want int
	}{
		"nothing":           {},
		"numbers":           {v1alpha1.DatabricksClusterSpec{ClusterSpec: v1alpha1.ClusterSpec{NumWorkers: new(int32(1_000_000))}}, 0},
		"text":              {v1alpha1.DatabricksClusterSpec{ClusterSpec: v1alpha1.ClusterSpec{ClusterName: "four"}}, 4},
		"bytes, not runes":  {v1alpha1.DatabricksClusterSpec{ClusterSpec: v1alpha1.ClusterSpec{ClusterName: "😀"}}, 4},
		"keys and values":   {v1alpha1.DatabricksClusterSpec{ClusterSpec: v1alpha1.ClusterSpec{SparkConf: map[string]string{"ab": "cde", "f": ""}}}, 6},
		"structs in a list": {v1alpha1.DatabricksClusterSpec{OperatorSpec: v1alpha1.OperatorSpec{Libraries: []v1alpha1.Library{{Jar: "ab"}, {Maven: &v1alpha1.MavenLibrary{Coordinates: "c", Exclusions: []string{"d", "ef"}}}}}}, 6},
		"behind a pointer":  {v1alpha1.DatabricksClusterSpec{OperatorSpec: v1alpha1.OperatorSpec{Connection: &v1alpha1.Connection{SecretRef: &v1alpha1.LocalSecretReference{Name: "abc"}}}}, 3},
	} {
		t.Run(name+" [P16]", func(t *testing.T) {
			NewWithT(t).Expect(specsize.Of(&v1alpha1.DatabricksCluster{Spec: c.spec})).To(Equal(c.want))
		})
	}
}

func TestTrim(t *testing.T) {
	t.Run("a specification within the limit is not changed [P16]", func(t *testing.T) {
		g := NewWithT(t)
		cluster := clusterOf(specsize.Limit)
		before := cluster.DeepCopy()
		specsize.Trim(cluster)
		g.Expect(cluster).To(Equal(before))
		_, oversized := specsize.Excess(cluster)
		g.Expect(oversized).To(BeFalse())
	})
	t.Run("an oversized specification loses its large fields only [P16] [S17]", func(t *testing.T) {
		g := NewWithT(t)
		cluster := clusterOf(specsize.Limit)
		cluster.Spec.SparkEnvVars = map[string]string{"A": strings.Repeat("x", 100<<10)}
		cluster.Spec.CustomTags = map[string]string{"team": "data"}
		cluster.Spec.Libraries = []v1alpha1.Library{{Jar: strings.Repeat("x", 3<<10)}}
		cluster.Spec.Connection = &v1alpha1.Connection{SecretRef: &v1alpha1.LocalSecretReference{Name: strings.Repeat("x", 2<<10)}}
		cluster.Spec.ClusterID, cluster.Spec.DeletionPolicy = "0318-151752-abed99", v1alpha1.DeletionPolicyTerminate
		cluster.Status.ClusterID = "0318-151752-abed99"
		expected := cluster.DeepCopy()
		expected.Spec.SparkConf, expected.Spec.SparkEnvVars = map[string]string{}, map[string]string{}
		expected.Spec.Libraries = []v1alpha1.Library{}

		specsize.Trim(cluster)
		message, oversized := specsize.Excess(cluster)
		g.Expect(oversized).To(BeTrue())
		g.Expect(message).To(Equal("spec is 362 KiB; at most 256 KiB in all: spec.sparkConf has 256 KiB, spec.sparkEnvVars has 101 KiB, spec.libraries has 3 KiB; shorten them"))
		expected.Annotations = cluster.Annotations
		g.Expect(cluster).To(Equal(expected))
	})
	t.Run("one byte over the limit is oversized, and a field of one KiB is kept and not named [P16]", func(t *testing.T) {
		g := NewWithT(t)
		cluster := clusterOf(specsize.Limit + 1 - 1024 - 1025)
		cluster.Spec.CustomTags = map[string]string{"k": strings.Repeat("x", 1023)}
		cluster.Spec.SparkEnvVars = map[string]string{"K": strings.Repeat("x", 1024)}
		kept := maps.Clone(cluster.Spec.CustomTags)
		specsize.Trim(cluster)
		message, oversized := specsize.Excess(cluster)
		g.Expect(oversized).To(BeTrue())
		g.Expect(message).To(Equal("spec is 257 KiB; at most 256 KiB in all: spec.sparkConf has 254 KiB, spec.sparkEnvVars has 2 KiB; shorten them"))
		g.Expect(cluster.Spec.CustomTags).To(Equal(kept))
		g.Expect(cluster.Spec.SparkEnvVars).To(Equal(map[string]string{}))
	})
	t.Run("a dropped list keeps no memory, and is not nil [P16]", func(t *testing.T) {
		g := NewWithT(t)
		cluster := clusterOf(1)
		cluster.Spec.Libraries = []v1alpha1.Library{{Jar: strings.Repeat("x", specsize.Limit)}}
		specsize.Trim(cluster)
		g.Expect(cluster.Spec.Libraries).To(Equal([]v1alpha1.Library{}))
		g.Expect(cluster.Spec.Libraries).To(HaveCap(0))
	})
	t.Run("an oversized policy loses its definition, which the schema cannot limit [P16] [S17]", func(t *testing.T) {
		g := NewWithT(t)
		policy := &v1alpha1.DatabricksClusterPolicy{}
		policy.UID, policy.ResourceVersion, policy.Spec.Name = "u", "7", "team"
		rule := v1alpha1.PolicyRule{}
		rule.Raw = []byte(`{"type":"fixed","value":"` + strings.Repeat("x", specsize.Limit) + `"}`)
		policy.Spec.Definition = map[string]v1alpha1.PolicyRule{"spark_version": rule}
		specsize.Trim(policy)
		message, oversized := specsize.Excess(policy)
		g.Expect(oversized).To(BeTrue())
		g.Expect(message).To(Equal("spec is 257 KiB; at most 256 KiB in all: spec.definition has 257 KiB; shorten them"))
		g.Expect(policy.Spec).To(Equal(v1alpha1.DatabricksClusterPolicySpec{Name: "team", Definition: map[string]v1alpha1.PolicyRule{}}))
	})
	t.Run("a trimmed object is not changed [P16]", func(t *testing.T) {
		g := NewWithT(t)
		cluster := clusterOf(specsize.Limit + 1)
		specsize.Trim(cluster)
		before := cluster.DeepCopy()
		specsize.Trim(cluster)
		g.Expect(cluster).To(Equal(before))
	})
	t.Run("another version of the object is measured again [P16]", func(t *testing.T) {
		g := NewWithT(t)
		cluster := clusterOf(specsize.Limit + 1)
		specsize.Trim(cluster)
		smaller := clusterOf(10)
		smaller.ResourceVersion, smaller.Annotations = "8", maps.Clone(cluster.Annotations)
		_, oversized := specsize.Excess(smaller)
		g.Expect(oversized).To(BeFalse(), "an annotation of a user")
		specsize.Trim(smaller)
		g.Expect(smaller.Annotations).To(BeEmpty())
		g.Expect(smaller.Spec).To(Equal(clusterOf(10).Spec))
	})
}

func BenchmarkOf(b *testing.B) {
	cluster := clusterOf(100)
	cluster.Spec.CustomTags = map[string]string{"team": "data", "cost-center": "4711"}
	for b.Loop() {
		specsize.Of(cluster)
	}
}
