package controller_test

import (
	"testing"

	. "github.com/onsi/gomega"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

func TestAdvice(t *testing.T) {
	t.Parallel()
	t.Run("a runtime that the workspace does not list is reported once, with a suggestion", func(t *testing.T) {
		r := newRig(t)
		r.start()
		cluster := r.create(r.small("scratch", func(s *v1alpha1.DatabricksClusterSpec) { s.SparkVersion = "16.4.x-scala2.21" }))
		r.Eventually(func() []string { return r.notes(cluster, "SpecDoubtful") }).Should(ConsistOf(
			And(ContainSubstring("spec.sparkVersion"), ContainSubstring("16.4.x-scala2.21"), ContainSubstring("16.4.x-scala2.12"))))
		r.stop()
		r.start()
		r.Consistently(func() []string { return r.notes(cluster, "SpecDoubtful") }).Should(HaveLen(1))
	})

	t.Run("a policy and a pool that the workspace does not have are reported", func(t *testing.T) {
		r := newRig(t, simulator.Options{Workspaces: []simulator.Workspace{{
			Pools:      []simulator.Pool{{ID: "0101-120000-pool1", NodeTypeID: "i3.xlarge"}},
			Policies:   []simulator.Policy{{ID: "9C6308F703005DF2", Name: "etl", Definition: "{}"}},
			Principals: []simulator.Principal{{UserName: simulator.DefaultUser, Tokens: []string{simulator.DefaultToken}}},
		}}})
		r.start()
		cluster := r.create(r.small("scratch", func(s *v1alpha1.DatabricksClusterSpec) {
			s.PolicyID, s.InstancePoolID, s.NodeTypeID = "etl", "0101-120000-pool2", ""
		}))
		r.Eventually(func() []string { return r.notes(cluster, "SpecDoubtful") }).Should(ConsistOf(
			And(ContainSubstring(`spec.policyID "etl"`), ContainSubstring("9C6308F703005DF2"),
				ContainSubstring(`spec.instancePoolID "0101-120000-pool2"`), ContainSubstring("0101-120000-pool1"))))
	})

	t.Run("a valid specification causes no advice, and the status has the name of the runtime", func(t *testing.T) {
		r := newRig(t)
		cluster := r.running(func(s *v1alpha1.DatabricksClusterSpec) { s.RuntimeEngine = v1alpha1.RuntimeEnginePhoton })
		r.Expect(r.get(cluster).Status.Effective.Runtime).To(Equal("16.4 Photon"))
		r.Expect(r.notes(cluster, "SpecDoubtful")).To(BeEmpty())
	})
}

// notes returns the notes of an object's events with a reason.
func (r *rig) notes(cluster *v1alpha1.DatabricksCluster, reason string) []string {
	var list eventsv1.EventList
	if err := r.api.List(r.t.Context(), &list, client.InNamespace(r.namespace)); err != nil {
		return nil
	}
	var notes []string
	for _, event := range list.Items {
		if event.Regarding.Name == cluster.Name && event.Reason == reason {
			notes = append(notes, event.Note)
		}
	}
	return notes
}
