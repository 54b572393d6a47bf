package controller_test

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
)

func TestARotatedRegistryPasswordIsSent(t *testing.T) {
	t.Parallel()
	t.Run("[case-77]", func(t *testing.T) {
		r := newRig(t)
		puller := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: r.namespace, Name: "puller", Labels: map[string]string{v1alpha1.LabelUse: v1alpha1.UseRegistry},
			},
			Data: map[string][]byte{"username": []byte("u"), "password": []byte("hunter2")},
		}
		r.Expect(r.api.Create(t.Context(), puller)).To(Succeed())
		cluster := r.running(func(s *v1alpha1.DatabricksClusterSpec) {
			s.DockerImage = &v1alpha1.DockerImage{URL: "r/i:1", BasicAuthSecretRef: &v1alpha1.LocalSecretReference{Name: "puller"}}
		})
		before := r.inSync(cluster).Status.SecretsDigest
		r.Expect(before).NotTo(BeEmpty())

		puller.Data["password"] = []byte("hunter3")
		r.Expect(r.api.Update(t.Context(), puller)).To(Succeed())
		r.edit(cluster, func(c *v1alpha1.DatabricksCluster) {
			c.Annotations = map[string]string{v1alpha1.AnnotationRequest: v1alpha1.RequestReconcile + "@1"}
		})
		r.Eventually(r.writes).Should(Equal([]string{"update"}))
		r.Eventually(func() string { return r.get(cluster).Status.SecretsDigest }).Should(And(HavePrefix("v1:"), Not(Equal(before))))
		after := r.inSync(cluster)
		record, _ := r.workspace.Cluster(cluster.Status.ClusterID)
		image, _ := record.Settings["docker_image"].(map[string]any)
		r.Expect(image["basic_auth"]).To(HaveKeyWithValue("password", "hunter3"))
		r.stop()
		r.start()
		r.Consistently(r.writes).Should(Equal([]string{"update"}))
		r.Expect(r.get(cluster).Status.SecretsDigest).To(Equal(after.Status.SecretsDigest))
	})
}

func TestAStatusOfAnOlderVersionCausesNoWrite(t *testing.T) {
	t.Parallel()
	t.Run("[case-80]", func(t *testing.T) {
		r := newRig(t)
		cluster := r.running(sparkConf("spark.speculation", "true"))
		r.inSync(cluster)
		r.stop()
		older := r.get(cluster)
		older.Status.AppliedDigest, older.Status.SecretsDigest, older.Status.NormalizedFields = "0123456789abcdef", "", nil
		r.Expect(r.api.Status().Update(t.Context(), older)).To(Succeed())
		r.start()
		r.Eventually(func() string { return r.get(cluster).Status.AppliedDigest }).Should(HavePrefix("v1:"))
		r.Consistently(r.writes).Should(BeEmpty())
	})
}

func TestASecretIsSentOnlyWithItsLabel(t *testing.T) {
	t.Parallel()
	uses := map[string]func(*v1alpha1.DatabricksClusterSpec){
		v1alpha1.UseRegistry: func(s *v1alpha1.DatabricksClusterSpec) {
			s.DockerImage = &v1alpha1.DockerImage{URL: "r/i:1", BasicAuthSecretRef: &v1alpha1.LocalSecretReference{Name: "others"}}
		},
		v1alpha1.UseLogAnalytics: func(s *v1alpha1.DatabricksClusterSpec) {
			s.AzureAttributes = &v1alpha1.AzureAttributes{LogAnalyticsInfo: &v1alpha1.LogAnalyticsInfo{
				LogAnalyticsWorkspaceID:         "w",
				LogAnalyticsPrimaryKeySecretRef: &v1alpha1.LocalSecretKeyReference{Name: "others", Key: "password"},
			}}
		},
	}
	otherUse := map[string]string{v1alpha1.UseRegistry: v1alpha1.UseLogAnalytics, v1alpha1.UseLogAnalytics: v1alpha1.UseRegistry}
	for use, uses := range uses {
		for name, labels := range map[string]map[string]string{"no label": nil, "the label of another use": {v1alpha1.LabelUse: otherUse[use]}} {
			t.Run("[S12] "+use+", "+name, func(t *testing.T) {
				r := newRig(t)
				secret := &corev1.Secret{
					ObjectMeta: metav1.ObjectMeta{Namespace: r.namespace, Name: "others", Labels: labels},
					Data:       map[string][]byte{"username": []byte("u"), "password": []byte("hunter2")},
				}
				r.Expect(r.api.Create(t.Context(), secret)).To(Succeed())
				r.start()
				cluster := r.create(r.small("scratch", uses))
				refused := r.becomes(cluster, "Ready!=CredentialsNotReady")
				r.Expect(message(refused, v1alpha1.ConditionReady)).To(And(
					ContainSubstring(`Secret "others" does not permit this use`), ContainSubstring(v1alpha1.LabelUse+": "+use)))
				r.Expect(r.calls("clusters/create")).To(BeZero())

				secret.Labels = map[string]string{v1alpha1.LabelUse: use}
				r.Expect(r.api.Update(t.Context(), secret)).To(Succeed())
				r.edit(cluster, func(c *v1alpha1.DatabricksCluster) {
					c.Annotations = map[string]string{v1alpha1.AnnotationRequest: v1alpha1.RequestReconcile + "@1"}
				})
				r.becomes(cluster, "Ready=Running")
			})
		}
	}
}
