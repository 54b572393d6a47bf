package controller_test

import (
	"maps"
	"net/http"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

func TestListedCreateOnce(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]simulator.Fault{
		"[case-106] the answer is lost":                   {When: simulator.After, Drop: true},
		"[case-106] the answer is damaged":                {When: simulator.After, Truncate: true},
		"[case-106] the answer has no id":                 {When: simulator.After, Body: "{}"},
		"[case-107] the request is lost":                  {Drop: true},
		"[case-106] the gateway fails, and it is created": {When: simulator.After, Status: http.StatusBadGateway, HTML: true},
	} {
		t.Run(name, func(t *testing.T) {
			forListed(t, func(r *listedRig) {
				fault := fault
				fault.Endpoint, fault.Times = r.kind.endpoint+"create", 1
				r.workspace.AddFault(fault)
				r.start()
				object := r.make(r.with("x"))
				made := r.is(object, "Ready=Available")
				r.Expect(r.remotes()).To(HaveLen(1))
				r.Expect(made.Status.Adopted).To(BeFalse())
				r.Expect(made.Status.Creation.Token).To(BeEmpty())
				r.Consistently(r.remotes).Should(HaveLen(1), "and no more")
			})
		})
	}

	t.Run("[case-07] a refusal is reported in the words of Databricks, and an edit tries again at once", func(t *testing.T) {
		forListed(t, func(r *listedRig) {
			r.workspace.AddFault(simulator.Fault{
				Endpoint: r.kind.endpoint + "create", Times: 1,
				Status: http.StatusBadRequest, ErrorCode: "INVALID_PARAMETER_VALUE", Message: "no such thing",
			})
			r.start()
			object := r.make(r.with("x"))
			stalled := r.is(object, "Stalled=InvalidSpec")
			r.Expect(said(stalled, "Stalled")).To(ContainSubstring("no such thing"))
			r.Expect(stalled.Status.Host).To(BeEmpty(), "the object is bound to no workspace")
			r.change(object, func(now managed.Object) { r.kind.edit(now.Resource, 5) })
			r.is(object, "Ready=Available")
			r.Expect(r.sent()).To(Equal([]string{"create"}))
		})
	})

	t.Run("[case-136] a process that ends between the create and the status", func(t *testing.T) {
		forListed(t, func(r *listedRig) {
			reached := r.killBeforeStatus(func(object client.Object) bool { return *r.kind.View(object).ID != "" })
			r.start()
			object := r.make(r.with("x"))
			r.Eventually(reached).Should(BeTrue())
			r.Expect(r.remotes()).To(HaveLen(1))
			r.kill()
			r.intercept = interceptor.Funcs{}
			r.start()
			made := r.is(object, "Ready=Available")
			r.Expect(*made.ID).To(Equal(r.remotes()[0][r.kind.WireID]))
			r.Expect(r.remotes()).To(HaveLen(1))
			r.Expect(r.sent()).To(Equal([]string{"create"}))
		})
	})
}

func TestListedNames(t *testing.T) {
	t.Parallel()
	t.Run("[case-108] a name that another actor uses is left alone", func(t *testing.T) {
		forListed(t, func(r *listedRig) {
			id := r.elsewhere("create", r.foreign("taken"))[r.kind.WireID]
			r.start()
			object := r.with("x")
			r.kind.setName(object, "taken")
			r.make(object)
			stalled := r.is(object, "Stalled=NameTaken")
			r.Expect(said(stalled, "Stalled")).To(And(ContainSubstring("taken"), ContainSubstring(id.(string)), ContainSubstring("adoptByName")))
			r.Consistently(r.sent).Should(BeEmpty())

			r.elsewhere("delete", map[string]any{r.kind.WireID: id})
			r.is(object, "Ready=Available")
			r.destroy(object)
			r.isGone(object)
		})
	})

	t.Run("[case-109] a name that another object uses", func(t *testing.T) {
		forListed(t, func(r *listedRig) {
			r.start()
			first, second := r.with("a"), r.with("b")
			r.kind.setName(first, "shared")
			r.kind.setName(second, "shared")
			r.make(first)
			made := r.is(first, "Ready=Available")
			r.make(second)
			stalled := r.is(second, "Stalled=NameTaken")
			r.Expect(said(stalled, "Stalled")).To(ContainSubstring("another object manages it"))
			r.destroy(first)
			r.isGone(first)
			again := r.is(second, "Ready=Available")
			r.Expect(*again.ID).NotTo(Equal(*made.ID))
		})
	})

	t.Run("[case-101] a long name of an object is shortened, and stays the same", func(t *testing.T) {
		forListed(t, func(r *listedRig) {
			r.start()
			long := "x23456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345"
			made := r.is(r.make(r.with(long)), "Ready=Available")
			other := r.is(r.make(r.with(long+"6")), "Ready=Available")
			r.Expect(made.Status.Name).To(HaveLen(100))
			r.Expect(other.Status.Name).NotTo(Equal(made.Status.Name))
		})
	})
}

