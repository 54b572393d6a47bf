package controller_test

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/controller"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

// admittedOversized adds a Spark configuration of 704 KiB that the schema admits, because
// the schema counts characters, and these have four bytes each.
func admittedOversized(s *v1alpha1.DatabricksClusterSpec) {
	s.SparkConf = map[string]string{}
	for i := range 100 {
		s.SparkConf[fmt.Sprintf("spark.oversized.%03d", i)] = strings.Repeat("😀", 1800)
	}
}

// excess is the beginning of the message for such an object.
const excess = "spec is 706 KiB; at most 256 KiB in all: spec.sparkConf has 705 KiB; shorten them"

func TestAnOversizedSpecIsNotApplied(t *testing.T) {
	t.Parallel()
	t.Run("a new object [P16] [S17]", func(t *testing.T) {
		r := newRig(t)
		r.start()
		cluster := r.create(r.small("oversized", admittedOversized))
		now := r.becomes(cluster, "Stalled=InvalidSpec")
		r.Expect(message(now, v1alpha1.ConditionStalled)).To(Equal(excess))
		r.Consistently(r.writes).Should(BeEmpty())
		r.Expect(r.get(cluster).Spec).To(Equal(cluster.Spec), "the fields that the cache lacks are still in the object")
		r.Expect(r.get(cluster).Annotations).To(BeEmpty())

		r.edit(cluster, func(c *v1alpha1.DatabricksCluster) { c.Spec.SparkConf = map[string]string{"spark.speculation": "true"} })
		r.becomes(cluster, "Ready=Running")
		r.Expect(r.writes()).To(Equal([]string{"create"}))
		r.Expect(conditions(r.get(cluster))).NotTo(ContainElement(HavePrefix("Stalled=")))
		r.Expect(r.live()[0].Settings["spark_conf"]).To(HaveKeyWithValue("spark.speculation", "true"))
	})
	t.Run("an object that has a cluster [P16] [S17]", func(t *testing.T) {
		r := newRig(t)
		cluster := r.running(sparkConf("spark.speculation", "true"), func(s *v1alpha1.DatabricksClusterSpec) {
			s.Libraries = []v1alpha1.Library{{Jar: "/Volumes/a.jar"}}
		})
		r.becomes(cluster, "LibrariesReady=LibrariesInstalled")
		before := r.inSync(cluster)

		r.edit(cluster, func(c *v1alpha1.DatabricksCluster) {
			admittedOversized(&c.Spec)
			c.Spec.NumWorkers = new(int32(3))
			c.Spec.Libraries = nil
			for i := range 20 {
				c.Spec.Libraries = append(c.Spec.Libraries, v1alpha1.Library{Jar: "/Volumes/" + strings.Repeat(string(rune('a'+i)), 200)})
			}
			c.Annotations = map[string]string{v1alpha1.AnnotationRequest: v1alpha1.RequestRestart + "@1"}
		})
		now := r.becomes(cluster, "Stalled=InvalidSpec")
		r.Expect(message(now, v1alpha1.ConditionStalled)).To(HavePrefix("spec is 710 KiB; at most 256 KiB in all: spec.sparkConf has 705 KiB, spec.libraries has 5 KiB"))
		r.Expect(conditions(now)).To(ContainElement("LibrariesReady?=InvalidSpec"))
		r.Consistently(r.writes).Should(BeEmpty())
		r.stop()
		r.start()
		r.Consistently(r.writes).Should(BeEmpty())
		now = r.get(cluster)
		r.Expect(now.Status.Libraries).To(Equal(before.Status.Libraries))
		r.Expect(now.Status.OwnedFields).To(Equal(before.Status.OwnedFields))
		r.Expect(now.Spec.Libraries).To(HaveLen(20))

		// The state of the cluster still changes in the status.
		r.end(cluster.Status.ClusterID, "INACTIVITY", "SUCCESS")
		r.Eventually(func() string { return r.get(cluster).Status.State }).Should(Equal("TERMINATED"))

		r.edit(cluster, func(c *v1alpha1.DatabricksCluster) {
			c.Annotations = nil
			c.Spec.SparkConf, c.Spec.Libraries, c.Spec.NumWorkers = before.Spec.SparkConf, before.Spec.Libraries, before.Spec.NumWorkers
		})
		r.Eventually(func() []string { return conditions(r.get(cluster)) }).Should(ContainElement("Synced=InSync"))
		r.Expect(conditions(r.get(cluster))).NotTo(ContainElement(HavePrefix("Stalled=")))
		r.Expect(r.writes()).To(BeEmpty())
	})
	t.Run("the deletion continues [P16] [S17]", func(t *testing.T) {
		r := newRig(t)
		cluster := r.running()
		r.edit(cluster, func(c *v1alpha1.DatabricksCluster) { admittedOversized(&c.Spec) })
		r.becomes(cluster, "Stalled=InvalidSpec")
		r.remove(cluster)
		r.gone(cluster)
		r.Expect(r.live()).To(BeEmpty())
	})
}

