package simulator_test

import (
	"net/http"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

func TestUpdateKeepsExtraFieldsAndEditDropsThem(t *testing.T) {
	b := newHarness(t, simulator.Options{Workspaces: []simulator.Workspace{{
		Principals: []simulator.Principal{{UserName: "a@b.c", Tokens: []string{simulator.DefaultToken}}},
		ExtraSpec: map[string]any{
			"future_mode": "X", "big": uint64(9223372036854775807), "aws_attributes": map[string]any{"flavour": 1},
		},
	}}})
	id := b.terminated("one")
	spec := func() map[string]any { return within(t, b.get(id), "spec") }
	all := fields(map[string]any{
		"future_mode": "X", "big": number("9223372036854775807"), "aws_attributes": map[string]any{"flavour": number("1")},
	})
	b.Expect(spec()).To(all)
	b.Expect(b.get(id)).NotTo(HaveKey("future_mode"))

	update := func(body string) {
		b.ok(http.MethodPost, "/api/2.1/clusters/update", `{"cluster_id":"`+id+`",`+body+`}`)
	}
	update(`"update_mask":"cluster_name,custom_tags","cluster":{"cluster_name":"two","custom_tags":{"a":"b"}}`)
	b.Expect(spec()).To(all)
	update(`"update_mask":"aws_attributes.zone_id,future_mode","cluster":{"aws_attributes":{"zone_id":"us-west-2a"},"future_mode":"Y"}`)
	b.Expect(spec()).To(fields(map[string]any{
		"future_mode": "Y", "aws_attributes": map[string]any{"flavour": number("1"), "zone_id": "us-west-2a"},
	}))
	update(`"update_mask":"aws_attributes","cluster":{"aws_attributes":{"zone_id":"us-west-2b"}}`)
	b.Expect(spec()["aws_attributes"]).To(Equal(map[string]any{"zone_id": "us-west-2b"}))

	edit := func(more string) {
		b.ok(http.MethodPost, "/api/2.1/clusters/edit", `{"cluster_id":"`+id+`","num_workers":1,`+small+more+`}`)
	}
	edit(`,"future_mode":"Z","big":9223372036854775807,"aws_attributes":{"flavour":2}`)
	b.Expect(spec()).To(fields(map[string]any{
		"future_mode": "Z", "big": number("9223372036854775807"), "aws_attributes": map[string]any{"flavour": number("2")},
	}))
	for _, entry := range b.s.Requests() {
		b.Expect(entry.UnknownFields).To(BeEmpty(), entry.Endpoint)
	}
	edit(`,"colour":"blue"`)
	b.Expect(spec()).NotTo(Or(HaveKey("future_mode"), HaveKey("big"), HaveKey("aws_attributes"), HaveKey("colour")))
	log := b.s.RequestsTo("clusters/edit")
	b.Expect(log[len(log)-1].UnknownFields).To(Equal([]string{"colour"}))
}

func TestExtraFieldsOfOneCluster(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	id := b.create("one")
	b.Expect(b.s.SetExtraSpec(id, map[string]any{"later": []any{1, "a"}})).To(Succeed())
	b.Expect(b.get(id)["spec"]).To(HaveKeyWithValue("later", []any{number("1"), "a"}))
	b.Expect(b.get(b.create("two"))["spec"]).NotTo(HaveKey("later"))
	b.Expect(b.s.SetExtraSpec("no", nil)).NotTo(Succeed())
}

func TestGetWithoutSpec(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	id := b.create("one")
	b.s.AddFault(simulator.Fault{Endpoint: "clusters/get", SpecMissing: true, Times: 1})
	got := b.get(id)
	b.Expect(got).NotTo(HaveKey("spec"))
	b.Expect(got).To(HaveKeyWithValue("cluster_name", "one"))
	b.Expect(b.get(id)).To(HaveKey("spec"))
}
