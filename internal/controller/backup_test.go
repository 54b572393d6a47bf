package controller_test

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// These tests follow the recipes of docs/backup.md.

// restoredWithStatus returns an object as a backup with status restores it: another object
// with the same fields.
func (r *rig) restoredWithStatus(namespace string, backup *v1alpha1.DatabricksCluster, change ...specChange) *v1alpha1.DatabricksCluster {
	r.t.Helper()
	restored := r.small(backup.Name, change...)
	restored.Namespace = namespace
	r.Expect(r.api.Create(r.t.Context(), restored)).To(Succeed())
	restored.Status = *backup.Status.DeepCopy()
	r.Expect(r.api.Status().Update(r.t.Context(), restored)).To(Succeed())
	return restored
}

func TestARenamedOrMovedObject(t *testing.T) {
	t.Parallel()
	for name, move := range map[string]func(r *rig, cluster *v1alpha1.DatabricksCluster){
		"renamed": func(_ *rig, cluster *v1alpha1.DatabricksCluster) { cluster.Name = "renamed" },
		"moved to another namespace": func(r *rig, cluster *v1alpha1.DatabricksCluster) {
			cluster.Namespace = r.newNamespace()
			r.putSecretIn(cluster.Namespace, defaultSecret, r.workspace.URL, simulator.DefaultToken)
			r.stop()
			r.tenants = append(r.tenants, cluster.Namespace)
			r.start()
		},
	} {
		eachSize(t, "[case-81] an object that is "+name+" takes its cluster along by clusterID and the take-over annotation", func(t *testing.T, size size) {
			r := size.rig(t)
			former := r.running()
			id := former.Status.ClusterID
			r.editSpec(former, retained)
			r.remove(former)
			r.gone(former)

			later := r.small("scratch", func(s *v1alpha1.DatabricksClusterSpec) { s.ClusterID = id })
			move(r, later)
			later.Annotations = map[string]string{v1alpha1.AnnotationTakeOver: operatorID}
			r.create(later)
			now := r.becomes(later, "Ready=Running")
			r.Expect(now.Status.ClusterID).To(Equal(id))
			r.becomes(later, "Synced=InSync")
			r.Expect(r.quietWrites()).To(BeEmpty())
			r.editSpec(later, fixed(2))
			r.inSync(later)
			r.Expect(r.quietWrites()).To(Equal([]string{"resize"}))
		})
	}
}

func TestARestoreWithStatus(t *testing.T) {
	t.Parallel()
	eachSize(t, "[case-81] in the same control plane the object keeps its cluster with AdoptOrCreate", func(t *testing.T, size size) {
		r := size.rig(t)
		backup := r.running(adoptOrCreate)
		r.stop()
		r.lose(backup)
		restored := r.restoredWithStatus(r.namespace, backup, adoptOrCreate)
		r.start()
		// The restored conditions are those of the backup.
		r.Eventually(func() []string { return r.get(restored).Finalizers }).Should(ContainElement(v1alpha1.FinalizerCluster))
		r.inSync(restored)
		now := r.becomes(restored, "Ready=Running")
		r.Expect(now.Status.ClusterID).To(Equal(backup.Status.ClusterID))
		r.Expect(r.quietWrites()).To(BeEmpty())
		r.remove(restored)
		r.gone(restored)
		record, _ := r.workspace.Cluster(backup.Status.ClusterID)
		r.Expect(record.Exists()).To(BeFalse(), "the cluster is its own")
	})

	eachSize(t, "[case-81] without AdoptOrCreate the object stalls, since the tag names the earlier object", func(t *testing.T, size size) {
		r := size.rig(t)
		backup := r.running()
		r.stop()
		r.lose(backup)
		restored := r.restoredWithStatus(r.namespace, backup)
		r.start()
		r.becomes(restored, "Stalled=AlreadyManaged")
		r.Expect(r.quietWrites()).To(BeEmpty())
	})

	eachSize(t, "[case-81] a copy in another namespace never changes or deletes the cluster of the original", func(t *testing.T, size size) {
		r := size.rig(t)
		original := r.running()
		namespace := r.newNamespace()
		r.putSecretIn(namespace, defaultSecret, r.workspace.URL, simulator.DefaultToken)
		r.stop()
		r.tenants = append(r.tenants, namespace)
		copied := r.restoredWithStatus(namespace, original, adoptOrCreate, fixed(7))
		r.start()
		r.becomes(copied, "Stalled=AlreadyManaged")
		r.remove(copied)
		r.gone(copied)
		r.Expect(r.quietWrites()).To(BeEmpty())
		r.Expect(conditions(r.get(original))).To(ContainElements("Ready=Running", "Synced=InSync"))
	})
}

func TestAFailoverToAnotherControlPlaneAndBack(t *testing.T) {
	t.Parallel()
	t.Run("[case-81] [R18] twelve clusters change their control plane twice, with an edit there, and none is created, edited or restarted for that", func(t *testing.T) {
		r := newRig(t)
		r.options.Adoption.Default = v1alpha1.AdoptionPolicyAdoptOrCreate
		namespaces := []string{r.namespace, r.newNamespace(), r.newNamespace()}
		r.tenants = namespaces[1:]
		for _, namespace := range namespaces[1:] {
			r.putSecretIn(namespace, defaultSecret, r.workspace.URL, simulator.DefaultToken)
		}
		declared := func() (all []*v1alpha1.DatabricksCluster) {
			for i := range 12 {
				cluster := r.small(fmt.Sprintf("member-%02d", i))
				cluster.Namespace = namespaces[i%len(namespaces)]
				all = append(all, cluster)
			}
			return all
		}
		ids := map[string]string{}
		// settle applies the objects to the control plane of an operator id.
		settle := func(operatorID, predecessor string) {
			r.options.OperatorID, r.options.Adoption.Predecessors = operatorID, []string{predecessor}
			r.start()
			for _, cluster := range declared() {
				r.create(cluster)
			}
			for _, cluster := range declared() {
				now := r.becomes(cluster, "Ready=Running")
				r.becomes(cluster, "Synced=InSync")
				if before := ids[cluster.Name]; before != "" {
					r.Expect(now.Status.ClusterID).To(Equal(before))
				}
				ids[cluster.Name] = now.Status.ClusterID
			}
		}
		leave := func() {
			r.stop()
			for _, cluster := range declared() {
				r.lose(cluster)
			}
			r.workspace.ClearRequests()
		}
		const other = "1badcafe"
		settle(operatorID, other)
		leave()
		settle(other, operatorID)
		r.Expect(r.quietWrites()).To(BeEmpty(), "fail-over")
		edited := declared()[0]
		r.editSpec(edited, sparkConf("spark.x", "y"))
		r.Eventually(r.writes).Should(Equal([]string{"update"}))
		r.becomes(edited, "Ready=Running")
		r.editSpec(edited, func(s *v1alpha1.DatabricksClusterSpec) { s.SparkConf = nil })
		r.Eventually(r.writes).Should(Equal([]string{"update", "update"}))
		r.becomes(edited, "Ready=Running")
		leave()
		settle(operatorID, other)
		r.Expect(r.quietWrites()).To(BeEmpty(), "fail-back")
		r.Expect(r.live()).To(HaveLen(12))
	})
}
