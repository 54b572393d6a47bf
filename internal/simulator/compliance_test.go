package simulator_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

const (
	getCompliance  = "/api/2.0/policies/clusters/get-compliance?cluster_id="
	listCompliance = "/api/2.0/policies/clusters/list-compliance?policy_id="
	enforce        = "/api/2.0/policies/clusters/enforce-compliance"
	cancelPending  = "/api/2.0/policies/clusters:cancelPendingClusterEnforcement"
)

// stricter is a policy that the clusters of newComplianceHarness do not comply with.
const stricter = `{
	"autotermination_minutes": {"type": "range", "maxValue": 60, "defaultValue": 30},
	"spark_conf.spark.speculation": {"type": "fixed", "value": "true"},
	"custom_tags.team": {"type": "forbidden"}}`

// newComplianceHarness returns a workspace whose policy was changed after a number of
// clusters were created, and the ids of these.
func newComplianceHarness(t *testing.T, clusters int) (b policyHarness, ids []string) {
	t.Helper()
	b = newPolicyHarness(t, `{}`)
	for i := range clusters {
		id, _ := b.ok(http.MethodPost, createPath, underP1+runtime+fmt.Sprintf(
			`,"cluster_name":"c%02d","autotermination_minutes":120,"custom_tags":{"team":"a","kept":"b"}}`, i))["cluster_id"].(string)
		ids = append(ids, id)
	}
	b.advance(10 * time.Minute)
	_, err := b.s.AddPolicy("", simulator.Policy{ID: "P1", Name: "team", Definition: stricter})
	b.Expect(err).NotTo(HaveOccurred())
	return b, ids
}

func (b policyHarness) enforce(id, more string) map[string]any {
	b.t.Helper()
	return b.ok(http.MethodPost, enforce, `{"cluster_id":"`+id+`"`+more+`}`)
}

func TestComplianceNamesTheViolations(t *testing.T) {
	b, ids := newComplianceHarness(t, 1)
	shown := b.ok(http.MethodGet, getCompliance+ids[0], "")
	b.Expect(shown).To(HaveKeyWithValue("is_compliant", false))
	b.Expect(shown["violations"]).To(Equal(map[string]any{
		"autotermination_minutes":      `the value must be at most 60 (is "120")`,
		"spark_conf.spark.speculation": "the value must be true (is not set)",
		"custom_tags.team":             `the value must not be present (is "a")`,
	}))
	b.expectError(http.MethodGet, getCompliance+"x", "", 400, "INVALID_PARAMETER_VALUE", "does not exist")
}

func TestComplianceIsListedInPages(t *testing.T) {
	b, ids := newComplianceHarness(t, 25)
	b.create("without a policy")
	var listed []string
	token, pages := "", 0
	for more := true; more; more = token != "" {
		page := b.ok(http.MethodGet, listCompliance+"P1&page_token="+token, "")
		clusters, _ := page["clusters"].([]any)
		for _, one := range clusters {
			cluster, _ := one.(map[string]any)
			id, _ := cluster["cluster_id"].(string)
			listed = append(listed, id)
			b.Expect(cluster).To(HaveKeyWithValue("is_compliant", false))
		}
		token, _ = page["next_page_token"].(string)
		pages++
	}
	b.Expect(listed).To(Equal(ids))
	b.Expect(pages).To(Equal(2), "pages of 20")
	b.expectError(http.MethodGet, listCompliance+"other", "", 404, "RESOURCE_DOES_NOT_EXIST", "other")
	b.expectError(http.MethodGet, listCompliance, "", 400, "INVALID_PARAMETER_VALUE", "policy_id")
	b.expectError(http.MethodGet, listCompliance+"P1&page_size=101", "", 400, "INVALID_PARAMETER_VALUE", "page_size")
}