func TestListedAdoption(t *testing.T) {
	t.Parallel()
	t.Run("[case-110] by id: what differs is applied, the rest is left alone, and it stays when the object goes", func(t *testing.T) {
		forListed(t, func(r *listedRig) {
			body := r.foreign("theirs")
			id := r.elsewhere("create", body)[r.kind.WireID].(string)
			r.start()
			object := r.kind.New()
			object.SetNamespace(r.namespace)
			object.SetName("x")
			r.kind.adopt(object, id)
			r.kind.edit(object, 7)
			r.make(object)
			made := r.is(object, "Ready=Available")
			r.Expect(made.Status.Adopted).To(BeTrue())
			r.Expect(*made.ID).To(Equal(id))
			r.Expect(r.remote(made)[r.kind.member]).To(BeEquivalentTo(7))
			r.Expect(r.remote(made)[r.kind.WireName]).To(Equal("theirs"))
			r.Expect(r.sent()).To(Equal([]string{"edit"}))
			r.Eventually(func() []string { return eventsOf(r.rig, "x") }).Should(ContainElement(managed.EventAdopted))

			r.destroy(object)
			r.isGone(object)
			r.Expect(r.remotes()).To(HaveLen(1))
			r.Expect(r.sent()).To(Equal([]string{"edit"}))
			r.Eventually(func() []string { return eventsOf(r.rig, "x") }).Should(ContainElement(managed.EventRetained))
		})
	})

	t.Run("[case-110] by an unknown id", func(t *testing.T) {
		forListed(t, func(r *listedRig) {
			r.start()
			object := r.with("x")
			r.kind.adopt(object, "C96203490C0004AD")
			r.make(object)
			stalled := r.is(object, "Stalled=AdoptionTargetNotFound")
			r.Expect(said(stalled, "Stalled")).To(ContainSubstring("spec." + r.kind.IDField + " C96203490C0004AD"))
			r.Consistently(r.sent).Should(BeEmpty())
			r.destroy(object)
			r.isGone(object)
		})
	})

	t.Run("[case-111] by name, or created if there is none", func(t *testing.T) {
		forListed(t, func(r *listedRig) {
			id := r.elsewhere("create", r.foreign("theirs"))[r.kind.WireID].(string)
			r.start()
			byName := func(managed managed.Object) { managed.Spec.AdoptByName = true }
			found, absent := r.with("x", byName), r.with("y", byName)
			r.kind.setName(found, "theirs")
			r.kind.setName(absent, "ours")
			r.make(found)
			r.make(absent)
			adopted, created := r.is(found, "Ready=Available"), r.is(absent, "Ready=Available")
			r.Expect(*adopted.ID).To(Equal(id))
			r.Expect(adopted.Status.Adopted).To(BeTrue())
			r.Expect(created.Status.Adopted).To(BeFalse())
			r.Expect(r.remotes()).To(HaveLen(2))
		})
	})

	t.Run("[case-128] two objects and one remote object: the older one keeps it, and the other takes over when it goes", func(t *testing.T) {
		forListed(t, func(r *listedRig) {
			id := r.elsewhere("create", r.foreign("theirs"))[r.kind.WireID].(string)
			r.start()
			first, second := r.with("a"), r.with("b")
			r.kind.adopt(first, id)
			r.kind.adopt(second, id)
			r.make(first)
			r.is(first, "Ready=Available")
			r.kind.edit(second, 9)
			r.make(second)
			stalled := r.is(second, "Stalled=AlreadyManaged")
			r.Expect(said(stalled, "Stalled")).To(ContainSubstring(r.namespace + "/a"))
			r.destroy(first)
			r.isGone(first)
			made := r.is(second, "Ready=Available")
			r.Expect(r.remote(made)[r.kind.member]).To(BeEquivalentTo(9))
		})
	})

	t.Run("[case-112] observed: differences are told, and nothing is written", func(t *testing.T) {
		forListed(t, func(r *listedRig) {
			id := r.elsewhere("create", r.foreign("theirs"))[r.kind.WireID].(string)
			r.start()
			object := r.with("x", func(object managed.Object) { object.Spec.ManagementPolicy = v1alpha1.ManagementPolicyObserve })
			r.kind.adopt(object, id)
			r.kind.edit(object, 7)
			r.make(object)
			made := r.is(object, "Ready=Observed")
			r.Expect(conditionsIn(made.Status.Conditions)).To(ContainElement("Synced!=DriftDetected"))
			r.Expect(made.GetFinalizers()).To(BeEmpty())
			r.destroy(object)
			r.isGone(object)
			r.Expect(r.sent()).To(BeEmpty())
			r.Expect(r.remotes()).To(HaveLen(1))
		})
	})
}

// foreign returns the body of a create by another actor.
func (r *listedRig) foreign(name string) map[string]any {
	body := maps.Clone(r.kind.body)
	body[r.kind.WireName] = name
	return body
}
