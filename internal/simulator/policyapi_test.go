package simulator_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

const (
	policiesPath   = "/api/2.0/policies/clusters/"
	policyGrants   = "/api/2.0/permissions/cluster-policies/"
	policyFamilies = "/api/2.0/policy-families"
	plainToken     = "dapi-plain"
)

// newAdministration returns a workspace with an administrator and a plain user.
func newAdministration(t *testing.T) *harness {
	t.Helper()
	return newHarness(t, simulator.Options{Workspaces: []simulator.Workspace{{
		Principals: []simulator.Principal{
			{UserName: "admin@b.c", Tokens: []string{simulator.DefaultToken}},
			{UserName: "plain@b.c", Tokens: []string{plainToken}, NotAdmin: true},
		},
	}}})
}

func (b *harness) createPolicy(fields string) string {
	b.t.Helper()
	id, _ := b.ok(http.MethodPost, policiesPath+"create", fields)["policy_id"].(string)
	b.Expect(id).To(MatchRegexp(`^[0-9A-F]{16}$`))
	return id
}

func (b *harness) policy(id string) map[string]any {
	b.t.Helper()
	return b.ok(http.MethodGet, policiesPath+"get?policy_id="+id, "")
}

func TestPoliciesAreCreatedEditedAndDeleted(t *testing.T) {
	b := newAdministration(t)
	const definition = `{ "num_workers": {"type":"range", "maxValue": 4} }`
	encoded, err := json.Marshal(definition)
	b.Expect(err).NotTo(HaveOccurred())
	id := b.createPolicy(`{"name":"small","definition":` + string(encoded) + `,"description":"d","max_clusters_per_user":2,"libraries":[{"pypi":{"package":"numpy"}}]}`)
	b.Expect(b.policy(id)).To(And(
		HaveKeyWithValue("definition", definition), HaveKeyWithValue("name", "small"), HaveKeyWithValue("creator_user_name", "admin@b.c"),
		HaveKeyWithValue("max_clusters_per_user", json.Number("2")), HaveKeyWithValue("is_default", false), HaveKey("libraries"), HaveKey("created_at_timestamp")))
	b.expectError(http.MethodPost, createPath, `{"policy_id":"`+id+`",`+small+`,"num_workers":5}`, 400, "INVALID_PARAMETER_VALUE", "Validation failed for num_workers")

	b.ok(http.MethodPost, policiesPath+"edit", `{"policy_id":"`+id+`","name":"renamed","definition":"{}"}`)
	edited := b.policy(id)
	b.Expect(edited).To(And(HaveKeyWithValue("name", "renamed"), HaveKeyWithValue("description", "")))
	b.Expect(edited).NotTo(Or(HaveKey("max_clusters_per_user"), HaveKey("libraries")), "an edit replaces everything")
	b.ok(http.MethodPost, createPath, `{"policy_id":"`+id+`",`+small+`,"num_workers":5}`)

	b.Expect(b.ok(http.MethodPost, policiesPath+"delete", `{"policy_id":"`+id+`"}`)).To(BeEmpty())
	for _, call := range []string{"edit", "delete"} {
		b.expectError(http.MethodPost, policiesPath+call, `{"policy_id":"`+id+`","name":"x","definition":"{}"}`, 404, "RESOURCE_DOES_NOT_EXIST", "Can't find a cluster policy with id: "+id)
	}
	b.expectError(http.MethodGet, policiesPath+"get?policy_id="+id, "", 404, "RESOURCE_DOES_NOT_EXIST", id)
}

func TestPoliciesThatAreRefused(t *testing.T) {
	b := newAdministration(t)
	b.createPolicy(`{"name":"Taken","definition":"{}"}`)
	for fields, message := range map[string]string{
		`{"name":"tAKEN","definition":"{}"}`:                                                     "Cluster Policy with name `tAKEN` already exists",
		`{"definition":"{}"}`:                                                                    "1 to 100 characters",
		`{"name":"` + strings.Repeat("n", 101) + `","definition":"{}"}`:                          "1 to 100 characters",
		`{"name":"p","definition":"{"}`:                                                          "not JSON",
		`{"name":"p","definition":"{}","max_clusters_per_user":0}`:                               "max_clusters_per_user must be greater than 0",
		`{"name":"p","definition":"{}","policy_family_id":"personal-vm"}`:                        "Only one of",
		`{"name":"p","policy_family_definition_overrides":"{}"}`:                                 "needs policy_family_id",
		`{"name":"p","policy_family_id":"none"}`:                                                 `no policy family "none"`,
		`{"name":"p","policy_family_id":"personal-vm","policy_family_definition_overrides":"["}`: "not a JSON object",
		`{"name":"p","definition":"{}","description":"` + strings.Repeat("d", 1001) + `"}`:       "1000 characters",
	} {
		b.expectError(http.MethodPost, policiesPath+"create", fields, 400, "INVALID_PARAMETER_VALUE", message)
	}
	b.expectError(http.MethodGet, policiesPath+"get?policy_id=", "", 400, "INVALID_PARAMETER_VALUE", "'' is not a valid cluster policy ID")

	// A definition that is JSON and no policy is accepted, and refuses every cluster.
	id := b.createPolicy(`{"name":"array","definition":"[]"}`)
	b.expectError(http.MethodPost, createPath, `{"policy_id":"`+id+`",`+small+`,"num_workers":1}`, 400, "INVALID_PARAMETER_VALUE", "malformed policy definition")
}

