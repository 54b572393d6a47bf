package controller_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// forListed runs a test for each listed kind, with a rig of its own.
func forListed(t *testing.T, test func(r *listedRig)) {
	t.Helper()
	t.Parallel()
	for _, kind := range listedKinds {
		t.Run(kind.Name, func(t *testing.T) { test(newListedRig(t, kind)) })
	}
}

func newListedRig(t *testing.T, kind listedKind) *listedRig {
	t.Helper()
	r := &listedRig{rig: newRig(t), kind: kind}
	r.Expect(r.workspace.AddToken("", simulator.DefaultUser, otherToken)).To(Succeed())
	return r
}

func TestListedLife(t *testing.T) {
	forListed(t, func(r *listedRig) {
		r.start()
		object := r.make(r.with("x"))
		made := r.is(object, "Ready=Available")
		r.Expect(conditionsIn(made.Status.Conditions)).To(ConsistOf("Ready=Available", "Synced=InSync"), "[case-101]")
		remote := r.remote(made)
		r.Expect(remote[r.kind.WireName]).To(Equal(r.namespace + "-x"))
		r.Expect(made.Status.Name).To(Equal(r.namespace + "-x"))
		r.Expect(remote[r.kind.member]).To(BeEquivalentTo(3))

		r.change(object, func(now managed.Object) { r.kind.edit(now.Resource, 7) })
		r.Eventually(func() any { return r.remote(made)[r.kind.member] }).Should(BeEquivalentTo(7), "[case-102]")
		r.is(object, "Synced=InSync")

		r.destroy(object)
		r.Eventually(r.sent, "3s").Should(ContainElement("delete"))
		r.isGone(object)
		r.Expect(r.remotes()).To(BeEmpty(), "[case-103]")
		r.Expect(r.sent()).To(Equal([]string{"create", "edit", "delete"}))
	})
}

func TestListedDrift(t *testing.T) {
	forListed(t, func(r *listedRig) {
		r.start()
		object := r.make(r.with("x"))
		made := r.is(object, "Ready=Available")
		body := r.remote(made)
		body[r.kind.member] = 9
		r.elsewhere("edit", body)
		r.Eventually(func() any { return r.remote(made)[r.kind.member] }).Should(BeEquivalentTo(3), "[case-104]")
		r.is(object, "Synced=InSync")
		r.Expect(r.sent()).To(Equal([]string{"create", "edit"}))
		r.Eventually(func() []string { return eventsOf(r.rig, "x") }).Should(ContainElement(managed.EventDriftCorrected))

		r.change(object, func(now managed.Object) { now.Spec.DriftPolicy = v1alpha1.CorrectionPolicyWarn })
		r.is(object, "Ready=Available")
		r.elsewhere("edit", body)
		r.is(object, "Ready=DriftTolerated")
		r.is(object, "Synced!=DriftDetected")
		r.Consistently(r.sent).Should(HaveLen(2), "[case-105]")
	})
}
