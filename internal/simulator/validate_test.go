package simulator_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

func number(text string) json.Number { return json.Number(text) }

func manyTags(n int) string {
	tags := make([]string, n)
	for i := range tags {
		tags[i] = fmt.Sprintf(`"k%d":"v"`, i)
	}
	return `"custom_tags":{` + strings.Join(tags, ",") + `}`
}

func repeated(field, item string, n int) string {
	return `"` + field + `":[` + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + `]`
}

func TestBadSpecificationsAreRejected(t *testing.T) {
	const base = small + `,"num_workers":1,`
	const script = `{"volumes":{"destination":"/Volumes/a/b/c/x.sh"}}`
	for name, c := range map[string]struct{ body, message string }{
		"no size":            {small, "Exactly 1 of virtual_cluster_size, num_workers or autoscale must be specified."},
		"two sizes":          {small + `,"num_workers":1,"autoscale":{"min_workers":1,"max_workers":2}`, "Exactly 1 of virtual_cluster_size"},
		"negative size":      {small + `,"num_workers":-1`, "num_workers must not be negative"},
		"min above max":      {small + `,"autoscale":{"min_workers":3,"max_workers":2}`, "autoscale.min_workers (3)"},
		"no runtime":         {`"node_type_id":"i3.xlarge","num_workers":1`, "Missing required field: spark_version"},
		"bad runtime":        {`"spark_version":"latest","node_type_id":"i3.xlarge","num_workers":1`, "Invalid spark version latest."},
		"photon twice":       {`"spark_version":"9.1.x-photon-scala2.12","runtime_engine":"PHOTON","node_type_id":"i3.xlarge","num_workers":1`, "runtime_engine"},
		"no node type":       {`"spark_version":"16.4.x-scala2.12","num_workers":1`, "Missing required field: node_type_id"},
		"bad node type":      {`"spark_version":"16.4.x-scala2.12","num_workers":1,"node_type_id":"big"`, "Node type big is not supported"},
		"pool and node type": {base + `"instance_pool_id":"pool-1"`, "The field 'node_type_id' cannot be supplied when an instance pool ID is provided."},
		"unknown pool":       {`"spark_version":"16.4.x-scala2.12","num_workers":1,"instance_pool_id":"pool-9"`, "pool-9"},
		"driver pool alone":  {base + `"driver_instance_pool_id":"pool-1"`, "without instance_pool_id"},
		"needs EBS":          {`"spark_version":"16.4.x-scala2.12","num_workers":1,"node_type_id":"m4.xlarge"`, "At least one EBS volume must be attached for clusters created with node type m4.xlarge."},
		"autotermination 5":  {base + `"autotermination_minutes":5`, "autotermination_minutes must be 0 or between 10 and 10000: 5"},
		"autotermination >":  {base + `"autotermination_minutes":10001`, "10001"},
		"46 tags":            {base + manyTags(46), "At most 45 custom_tags"},
		"11 keys":            {base + repeated("ssh_public_keys", `"k"`, 11), "At most 10 ssh_public_keys"},
		"11 scripts":         {base + repeated("init_scripts", script, 11), "At most 10 init_scripts"},
		"script nowhere":     {base + `"init_scripts":[{}]`, "exactly one destination"},
		"two log places":     {base + `"cluster_log_conf":{"dbfs":{"destination":"a"},"volumes":{"destination":"b"}}`, "exactly one destination"},
		"empty destination":  {base + `"cluster_log_conf":{"volumes":{}}`, "cluster_log_conf.volumes.destination"},
		"S3 logs, no role":   {base + `"cluster_log_conf":{"s3":{"destination":"s3://a","region":"b"}}`, "instance_profile_arn"},
		"two clouds":         {base + `"aws_attributes":{},"gcp_attributes":{}`, "Only one of aws_attributes, gcp_attributes"},
		"single without":     {base + `"is_single_node":true`, "is_single_node can only be specified with kind"},
		"unknown policy":     {base + `"policy_id":""`, "'' is not a valid cluster policy ID"},
		"half a login":       {base + `"docker_image":{"url":"a","basic_auth":{"username":"u"}}`, "basic_auth"},
		"unknown enum":       {base + `"data_security_mode":"OPEN"`, `data_security_mode: "OPEN" is not one of`},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t, simulator.Options{Workspaces: []simulator.Workspace{{
				Principals: []simulator.Principal{{UserName: "a@b.c", Tokens: []string{simulator.DefaultToken}}},
				Pools:      []simulator.Pool{{ID: "pool-1", NodeTypeID: "i3.2xlarge"}},
			}}})
			b.expectError(http.MethodPost, "/api/2.1/clusters/create", "{"+c.body+"}", 400, "INVALID_PARAMETER_VALUE", c.message)
			b.Expect(b.s.Clusters()).To(BeEmpty())
		})
	}
}

