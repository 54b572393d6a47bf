package controller_test

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/managed"
)

func poolOf(object managed.Object) *v1alpha1.DatabricksInstancePool {
	return object.Resource.(*v1alpha1.DatabricksInstancePool)
}

func TestPoolFields(t *testing.T) {
	t.Parallel()
	t.Run("[case-114] a field that Databricks does not change stalls the object, and nothing is deleted", func(t *testing.T) {
		r := newListedRig(t, poolKind)
		r.start()
		object := r.make(r.with("x"))
		r.is(object, "Ready=Available")
		r.change(object, func(now managed.Object) { poolOf(now).Spec.NodeTypeID = "m5.large" })
		stalled := r.is(object, "Stalled=ImmutableField")
		r.Expect(said(stalled, "Stalled")).To(And(ContainSubstring("spec.nodeTypeID"), ContainSubstring("create another DatabricksInstancePool")))
		r.Consistently(r.sent).Should(Equal([]string{"create"}))
		r.change(object, func(now managed.Object) { poolOf(now).Spec.NodeTypeID = "i3.xlarge" })
		r.is(object, "Ready=Available")
	})

	t.Run("[case-115] values that the server chooses are no drift, and what it makes otherwise is reported", func(t *testing.T) {
		r := newListedRig(t, poolKind)
		r.start()
		object := r.with("x").(*v1alpha1.DatabricksInstancePool)
		object.Spec.AWSAttributes = &v1alpha1.PoolAWSAttributes{Availability: "SPOT", SpotBidPricePercent: new(int32(80))}
		object.Spec.EnableElasticDisk = new(false)
		object.Spec.PreloadedSparkVersions = []string{"16.4.x-scala2.12"}
		object.Spec.DiskSpec = &v1alpha1.PoolDiskSpec{
			DiskType: &v1alpha1.PoolDiskType{EBSVolumeType: "GENERAL_PURPOSE_SSD"}, DiskCount: new(int32(1)), DiskSize: new(int32(100)),
		}
		r.make(object)
		made := r.is(object, "Ready=Available")
		remote := r.remote(made)
		r.Expect(remote["enable_elastic_disk"]).To(BeFalse())
		r.Expect(remote["disk_spec"]).To(HaveKeyWithValue("disk_type", map[string]any{"ebs_volume_type": "GENERAL_PURPOSE_SSD"}))
		r.Expect(conditionsIn(made.Status.Conditions)).To(ConsistOf("Ready=Available", "Synced=InSync"))
		r.Consistently(r.sent).Should(Equal([]string{"create"}))
	})

	t.Run("[case-117] tags: the operator's own is on the pool, and those of others stay", func(t *testing.T) {
		r := newListedRig(t, poolKind)
		r.start()
		object := r.make(r.with("x"))
		made := r.is(object, "Ready=Available")
		tags := r.remote(made)["custom_tags"].(map[string]any)
		r.Expect(tags).To(HaveKeyWithValue("team", "a"))
		r.Expect(tags).To(HaveKeyWithValue(v1alpha1.PoolOwnerTagKey, HavePrefix(operatorID)))
		body := r.remote(made)
		body["custom_tags"].(map[string]any)["cost"] = "theirs"
		r.elsewhere("edit", body)
		r.change(object, func(now managed.Object) {
			poolOf(now).Spec.CustomTags = map[string]string{"team": "b", "env": "dev"}
		})
		r.is(object, "Synced=InSync")
		r.Eventually(func() any { return r.remote(made)["custom_tags"] }).Should(And(
			HaveKeyWithValue("team", "b"), HaveKeyWithValue("env", "dev"), HaveKeyWithValue("cost", "theirs"), HaveKey(v1alpha1.PoolOwnerTagKey),
		))
		r.change(object, func(now managed.Object) { poolOf(now).Spec.CustomTags = map[string]string{"team": "b"} })
		r.Eventually(func() any { return r.remote(made)["custom_tags"] }).ShouldNot(HaveKey("env"))
		r.Expect(r.remote(made)["custom_tags"]).To(HaveKey("cost"))
	})

	t.Run("[case-129] the owner tag of another object stops every write, and a take-over permits them", func(t *testing.T) {
		r := newListedRig(t, poolKind)
		r.start()
		object := r.make(r.with("x"))
		made := r.is(object, "Ready=Available")
		body := r.remote(made)
		body["custom_tags"].(map[string]any)[v1alpha1.PoolOwnerTagKey] = anotherOwner
		r.elsewhere("edit", body)
		r.is(object, "Stalled=AlreadyManaged")
		r.change(object, func(now managed.Object) { r.kind.edit(now.Resource, 7) })
		r.is(object, "Stalled=AlreadyManaged")
		r.Expect(r.sent()).To(Equal([]string{"create"}))
		r.change(object, func(now managed.Object) {
			now.SetAnnotations(map[string]string{v1alpha1.AnnotationTakeOver: anotherOwner})
		})
		r.Eventually(func() any { return r.remote(made)["max_capacity"] }).Should(BeEquivalentTo(7))
	})

	t.Run("[case-101] the credential of a registry is sent with the create and shown nowhere", func(t *testing.T) {
		r := newListedRig(t, poolKind)
		r.start()
		object := r.with("x").(*v1alpha1.DatabricksInstancePool)
		object.Spec.PreloadedDockerImages = []v1alpha1.DockerImage{{
			URL: "registry.example.com/etl:1", BasicAuthSecretRef: &v1alpha1.LocalSecretReference{Name: "registry"},
		}}
		r.make(object)
		r.is(object, "Reconciling=CredentialsNotReady")
		secret := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: r.namespace, Name: "registry", Labels: map[string]string{v1alpha1.LabelUse: v1alpha1.UseRegistry}},
			Data:       map[string][]byte{"username": []byte("robot"), "password": []byte("hunter2-secret")},
		}
		r.Expect(r.api.Create(r.t.Context(), secret)).To(Succeed())
		r.change(object, func(now managed.Object) {
			now.SetAnnotations(map[string]string{v1alpha1.AnnotationRequest: "reconcile@1"})
		})
		made := r.is(object, "Ready=Available")
		bodies := r.workspace.RequestsTo("instance-pools/create")
		r.Expect(string(bodies[len(bodies)-1].Body)).To(ContainSubstring("hunter2-secret"))
		r.Expect(fmt.Sprint(*made.Status)).NotTo(ContainSubstring("hunter2"))
		r.Consistently(r.sent).Should(Equal([]string{"create"}))
	})
}

func TestPoolState(t *testing.T) {
	t.Parallel()
	t.Run("[case-138] [case-139] the numbers of instances, and kubectl scale", func(t *testing.T) {
		r := newListedRig(t, poolKind)
		r.start()
		object := r.make(r.with("x"))
		made := r.is(object, "Ready=Available")
		r.Expect(poolOf(made).Status.State).To(Equal("ACTIVE"))
		scale := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"replicas":2}}`))
		r.Expect(r.api.SubResource("scale").Patch(r.t.Context(), r.now(object).Resource, scale)).To(Succeed())
		r.Eventually(func() any { return r.remote(made)["min_idle_instances"] }).Should(BeEquivalentTo(2))
		r.Eventually(func() int32 {
			if stats := poolOf(r.now(object)).Status.Stats; stats != nil {
				return stats.Idle
			}
			return 0
		}).Should(BeEquivalentTo(2))
		r.is(object, "Ready=Available")
	})
}
