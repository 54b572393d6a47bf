package controller_test

import (
	"net/http"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/managed"
	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

func TestPolicyDefinition(t *testing.T) {
	t.Parallel()
	t.Run("[case-113] compared as JSON, whatever the order, the white space and the form of numbers", func(t *testing.T) {
		r := newListedRig(t, policyKind)
		r.start()
		object := r.make(r.with("x"))
		made := r.is(object, "Ready=Available")
		body := r.remote(made)
		body["definition"] = ` {"autotermination_minutes":{"maxValue":120.0,"minValue":1e1,"type":"range"},
			"spark_version":{"defaultValue":"auto:latest-lts","type":"unlimited"}} `
		r.elsewhere("edit", body)
		r.Eventually(func() int { return r.lists() }).Should(BeNumerically(">", 3))
		r.Consistently(r.sent).Should(Equal([]string{"create"}))
		r.Expect(conditionsIn(r.now(object).Status.Conditions)).To(ConsistOf("Ready=Available", "Synced=InSync"))

		body["definition"] = `{"spark_version":{"type":"unlimited"}}`
		r.elsewhere("edit", body)
		r.Eventually(func() any { return r.remote(made)["definition"] }).Should(MatchJSON(
			`{"spark_version":{"defaultValue":"auto:latest-lts","type":"unlimited"},"autotermination_minutes":{"type":"range","minValue":10,"maxValue":120}}`))
	})

	t.Run("[case-137] a policy of a family has overrides, and the definition of the family is no drift", func(t *testing.T) {
		r := newListedRig(t, policyKind)
		r.start()
		object := r.kind.New().(*v1alpha1.DatabricksClusterPolicy)
		object.Namespace, object.Name = r.namespace, "family"
		object.Spec.PolicyFamilyID = "job-cluster"
		object.Spec.PolicyFamilyDefinitionOverrides = map[string]v1alpha1.PolicyRule{"num_workers": rule(`{"type": "fixed", "value": 2}`)}
		r.make(object)
		made := r.is(object, "Ready=Available")
		r.Expect(r.remote(made)["definition"]).To(ContainSubstring("num_workers"))
		r.change(object, func(now managed.Object) {
			policy := now.Resource.(*v1alpha1.DatabricksClusterPolicy)
			policy.Spec.Description = "for jobs"
			policy.Spec.PolicyFamilyDefinitionOverrides = map[string]v1alpha1.PolicyRule{"num_workers": rule(`{"type": "fixed", "value": 4}`)}
		})
		r.Eventually(func() any { return r.remote(made)["description"] }).Should(Equal("for jobs"))
		r.is(object, "Synced=InSync")
		r.Expect(r.remote(made)["policy_family_definition_overrides"]).To(MatchJSON(`{"num_workers":{"type":"fixed","value":4}}`))
		r.Expect(r.sent()).To(Equal([]string{"create", "edit"}))
	})

	t.Run("[case-102] libraries of a policy, in any order", func(t *testing.T) {
		r := newListedRig(t, policyKind)
		r.start()
		object := r.with("x").(*v1alpha1.DatabricksClusterPolicy)
		object.Spec.Libraries = []v1alpha1.Library{
			{PyPI: &v1alpha1.PyPILibrary{Package: "polars==1.9.0"}}, {Maven: &v1alpha1.MavenLibrary{Coordinates: "org.jsoup:jsoup:1.7.2"}},
		}
		r.make(object)
		made := r.is(object, "Ready=Available")
		r.Expect(r.remote(made)["libraries"]).To(ConsistOf(
			map[string]any{"pypi": map[string]any{"package": "polars==1.9.0"}}, map[string]any{"maven": map[string]any{"coordinates": "org.jsoup:jsoup:1.7.2"}},
		))
		r.Consistently(r.sent).Should(Equal([]string{"create"}))
	})
}

func TestPolicyInUse(t *testing.T) {
	t.Parallel()
	t.Run("[case-124] the deletion of a policy that clusters use is reported with their number", func(t *testing.T) {
		r := newListedRig(t, policyKind)
		r.start()
		object := r.with("x").(*v1alpha1.DatabricksClusterPolicy)
		object.Spec.Definition = map[string]v1alpha1.PolicyRule{"num_workers": rule(`{"type": "unlimited"}`)}
		r.make(object)
		made := r.is(object, "Ready=Available")
		cluster := r.create(r.small("etl", func(spec *v1alpha1.DatabricksClusterSpec) { spec.PolicyID = *made.ID }))
		r.becomes(cluster, "Ready=Running")
		r.destroy(object)
		r.isGone(object)
		r.Eventually(func() []string { return eventsOf(r.rig, "x") }).Should(ContainElement(managed.EventDeletedInUse))
	})

	t.Run("[case-07] a name that is too long for Databricks, and a principal without the right to create policies", func(t *testing.T) {
		r := newListedRig(t, policyKind)
		r.workspace.AddFault(simulator.Fault{
			Endpoint: "policies/create", Status: http.StatusForbidden, ErrorCode: "PERMISSION_DENIED", Message: "Only admins may create policies.",
		})
		r.start()
		stalled := r.is(r.make(r.with("x")), "Stalled=PermissionDenied")
		r.Expect(said(stalled, "Stalled")).To(ContainSubstring("Only admins"))
	})
}