func TestLimitsOfValidSpecifications(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	b.create("45 tags", manyTags(45))
	b.create("ten minutes", `"autotermination_minutes":10`)
	b.create("min is max", `"autoscale":{"min_workers":2,"max_workers":2}`)
	b.create("no workers", `"num_workers":0`)
	b.create("azure", `"node_type_id":"Standard_D4ds_v5"`)
}

func TestLegacyMessageOfAMissingSize(t *testing.T) {
	b := newHarness(t, simulator.Options{Behaviour: simulator.Behaviour{LegacySizeText: true}})
	b.expectError(http.MethodPost, "/api/2.1/clusters/create", "{"+small+"}", 400, "INVALID_PARAMETER_VALUE", "Missing required field: size")
}

func TestWorkspaceRejectsAttributesOfOtherClouds(t *testing.T) {
	b := newHarness(t, simulator.Options{Workspaces: []simulator.Workspace{{
		Cloud: simulator.Azure, Principals: []simulator.Principal{{UserName: "a@b.c", Tokens: []string{simulator.DefaultToken}}},
	}}})
	b.expectError(http.MethodPost, "/api/2.1/clusters/create", "{"+small+`,"num_workers":1}`, 400, "INVALID_PARAMETER_VALUE", "i3.xlarge")
	b.expectError(http.MethodPost, "/api/2.1/clusters/create",
		`{"spark_version":"16.4.x-scala2.12","node_type_id":"Standard_D4ds_v5","num_workers":1,"aws_attributes":{}}`, 400, "INVALID_PARAMETER_VALUE", "aws_attributes")
}

func TestWrongTypesAreMalformed(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	for _, body := range []string{
		`not json`, `null`, `[]`, `{} {}`,
		`{"num_workers":"1"}`, `{"num_workers":1.5}`, `{"spark_version":16}`, `{"autoscale":3}`,
		`{"enable_elastic_disk":"true"}`, `{"spark_conf":{"a":1}}`, `{"init_scripts":{}}`,
		`{"azure_attributes":{"spot_bid_max_price":"-1"}}`,
	} {
		a := b.call(http.MethodPost, "/api/2.1/clusters/create", body)
		b.Expect(a.status).To(Equal(http.StatusBadRequest), body)
		b.Expect(a.body).To(HaveKeyWithValue("error_code", "MALFORMED_REQUEST"), body)
	}
	b.expectError(http.MethodGet, "/api/2.1/clusters/list?page_size=many", "", 400, "MALFORMED_REQUEST", "page_size: expected an integer")
}

func TestUnknownFieldsAreIgnoredAndLogged(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	id := b.create("one", `"colour":"blue"`, `"aws_attributes":{"availability":"SPOT","flavour":1}`)
	b.Expect(b.get(id)["spec"]).NotTo(HaveKey("colour"))
	b.Expect(b.s.RequestsTo("clusters/create")[0].UnknownFields).To(Equal([]string{"aws_attributes.flavour", "colour"}))
}

func TestBodiesAreBounded(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	a := b.call(http.MethodPost, "/api/2.1/clusters/create", `{"cluster_name":"`+strings.Repeat("x", 10<<20)+`"}`)
	b.Expect(a.status).To(Equal(http.StatusRequestEntityTooLarge))
}