// TestAnOversizedPolicyIsNotApplied: the schema cannot limit the rules of a definition,
// because it does not know their members.
func TestAnOversizedPolicyIsNotApplied(t *testing.T) {
	large := func(now managed.Object) {
		now.Resource.(*v1alpha1.DatabricksClusterPolicy).Spec.Definition["spark_version"] = rule(
			`{"type": "allowlist", "values": ["` + strings.Repeat("x", 300<<10) + `"]}`)
	}
	r := newListedRig(t, policyKind)
	r.start()
	object := r.make(r.with("x"))
	before := r.is(object, "Ready=Available")
	r.change(object, large)
	stalled := r.is(object, "Stalled=InvalidSpec")
	r.Expect(said(stalled, v1alpha1.ConditionStalled)).To(Equal(
		"spec is 301 KiB; at most 256 KiB in all: spec.definition has 301 KiB; shorten them"), "[P16] [S17]")
	fresh := r.make(r.with("y", large))
	r.is(fresh, "Stalled=InvalidSpec")
	r.stop()
	r.start()
	r.Consistently(r.sent).Should(Equal([]string{"create"}))
	now := r.now(object)
	r.Expect(now.Status.OwnedFields).To(Equal(before.Status.OwnedFields))
	r.Expect(now.Resource.(*v1alpha1.DatabricksClusterPolicy).Spec.Definition).To(HaveLen(2), "the fields that the cache lacks are still in the object")

	r.destroy(fresh)
	r.isGone(fresh)
	r.destroy(object)
	r.isGone(object)
	r.Expect(r.sent()).To(Equal([]string{"create", "delete"}))
}

func TestTheCacheTransform(t *testing.T) {
	t.Parallel()
	transformed := func(g Gomega, cluster *v1alpha1.DatabricksCluster) *v1alpha1.DatabricksCluster {
		out, err := controller.CacheOptions(controller.Scope{}).DefaultTransform(cluster)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(out).To(BeIdenticalTo(cluster))
		return cluster
	}
	stored := func(change func(*v1alpha1.DatabricksClusterSpec)) *v1alpha1.DatabricksCluster {
		cluster := &v1alpha1.DatabricksCluster{ObjectMeta: metav1.ObjectMeta{
			Name: "stored", UID: "u", ResourceVersion: "7",
			ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl"}},
			Annotations:   map[string]string{"example.com/note": "long", v1alpha1.AnnotationRequest: "restart@1"},
		}}
		cluster.Spec.ClusterName = "etl"
		change(&cluster.Spec)
		return cluster
	}
	t.Run("keeps a specification within the limit [P16]", func(t *testing.T) {
		g := NewWithT(t)
		now := transformed(g, stored(sparkConf("spark.speculation", "true")))
		g.Expect(now.ManagedFields).To(BeNil())
		g.Expect(now.Annotations).To(Equal(map[string]string{v1alpha1.AnnotationRequest: "restart@1"}))
		g.Expect(now.Spec.SparkConf).To(Equal(map[string]string{"spark.speculation": "true"}))
	})
	t.Run("drops the large fields of an oversized specification, and no patch contains them [P16] [S17]", func(t *testing.T) {
		g := NewWithT(t)
		now := transformed(g, stored(admittedOversized))
		g.Expect(now.Spec.SparkConf).To(BeEmpty())
		g.Expect(now.Spec.ClusterName).To(Equal("etl"))
		again := transformed(g, now.DeepCopy())
		g.Expect(again).To(Equal(now))

		finalized := now.DeepCopy()
		finalized.Finalizers = []string{v1alpha1.FinalizerCluster}
		g.Expect(client.MergeFrom(now).Data(finalized)).To(MatchJSON(`{"metadata":{"finalizers":["` + v1alpha1.FinalizerCluster + `"]}}`))
		reported := now.DeepCopy()
		reported.Status.State = "RUNNING"
		g.Expect(client.MergeFrom(now).Data(reported)).To(MatchJSON(`{"status":{"state":"RUNNING"}}`))
	})
}
