package simulator_test

import (
	"net/http"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

func within(t *testing.T, object map[string]any, path ...string) map[string]any {
	t.Helper()
	for _, field := range path {
		inner, ok := object[field].(map[string]any)
		if !ok {
			t.Fatalf("%s is no object in %v", field, object)
		}
		object = inner
	}
	return object
}

func TestOptionalRewritingKeepsTheRequestedSpec(t *testing.T) {
	declared := []string{`"aws_attributes":{"first_on_demand":0}`, `"data_security_mode":"SINGLE_USER"`, `"single_user_name":"Ann@Example.com"`}
	b := newHarness(t, simulator.Options{})
	plain := b.get(b.create("plain", declared...))
	b.Expect(plain["aws_attributes"]).To(HaveKeyWithValue("first_on_demand", number("0")))
	b.Expect(plain).To(HaveKeyWithValue("single_user_name", "Ann@Example.com"))

	behaviour := simulator.Behaviour{RewriteFirstOnDemand: true, LowerCaseUserNames: true}
	b.s.SetBehaviour(behaviour)
	got := b.get(b.create("rewritten", declared...))
	b.Expect(got["aws_attributes"]).To(HaveKeyWithValue("first_on_demand", number("1")))
	b.Expect(got).To(HaveKeyWithValue("single_user_name", "ann@example.com"))
	b.Expect(within(t, got, "spec", "aws_attributes")).To(HaveKeyWithValue("first_on_demand", number("0")))
	b.Expect(got["spec"]).To(HaveKeyWithValue("single_user_name", "Ann@Example.com"))

	behaviour.SpecShowsRewritten = true
	b.s.SetBehaviour(behaviour)
	id := b.create("shown", declared...)
	got = b.get(id)
	b.Expect(within(t, got, "spec", "aws_attributes")).To(HaveKeyWithValue("first_on_demand", number("1")))
	b.Expect(got["spec"]).To(HaveKeyWithValue("single_user_name", "ann@example.com"))
	b.Expect(b.s.RequestsTo("clusters/create")).To(HaveLen(3))
}

func TestRegistryPasswordIsShownMaskedOrOmitted(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	id := b.create("image", `"docker_image":{"url":"registry/x","basic_auth":{"username":"u","password":"first"}}`)
	logins := func() []map[string]any {
		got := b.get(id)
		return []map[string]any{within(t, got, "docker_image", "basic_auth"), within(t, got, "spec", "docker_image", "basic_auth")}
	}
	for rule, want := range map[simulator.SecretRule]map[string]any{
		simulator.SecretShown:  {"username": "u", "password": "first"},
		simulator.SecretMasked: {"username": "u", "password": "***"},
		simulator.SecretHidden: {"username": "u"},
	} {
		b.s.SetBehaviour(simulator.Behaviour{RegistryPassword: rule})
		b.Expect(logins()).To(Equal([]map[string]any{want, want}), string(rule))
		listed, _ := b.ok(http.MethodGet, listPath, "")["clusters"].([]any)
		one, _ := listed[0].(map[string]any)
		b.Expect(within(t, one, "docker_image", "basic_auth")).To(Equal(want), string(rule))
	}
	record, _ := b.s.Cluster(id)
	b.Expect(within(t, record.Spec, "docker_image", "basic_auth")).To(HaveKeyWithValue("password", "first"))
}
