package controller_test

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/report"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// lose removes an object without its cluster, as the loss of a control plane does.
func (r *rig) lose(cluster *v1alpha1.DatabricksCluster) {
	r.t.Helper()
	r.edit(cluster, func(now *v1alpha1.DatabricksCluster) { now.Finalizers = nil })
	r.remove(cluster)
	r.gone(cluster)
}

func adoptOrCreate(s *v1alpha1.DatabricksClusterSpec) {
	s.AdoptionPolicy = v1alpha1.AdoptionPolicyAdoptOrCreate
}

func TestRebuild(t *testing.T) {
	t.Parallel()
	t.Run("[case-81] [R18] a control plane that is built anew from Git adopts fifty clusters without a write", func(t *testing.T) {
		const objects = 50
		r := newRig(t)
		r.takes(func(t *simulator.Timings) { t.Launch = 0 })
		namespaces := []string{r.namespace, r.newNamespace(), r.newNamespace()}
		r.tenants = namespaces[1:]
		for _, namespace := range namespaces[1:] {
			r.putSecretIn(namespace, defaultSecret, r.workspace.URL, simulator.DefaultToken)
		}
		declared := func() (all []*v1alpha1.DatabricksCluster) {
			for i := range objects {
				cluster := r.small(fmt.Sprintf("member-%02d", i), sparkConf("spark.ui.enabled", "false"))
				cluster.Namespace = namespaces[i%len(namespaces)]
				all = append(all, cluster)
			}
			return all
		}
		r.start()
		before := map[client.ObjectKey]string{}
		for _, cluster := range declared() {
			r.create(cluster)
		}
		for _, cluster := range declared() {
			before[client.ObjectKeyFromObject(cluster)] = r.becomes(cluster, "Ready=Running").Status.ClusterID
		}
		r.stop()
		for _, cluster := range declared() {
			r.lose(cluster)
		}
		r.workspace.ClearRequests()

		// Another control plane has another operator id.
		r.options.OperatorID, r.options.Adoption.Predecessors = "1badcafe", []string{operatorID}
		r.options.Adoption.Default = v1alpha1.AdoptionPolicyAdoptOrCreate
		r.start()
		for _, cluster := range declared() {
			r.create(cluster)
		}
		for _, cluster := range declared() {
			now := r.becomes(cluster, "Ready=Running")
			r.becomes(cluster, "Synced=InSync")
			r.Expect(now.Status.ClusterID).To(Equal(before[client.ObjectKeyFromObject(cluster)]))
			r.Expect(now.Status.Adopted).To(BeFalse(), "the cluster is the object's own, and is deleted with it")
		}
		r.lists(3)
		r.Expect(r.writes()).To(BeEmpty())
		r.stop()
		r.start()
		r.lists(3)
		r.Expect(r.writes()).To(BeEmpty(), "after a restart")

		some := declared()[0]
		r.editSpec(some, sparkConf("spark.ui.enabled", "true"))
		r.Eventually(r.writes).Should(Equal([]string{"update"}))
		r.becomes(some, "Ready=Running")
		r.remove(some)
		r.gone(some)
		r.Expect(r.live()).To(HaveLen(objects - 1))
	})

	eachSize(t, "[case-81] what differs from the adopted cluster is applied once, as a changed spec", func(t *testing.T, size size) {
		r := size.rig(t)
		r.start()
		id := r.becomes(r.create(r.small("scratch", sparkConf("a", "1"))), "Ready=Running").Status.ClusterID
		r.becomes(r.small("scratch"), "Synced=InSync")
		r.stop()
		r.lose(r.small("scratch"))
		r.start()
		r.create(r.small("scratch", sparkConf("a", "2"), adoptOrCreate))
		r.Eventually(func() any {
			record, _ := r.workspace.Cluster(id)
			return record.Spec["spark_conf"]
		}).Should(HaveKeyWithValue("a", "2"))
		r.Expect(r.becomes(r.small("scratch"), "Synced=InSync").Status.ClusterID).To(Equal(id))
		r.Expect(r.quietWrites()).To(Equal([]string{"create", "update"}))
		record, _ := r.workspace.Cluster(id)
		r.Expect(record.Owner).To(Equal(tagOf(r.get(r.small("scratch")))), "the update replaces the tag")
	})

	eachSize(t, "[case-81] without adoptionPolicy a second cluster is made, and the first one stays as it is", func(t *testing.T, size size) {
		r := size.rig(t)
		r.start()
		first := r.becomes(r.create(r.small("scratch")), "Ready=Running").Status.ClusterID
		r.stop()
		r.lose(r.small("scratch"))
		r.start()
		second := r.becomes(r.create(r.small("scratch")), "Ready=Running").Status.ClusterID
		r.Expect(second).NotTo(Equal(first))
		r.Eventually(func() []string { return r.notes(r.small("scratch"), report.EventEarlierCluster) }).Should(ConsistOf(
			And(ContainSubstring(first), ContainSubstring("AdoptOrCreate"))))
		r.remove(r.small("scratch"))
		r.gone(r.small("scratch"))
		kept, _ := r.workspace.Cluster(first)
		r.Expect(kept.Exists()).To(BeTrue())
	})

	eachSize(t, "[case-81] two clusters of earlier objects stall the object, until one is left", func(t *testing.T, size size) {
		r := size.rig(t)
		r.start()
		var ids []string
		for range 2 {
			ids = append(ids, r.becomes(r.create(r.small("scratch")), "Ready=Running").Status.ClusterID)
			r.stop()
			r.lose(r.small("scratch"))
			r.start()
		}
		r.create(r.small("scratch", adoptOrCreate))
		stalled := r.becomes(r.small("scratch"), "Stalled=DuplicateClusters")
		for _, id := range ids {
			r.Expect(message(stalled, v1alpha1.ConditionStalled)).To(ContainSubstring(id))
		}
		r.Expect(r.workspace.CallElsewhere("clusters/permanent-delete", ids[0], nil)).To(Succeed())
		r.Expect(r.becomes(r.small("scratch"), "Ready=Running").Status.ClusterID).To(Equal(ids[1]))
		r.Expect(r.writes()).To(Equal([]string{"create", "create"}))
	})

	eachSize(t, "[case-81] a restored object without a cluster creates one, and a terminated one is adopted as it is", func(t *testing.T, size size) {
		r := size.rig(t)
		r.start()
		r.create(r.small("new", adoptOrCreate))
		r.becomes(r.small("new"), "Ready=Running")
		idle := r.becomes(r.create(r.small("idle")), "Ready=Running").Status.ClusterID
		r.Expect(r.workspace.CallElsewhere("clusters/delete", idle, nil)).To(Succeed())
		r.becomes(r.small("idle"), "Ready=TerminatedNormally")
		r.stop()
		r.lose(r.small("idle"))
		r.start()
		r.create(r.small("idle", adoptOrCreate))
		r.Expect(r.becomes(r.small("idle"), "Ready=TerminatedNormally").Status.ClusterID).To(Equal(idle))
		r.Consistently(r.writes).WithTimeout(time.Second).Should(Equal([]string{"create", "create"}))
	})
}
