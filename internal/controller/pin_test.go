package controller_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

func pinned(wanted bool) specChange {
	return func(s *v1alpha1.DatabricksClusterSpec) { s.Pinned = new(wanted) }
}

// pinLists returns the number of lists of pinned clusters.
func (r *rig) pinLists() int {
	count := 0
	for _, entry := range r.workspace.RequestsTo("clusters/list") {
		if strings.Contains(entry.Query, "is_pinned") {
			count++
		}
	}
	return count
}

func TestPin(t *testing.T) {
	t.Parallel()
	eachSize(t, "[case-46] a change of pinned is one pin or unpin", func(t *testing.T, size size) {
		r := size.rig(t)
		cluster := r.running()
		r.Expect(r.pinLists()).To(BeZero())
		r.editSpec(cluster, pinned(true))
		r.Eventually(func() *bool { return r.get(cluster).Status.Pinned }).Should(HaveValue(BeTrue()))
		r.Expect(r.writes()).To(Equal([]string{"pin"}))
		record, _ := r.workspace.Cluster(cluster.Status.ClusterID)
		r.Expect(record.Pinned).To(BeTrue())
		r.editSpec(cluster, pinned(false))
		r.Eventually(func() *bool { return r.get(cluster).Status.Pinned }).Should(HaveValue(BeFalse()))
		r.editSpec(cluster, func(s *v1alpha1.DatabricksClusterSpec) { s.Pinned = nil })
		r.Eventually(func() *bool { return r.get(cluster).Status.Pinned }).Should(BeNil())
		r.Consistently(r.writes).Should(Equal([]string{"pin", "unpin"}))
	})

	eachSize(t, "[case-46] a removed pin is set again; an existing one causes no write, not even after a restart of the operator", func(t *testing.T, size size) {
		r := size.rig(t)
		cluster := r.running(pinned(true))
		r.Eventually(func() *bool { return r.get(cluster).Status.Pinned }).Should(HaveValue(BeTrue()))
		r.workspace.ClearRequests()
		r.stop()
		r.start()
		r.Eventually(r.pinLists).Should(BeNumerically(">", 1))
		r.Expect(r.writes()).To(BeEmpty())
		r.call("POST", "/api/2.1/clusters/unpin", `{"cluster_id": "`+cluster.Status.ClusterID+`"}`)
		r.Eventually(r.writes).Should(Equal([]string{"unpin", "pin"}))
	})

	refusals := map[string]simulator.Fault{
		"a limit": {Status: http.StatusBadRequest, ErrorCode: "INVALID_PARAMETER_VALUE", Message: "Cannot pin more than 100 clusters"},
		"a 403":   {Status: http.StatusForbidden, ErrorCode: "PERMISSION_DENIED", Message: "Only workspace administrators can pin and unpin clusters"},
	}
	for what, fault := range refusals {
		eachSize(t, "[case-46] "+what+" is reported, retried slowly, and delays no other step", func(t *testing.T, size size) {
			r := size.rig(t)
			fault := fault
			fault.Endpoint = "clusters/pin"
			r.workspace.AddFault(fault)
			cluster := r.running(pinned(true))
			r.Eventually(func() []string { return r.events(cluster) }).Should(ContainElement("PinRefused"))
			r.Eventually(func() string { return message(r.get(cluster), "Ready") }).Should(ContainSubstring(fault.Message))
			now := r.get(cluster)
			r.Expect(conditions(now)).To(ConsistOf("Ready=Running", "Synced=InSync", "Running=Running"))
			r.Expect(now.Status.Pinned).To(HaveValue(BeFalse()))
			if r.fleet != nil { // the process that was started last tries once
				r.Eventually(func() int { return len(r.workspace.RequestsTo("clusters/pin")) }).Should(Equal(1))
			}
			tries := len(r.workspace.RequestsTo("clusters/pin"))
			r.editSpec(cluster, fixed(3)) // also retries the pin
			r.inSync(cluster)
			r.Eventually(r.writes).Should(ContainElement("resize"))
			r.Consistently(func() int { return len(r.workspace.RequestsTo("clusters/pin")) }).Should(BeNumerically("<=", tries+1))
			r.workspace.ClearFaults()
			r.editSpec(cluster, fixed(2))
			r.Eventually(func() *bool { return r.get(cluster).Status.Pinned }).Should(HaveValue(BeTrue()))
			r.Eventually(func() string { return message(r.get(cluster), "Ready") }).ShouldNot(ContainSubstring("spec.pinned"))
		})
	}

	eachSize(t, "[case-46] the pins of a whole workspace cost one list per interval", func(t *testing.T, size size) {
		r := size.rig(t)
		r.cacheOptions.Slow = time.Hour
		r.start()
		var all []*v1alpha1.DatabricksCluster
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			all = append(all, r.create(r.small(name, pinned(true))))
		}
		for _, cluster := range all {
			r.becomes(cluster, "Ready=Running")
			r.Eventually(func() *bool { return r.get(cluster).Status.Pinned }).Should(HaveValue(BeTrue()))
		}
		r.Expect(r.pinLists()).To(Equal(1))
	})

	t.Run("a pinned cluster is unpinned and deleted with its object", func(t *testing.T) {
		r := newRig(t)
		cluster := r.running(pinned(true))
		r.Eventually(func() *bool { return r.get(cluster).Status.Pinned }).Should(HaveValue(BeTrue()))
		r.remove(cluster)
		r.gone(cluster)
		r.Expect(r.live()).To(BeEmpty())
	})
}
