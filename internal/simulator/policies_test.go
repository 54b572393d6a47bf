package simulator_test

import (
	"net/http"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// policyHarness is a workspace with one policy.
type policyHarness struct {
	*harness
}

func newPolicyHarness(t *testing.T, definition string) policyHarness {
	t.Helper()
	return policyHarness{newHarness(t, simulator.Options{Workspaces: []simulator.Workspace{{
		Principals: []simulator.Principal{{UserName: "a@b.c", Tokens: []string{simulator.DefaultToken}}},
		Policies:   []simulator.Policy{{ID: "P1", Name: "team", Definition: definition}},
	}}})}
}

const underP1 = `{"policy_id":"P1","node_type_id":"i3.xlarge","num_workers":1`

func (b policyHarness) createAndGet(more string) map[string]any {
	b.t.Helper()
	id, _ := b.ok(http.MethodPost, createPath, underP1+more+"}")["cluster_id"].(string)
	return b.get(id)
}

func (b policyHarness) expectViolation(more, message string) {
	b.t.Helper()
	b.expectError(http.MethodPost, createPath, underP1+more+"}", 400, "INVALID_PARAMETER_VALUE", "Cluster validation error: Validation failed for "+message)
}

const runtime = `,"spark_version":"16.4.x-scala2.12"`

func TestPolicyRulesForListElements(t *testing.T) {
	b := newPolicyHarness(t, `{
		"init_scripts.0.workspace.destination": {"type": "fixed", "value": "/first.sh"},
		"init_scripts.1.volumes.destination": {"type": "fixed", "value": "/Volumes/second.sh"},
		"init_scripts.*.workspace.destination": {"type": "forbidden"},
		"ssh_public_keys.*": {"type": "regex", "pattern": "ssh-ed25519 .*"}}`)
	script := func(place, destination string) map[string]any {
		return map[string]any{place: map[string]any{"destination": destination}}
	}
	fixed := []any{script("workspace", "/first.sh"), script("volumes", "/Volumes/second.sh")}
	got := b.createAndGet(runtime)
	b.Expect(got["init_scripts"]).To(Equal(fixed))
	b.Expect(got["spec"]).NotTo(HaveKey("init_scripts"))

	const declared = `{"workspace":{"destination":"/first.sh"}},{"volumes":{"destination":"/Volumes/second.sh"}}`
	b.Expect(b.createAndGet(runtime + `,"init_scripts":[` + declared + `]`)["init_scripts"]).To(Equal(fixed))
	b.createAndGet(runtime + `,"init_scripts":[` + declared + `,{"volumes":{"destination":"/Volumes/third.sh"}}]`)
	b.expectViolation(runtime+`,"init_scripts":[`+declared+`,{"workspace":{"destination":"/third.sh"}}]`, "init_scripts.2.workspace.destination, the value must not be present")
	b.expectViolation(runtime+`,"init_scripts":[{"workspace":{"destination":"/mine.sh"}}]`, `init_scripts.0.workspace.destination, the value must be /first.sh (is "/mine.sh")`)
	b.createAndGet(runtime + `,"ssh_public_keys":["ssh-ed25519 k"]`)
	b.expectViolation(runtime+`,"ssh_public_keys":["ssh-ed25519 k","ssh-rsa k"]`, "ssh_public_keys.1, the value must match")
}

func TestFixedListElementCanReplaceTheRequestedOne(t *testing.T) {
	b := newPolicyHarness(t, `{"init_scripts.0.workspace.destination": {"type": "fixed", "value": "/first.sh"}}`)
	asked := []any{map[string]any{"volumes": map[string]any{"destination": "/Volumes/mine.sh"}}}
	replaced := []any{map[string]any{"workspace": map[string]any{"destination": "/first.sh"}}}
	b.s.SetBehaviour(simulator.Behaviour{PolicyListsReplace: true})
	got := b.createAndGet(runtime + `,"init_scripts":[{"volumes":{"destination":"/Volumes/mine.sh"}}]`)
	b.Expect(got["init_scripts"]).To(Equal(replaced))
	b.Expect(got["spec"]).To(HaveKeyWithValue("init_scripts", asked))
	b.s.SetBehaviour(simulator.Behaviour{PolicyListsReplace: true, SpecShowsRewritten: true})
	got = b.createAndGet(runtime + `,"init_scripts":[{"volumes":{"destination":"/Volumes/mine.sh"}}]`)
	b.Expect(got["spec"]).To(HaveKeyWithValue("init_scripts", replaced))
}

func TestReplacedElementGetsAllFixedParts(t *testing.T) {
	b := newPolicyHarness(t, `{
		"init_scripts.1.s3.destination": {"type": "fixed", "value": "s3://a"}, "init_scripts.1.s3.region": {"type": "fixed", "value": "us-west-2"},
		"ssh_public_keys.0": {"type": "fixed", "value": "k"}}`)
	b.s.SetBehaviour(simulator.Behaviour{PolicyListsReplace: true})
	const first, second = `{"workspace":{"destination":"/mine.sh"}}`, `{"s3":{"destination":"s3://b","region":"eu-west-1","enable_encryption":true}}`
	got := b.createAndGet(runtime + `,"init_scripts":[` + first + `,` + second + `],"ssh_public_keys":["mine","other"]`)
	b.Expect(got["init_scripts"]).To(Equal([]any{
		map[string]any{"workspace": map[string]any{"destination": "/mine.sh"}},
		map[string]any{"s3": map[string]any{"destination": "s3://a", "region": "us-west-2"}},
	}))
	b.Expect(got["ssh_public_keys"]).To(Equal([]any{"k", "other"}))
}

func TestWildcardAppliesWithoutASpecificRule(t *testing.T) {
	b := newPolicyHarness(t, `{
		"custom_tags.team": {"type": "allowlist", "values": ["data", "web"], "isOptional": true},
		"custom_tags.*": {"type": "forbidden", "hidden": true},
		"spark_conf.*": {"type": "blocklist", "values": ["evil"]},
		"spark_env_vars.*": {"type": "regex", "pattern": "[a-z]+"}}`)
	b.createAndGet(runtime + `,"custom_tags":{"team":"data"},"spark_conf":{"a.b":"good"},"spark_env_vars":{"A":"x"}`)
	b.expectViolation(runtime+`,"custom_tags":{"team":"ops"}`, "custom_tags.team, the value must be one of [data web]")
	b.expectViolation(runtime+`,"custom_tags":{"owner.of":"me"}`, "custom_tags.owner.of, the value must not be present")
	b.expectViolation(runtime+`,"spark_conf":{"a.b":"evil"}`, "spark_conf.a.b, the value must not be one of [evil]")
	b.expectViolation(runtime+`,"spark_env_vars":{"A":"X1"}`, "spark_env_vars.A, the value must match [a-z]+")
}

func TestPolicySelectsTheRuntime(t *testing.T) {
	for version, key := range map[string]string{
		"auto:latest": "18.x-scala2.13", "auto:latest-lts": "18.x-scala2.13", "auto:prev-lts": "17.3.x-scala2.13",
		"auto:prev-major": "17.3.x-scala2.13", "auto:latest-lts-ml": "17.3.x-cpu-ml-scala2.13", "auto:prev-major-ml": "16.4.x-cpu-ml-scala2.12",
	} {
		b := newPolicyHarness(t, `{"spark_version": {"type": "fixed", "value": "`+version+`"}}`)
		got := b.createAndGet("")
		b.Expect(got).To(fields(map[string]any{"spark_version": key, "effective_spark_version": key}), version)
		b.Expect(got["spec"]).NotTo(HaveKey("spark_version"))
		b.createAndGet(`,"spark_version":"` + key + `"`)
		b.expectViolation(`,"spark_version":""`, "spark_version, the value must be "+version)
		b.expectViolation(`,"spark_version":"`+version+`"`, "spark_version, the value must be "+version)
	}
	b := newPolicyHarness(t, `{"spark_version": {"type": "unlimited", "defaultValue": "auto:latest-lts"}}`)
	b.Expect(b.createAndGet(`,"apply_policy_default_values":true`)).To(HaveKeyWithValue("spark_version", "18.x-scala2.13"))
	b.expectViolation("", "spark_version, the value must be present")
	b.expectError(http.MethodPost, createPath, underP1+`,"spark_version":"auto:latest-lts"}`, 400, "INVALID_PARAMETER_VALUE", "Invalid spark version auto:latest-lts.")
	b.expectError(http.MethodPost, createPath, underP1+`,"spark_version":""}`, 400, "INVALID_PARAMETER_VALUE", "Invalid spark version .")
}

func TestRulesForLogsObjectsAndTheClusterType(t *testing.T) {
	b := newPolicyHarness(t, `{
		"cluster_log_conf.type": {"type": "fixed", "value": "VOLUMES"},
		"cluster_log_conf.path": {"type": "fixed", "value": "/Volumes/logs"},
		"docker_image": {"type": "forbidden"},
		"dbus_per_hour": {"type": "range", "maxValue": 10}}`)
	b.Expect(b.createAndGet(runtime)["cluster_log_conf"]).To(Equal(map[string]any{"volumes": map[string]any{"destination": "/Volumes/logs"}}))
	b.expectViolation(runtime+`,"cluster_log_conf":{"dbfs":{"destination":"dbfs:/logs"}}`, "cluster_log_conf.dbfs")
	b.expectViolation(runtime+`,"docker_image":{"url":"x"}`, "docker_image, the value must not be present")
	b = newPolicyHarness(t, `{"cluster_log_conf.type": {"type": "fixed", "value": "NONE"}}`)
	b.expectViolation(runtime+`,"cluster_log_conf":{"dbfs":{"destination":"dbfs:/logs"}}`, "cluster_log_conf, the value must not be present")
	newPolicyHarness(t, `{"cluster_type": {"type": "fixed", "value": "job"}}`).expectViolation(runtime, `cluster_type, the value must be job (is "all-purpose")`)
}

func TestMalformedPolicyRejectsEveryRequest(t *testing.T) {
	b := newPolicyHarness(t, `[]`)
	b.expectError(http.MethodPost, createPath, underP1+runtime+"}", 400, "INVALID_PARAMETER_VALUE", "malformed policy definition")
	_, err := b.s.AddPolicy("", simulator.Policy{Name: "bad", Definition: "{"})
	b.Expect(err).To(MatchError(ContainSubstring("not JSON")))
}

func TestClustersSurviveChangesOfTheirPolicy(t *testing.T) {
	b := newPolicyHarness(t, `{}`)
	got := b.createAndGet(runtime)
	id, _ := got["cluster_id"].(string)
	edit := `{"cluster_id":"` + id + `",` + underP1[1:] + runtime + `}`
	b.advance(simulator.DefaultTimings().Launch)
	b.ok(http.MethodPost, "/api/2.1/clusters/edit", edit)
	b.advance(simulator.DefaultTimings().Restart)
	_, err := b.s.AddPolicy("", simulator.Policy{ID: "P1", Name: "team", Definition: `{"num_workers":{"type":"fixed","value":9}}`})
	b.Expect(err).NotTo(HaveOccurred())
	b.expectError(http.MethodPost, "/api/2.1/clusters/edit", edit, 400, "INVALID_PARAMETER_VALUE", "num_workers, the value must be 9")
	b.Expect(b.s.RemovePolicy("", "P1")).To(Succeed())
	b.Expect(b.s.RemovePolicy("", "P1")).NotTo(Succeed())
	b.expectError(http.MethodPost, "/api/2.1/clusters/edit", edit, 400, "INVALID_PARAMETER_VALUE", "'P1' is not a valid cluster policy ID")
	b.verb("restart", id)
}

func TestStartWithoutItsPoolFails(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	pool, err := b.s.AddPool("", simulator.Pool{Name: "warm", NodeTypeID: "i3.xlarge"})
	b.Expect(err).NotTo(HaveOccurred())
	id, _ := b.ok(http.MethodPost, createPath, `{"spark_version":"16.4.x-scala2.12","num_workers":1,"instance_pool_id":"`+pool+`"}`)["cluster_id"].(string)
	b.verb("delete", id)
	b.advance(simulator.DefaultTimings().Terminate)
	b.Expect(b.s.RemovePool("", pool)).To(Succeed())
	b.Expect(b.s.RemovePool("", pool)).NotTo(Succeed())
	b.verb("start", id)
	b.advance(simulator.DefaultTimings().Launch + simulator.DefaultTimings().Terminate)
	got := b.get(id)
	b.Expect(got).To(HaveKeyWithValue("state", "TERMINATED"))
	b.Expect(got["termination_reason"]).To(HaveKeyWithValue("code", "INSTANCE_POOL_NOT_FOUND"))
}