func TestEnforcementChangesAndRestarts(t *testing.T) {
	b, ids := newComplianceHarness(t, 1)
	preview := b.enforce(ids[0], `,"validate_only":true`)
	b.Expect(preview).To(HaveKeyWithValue("has_changes", true))
	b.Expect(preview["changes"]).To(ConsistOf(
		map[string]any{"field": "autotermination_minutes", "previous_value": "120", "new_value": "30"},
		map[string]any{"field": "spark_conf.spark.speculation", "new_value": "true"},
		map[string]any{"field": "custom_tags.team", "previous_value": "a"},
	))
	b.Expect(b.get(ids[0])).To(And(HaveKeyWithValue("state", "RUNNING"), HaveKeyWithValue("autotermination_minutes", json.Number("120"))))

	b.Expect(b.enforce(ids[0], "")).To(HaveKeyWithValue("enforce_result", "APPLIED"))
	got := b.get(ids[0])
	b.Expect(got).To(HaveKeyWithValue("state", "RESTARTING"))
	b.Expect(got["custom_tags"]).To(Equal(map[string]any{"kept": "b"}))
	b.Expect(b.ok(http.MethodGet, getCompliance+ids[0], "")).To(Equal(map[string]any{"is_compliant": true}))
	b.expectError(http.MethodPost, enforce, `{"cluster_id":"`+ids[0]+`"}`, 400, "INVALID_STATE", "Restarting")
	b.advance(10 * time.Minute)
	b.Expect(b.enforce(ids[0], "")).To(Equal(map[string]any{"has_changes": false, "enforce_result": "NO_CHANGES"}))
	b.Expect(b.state(ids[0])).To(Equal("RUNNING"))
}

func TestEnforcementOfATerminatedClusterDoesNotStartIt(t *testing.T) {
	b, ids := newComplianceHarness(t, 1)
	b.verb("delete", ids[0])
	b.advance(10 * time.Minute)
	b.Expect(b.enforce(ids[0], `,"enforce_mode":"WAIT_FOR_TERMINATION"`)).To(HaveKeyWithValue("enforce_result", "APPLIED"))
	b.Expect(b.state(ids[0])).To(Equal("TERMINATED"))
	b.Expect(b.ok(http.MethodGet, getCompliance+ids[0], "")).To(HaveKeyWithValue("is_compliant", true))
}

func TestDeferredEnforcementWaitsForATerminationOrRestart(t *testing.T) {
	for _, end := range []string{"delete", "restart"} {
		b, ids := newComplianceHarness(t, 1)
		b.Expect(b.enforce(ids[0], `,"enforce_mode":"WAIT_FOR_TERMINATION"`)).To(HaveKeyWithValue("enforce_result", "DEFERRED"))
		shown := b.ok(http.MethodGet, getCompliance+ids[0], "")
		b.Expect(shown).To(HaveKeyWithValue("is_compliant", false))
		b.Expect(shown["pending_enforcement"]).To(And(
			HaveKeyWithValue("enforcement_status", "ACTIVE"), HaveKeyWithValue("initiator_user", "a@b.c"), HaveKey("target_changes")))
		b.verb(end, ids[0])
		b.advance(10 * time.Minute)
		b.Expect(b.ok(http.MethodGet, getCompliance+ids[0], "")).To(Equal(map[string]any{"is_compliant": true}), end)
	}
}

func TestDeferredEnforcementIsCancelled(t *testing.T) {
	b, ids := newComplianceHarness(t, 1)
	b.enforce(ids[0], `,"enforce_mode":"WAIT_FOR_TERMINATION"`)
	b.ok(http.MethodPost, cancelPending, `{"cluster_id":"`+ids[0]+`"}`)
	b.Expect(b.ok(http.MethodGet, getCompliance+ids[0], "")).NotTo(HaveKey("pending_enforcement"))
	b.expectError(http.MethodPost, cancelPending, `{"cluster_id":"`+ids[0]+`"}`, 404, "RESOURCE_DOES_NOT_EXIST", "no pending enforcement")
	b.ok(http.MethodPost, cancelPending, `{"cluster_id":"`+ids[0]+`","allow_missing":true}`)
}

// A value without a fixed or default one cannot be corrected.
func TestEnforcementIsRefusedWithoutAPermittedValue(t *testing.T) {
	b, ids := newComplianceHarness(t, 1)
	_, err := b.s.AddPolicy("", simulator.Policy{ID: "P1", Name: "team", Definition: `{"autotermination_minutes": {"type": "range", "maxValue": 60}}`})
	b.Expect(err).NotTo(HaveOccurred())
	b.expectError(http.MethodPost, enforce, `{"cluster_id":"`+ids[0]+`"}`, 400, "INVALID_PARAMETER_VALUE", "Validation failed for autotermination_minutes")
}