func TestPoliciesOfAFamily(t *testing.T) {
	b := newAdministration(t)
	id := b.createPolicy(`{"name":"p","policy_family_id":"personal-vm","policy_family_definition_overrides":"{\"num_workers\":{\"type\":\"fixed\",\"value\":1}}"}`)
	shown := b.policy(id)
	b.Expect(shown).To(And(HaveKeyWithValue("policy_family_id", "personal-vm"), HaveKey("policy_family_definition_overrides")))
	var merged map[string]map[string]any
	definition, _ := shown["definition"].(string)
	b.Expect(json.Unmarshal([]byte(definition), &merged)).To(Succeed())
	b.Expect(merged["num_workers"]).To(HaveKeyWithValue("value", 1.0))
	b.Expect(merged).To(HaveKey("spark_version"), "the family's own rules")

	var names []string
	for token := ""; ; {
		page := b.ok(http.MethodGet, policyFamilies+"?max_results=3&page_token="+token, "")
		families, _ := page["policy_families"].([]any)
		for _, one := range families {
			family, _ := one.(map[string]any)
			name, _ := family["policy_family_id"].(string)
			names = append(names, name)
			b.Expect(b.ok(http.MethodGet, policyFamilies+"/"+name, "")).To(Equal(family))
		}
		if token, _ = page["next_page_token"].(string); token == "" {
			break
		}
	}
	b.Expect(names).To(ConsistOf("personal-vm", "power-user", "shared-data-science", "job-cluster"))
	b.expectError(http.MethodGet, policyFamilies+"/none", "", 404, "RESOURCE_DOES_NOT_EXIST", "none")
}

func TestDefaultPoliciesStay(t *testing.T) {
	b := newHarness(t, simulator.Options{Workspaces: []simulator.Workspace{{
		Principals: []simulator.Principal{{UserName: "a@b.c", Tokens: []string{simulator.DefaultToken}}},
		Policies:   []simulator.Policy{{ID: "D1", Name: "Personal Compute", FamilyID: "personal-vm", IsDefault: true}},
	}}})
	b.Expect(b.policy("D1")).To(HaveKeyWithValue("is_default", true))
	b.expectError(http.MethodPost, policiesPath+"edit", `{"policy_id":"D1","name":"Personal Compute","policy_family_id":"power-user"}`, 400, "INVALID_PARAMETER_VALUE", "Changing policy_family_id is forbidden")
	b.expectError(http.MethodPost, policiesPath+"delete", `{"policy_id":"D1"}`, 400, "INVALID_PARAMETER_VALUE", "cannot be deleted")
	b.ok(http.MethodPost, policiesPath+"edit", `{"policy_id":"D1","name":"Personal","policy_family_id":"personal-vm"}`)
	b.Expect(b.policy("D1")).To(And(HaveKeyWithValue("name", "Personal"), HaveKeyWithValue("is_default", true)))
}

func TestPoliciesArePermitted(t *testing.T) {
	b := newAdministration(t)
	plain := b.as(plainToken)
	id := b.createPolicy(`{"name":"p","definition":"{}"}`)
	cluster := `{"policy_id":"` + id + `",` + small + `,"num_workers":1}`
	plain.expectError(http.MethodPost, policiesPath+"create", `{"name":"q","definition":"{}"}`, 403, "PERMISSION_DENIED", "administrators")
	plain.expectError(http.MethodGet, policiesPath+"get?policy_id="+id, "", 404, "RESOURCE_DOES_NOT_EXIST", id)
	b.Expect(plain.ok(http.MethodGet, policiesPath+"list", "")).NotTo(HaveKey("policies"), "a list has only what the caller may use")
	plain.expectError(http.MethodPost, createPath, cluster, 400, "INVALID_PARAMETER_VALUE", "not a valid cluster policy ID")

	b.expectError(http.MethodPut, policyGrants+id, `{"access_control_list":[{"user_name":"plain@b.c","permission_level":"CAN_MANAGE"}]}`, 400, "INVALID_PARAMETER_VALUE", "CAN_MANAGE")
	granted := b.ok(http.MethodPut, policyGrants+id, `{"access_control_list":[{"user_name":"plain@b.c","permission_level":"CAN_USE"}]}`)
	b.Expect(granted).To(And(HaveKeyWithValue("object_id", "/cluster-policies/"+id), HaveKeyWithValue("object_type", "cluster-policy")))
	b.Expect(plain.ok(http.MethodGet, policiesPath+"list", "")["policies"]).To(HaveLen(1))
	plain.ok(http.MethodPost, createPath, cluster)
	plain.expectError(http.MethodPost, policiesPath+"delete", `{"policy_id":"`+id+`"}`, 403, "PERMISSION_DENIED", "administrators")
	b.Expect(b.ok(http.MethodGet, policyGrants+id+"/permissionLevels", "")["permission_levels"]).To(HaveLen(1))
	b.ok(http.MethodPut, policyGrants+id, `{"access_control_list":[]}`)
	b.Expect(plain.ok(http.MethodGet, policiesPath+"list", "")).NotTo(HaveKey("policies"))
}
