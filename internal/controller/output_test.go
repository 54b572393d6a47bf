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
)

func publishedIn(name string) specChange {
	return func(s *v1alpha1.DatabricksClusterSpec) { s.OutputConfigMap = &v1alpha1.OutputConfigMap{Name: name} }
}

func (r *rig) configMap(name string) *corev1.ConfigMap {
	found := &corev1.ConfigMap{}
	if err := r.api.Get(r.t.Context(), client.ObjectKey{Namespace: r.namespace, Name: name}, found); err != nil {
		return &corev1.ConfigMap{}
	}
	return found
}

func TestOutputConfigMap(t *testing.T) {
	t.Parallel()
	t.Run("it has the address of the cluster, belongs to the object, and has no secret", func(t *testing.T) {
		r := newRig(t)
		cluster := r.running(publishedIn("found"))
		r.Eventually(func() map[string]string { return r.configMap("found").Data }).ShouldNot(BeEmpty())
		found := r.configMap("found")
		workspaceID := cluster.Status.WorkspaceID
		if workspaceID == "" {
			workspaceID = "0"
		}
		r.Expect(found.Data).To(Equal(map[string]string{
			"DATABRICKS_HOST":       cluster.Status.Host,
			"DATABRICKS_CLUSTER_ID": cluster.Status.ClusterID,
			"DATABRICKS_HTTP_PATH":  "sql/protocolv1/o/" + workspaceID + "/" + cluster.Status.ClusterID,
		}))
		r.Expect(metav1.IsControlledBy(found, cluster)).To(BeTrue())
		r.Expect(r.writes()).To(BeEmpty())
	})

	t.Run("changed keys are corrected, other keys stay, and a new cluster changes it", func(t *testing.T) {
		r := newRig(t)
		cluster := r.running(publishedIn("found"))
		r.Eventually(func() map[string]string { return r.configMap("found").Data }).ShouldNot(BeEmpty())
		found := r.configMap("found")
		found.Data["DATABRICKS_HOST"], found.Data["foreign"] = "https://elsewhere", "1"
		r.Expect(r.api.Update(r.t.Context(), found)).To(Succeed())
		r.Expect(r.workspace.DeleteElsewhere(cluster.Status.ClusterID)).To(Succeed())
		r.Eventually(func() string { return r.get(cluster).Status.ClusterID }).ShouldNot(Equal(cluster.Status.ClusterID))
		r.Eventually(func() map[string]string { return r.configMap("found").Data }).Should(And(
			HaveKeyWithValue("DATABRICKS_HOST", cluster.Status.Host), HaveKeyWithValue("foreign", "1"),
			HaveKeyWithValue("DATABRICKS_CLUSTER_ID", Not(Equal(cluster.Status.ClusterID)))))
		version := r.configMap("found").ResourceVersion
		r.becomes(cluster, "Ready=Running")
		r.Consistently(func() string { return r.configMap("found").ResourceVersion }).Should(Equal(version))
	})

	t.Run("a ConfigMap of another owner is reported and not changed, and the cluster stays managed", func(t *testing.T) {
		r := newRig(t)
		foreign := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "foreign", Namespace: r.namespace}, Data: map[string]string{"a": "b"}}
		r.Expect(r.api.Create(t.Context(), foreign)).To(Succeed())
		r.start()
		cluster := r.create(r.small("scratch", publishedIn("foreign")))
		stalled := r.becomes(cluster, "Stalled=InvalidSpec")
		r.Expect(message(stalled, "Stalled")).To(ContainSubstring("ConfigMap foreign exists"))
		r.Expect(r.configMap("foreign").Data).To(Equal(map[string]string{"a": "b"}))
		r.editSpec(cluster, fixed(3))
		r.Eventually(r.writes).Should(ContainElement("resize"))
		r.editSpec(cluster, publishedIn("ours"))
		r.becomes(cluster, "Ready=Running")
		r.Eventually(func() map[string]string { return r.configMap("ours").Data }).Should(HaveLen(3))
	})
}

func TestOutputConfigMapNeedsARoleBinding(t *testing.T) {
	r := newRig(t)
	r.asShippedAccount()
	r.start()
	cluster := r.create(r.small("etl", publishedIn("etl-cluster")))
	stalled := r.becomes(cluster, "Stalled=PermissionDenied")
	r.Expect(message(stalled, "Stalled")).To(And(
		HavePrefix("spec.outputConfigMap: the operator may not read ConfigMap etl-cluster"),
		ContainSubstring("in namespace "+r.namespace+", create a RoleBinding of the ClusterRole databricks-operator-output-configmap-writer"),
	), "[S16]")
	r.Expect(r.get(cluster).Status.ClusterID).NotTo(BeEmpty(), "the cluster is kept")

	r.bindToOperator("output_configmap_writer_role.yaml")
	// Any change of the object has the ConfigMap looked at before the minute is over.
	r.editSpec(cluster, fixed(2))
	r.Eventually(func() map[string]string { return r.configMap("etl-cluster").Data }).Should(HaveKey("DATABRICKS_CLUSTER_ID"), "[S2] [S16]")
	r.becomes(cluster, "Ready=Running")
	made := r.configMap("etl-cluster")
	made.Data["DATABRICKS_HOST"] = "https://elsewhere"
	r.Expect(r.api.Update(t.Context(), made)).To(Succeed())
	r.editSpec(cluster, fixed(3))
	r.Eventually(func() string { return r.configMap("etl-cluster").Data["DATABRICKS_HOST"] }).Should(Equal(r.get(cluster).Status.Host), "[S2] get and patch suffice")

	// The policies on the account are in force soon, and let the operator do all this. Until
	// then each attempt changes the ConfigMap, so the next one has to be another change.
	attempts := 0
	r.Eventually(func() error {
		attempts++
		patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"data": {"more": "%d"}}`, attempts))
		return r.asOperator().Patch(t.Context(), r.configMap("etl-cluster"), patch)
	}).Should(MatchError(ContainSubstring("may write only DATABRICKS_HOST")), "[S16]")
	r.editSpec(cluster, fixed(2))
	r.becomes(cluster, "Ready=Running")
	r.remove(cluster)
	r.gone(cluster)
	other := r.create(r.small("etl-2", publishedIn("etl-2")))
	r.becomes(other, "Ready=Running")
	r.Eventually(func() map[string]string { return r.configMap("etl-2").Data }).Should(HaveLen(3), "[S16]")
	r.remove(other)
	r.gone(other)
}
