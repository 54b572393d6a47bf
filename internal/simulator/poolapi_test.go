package simulator_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

const (
	poolsPath  = "/api/2.0/instance-pools/"
	poolGrants = "/api/2.0/permissions/instance-pools/"
)

func (b *harness) createPool(fields string) string {
	b.t.Helper()
	id, _ := b.ok(http.MethodPost, poolsPath+"create", fields)["instance_pool_id"].(string)
	b.Expect(id).To(MatchRegexp(`^\d{4}-\d{6}-[a-z]+\d+-pool-[0-9a-f]{8}$`))
	return id
}

func (b *harness) pool(id string) map[string]any {
	b.t.Helper()
	return b.ok(http.MethodGet, poolsPath+"get?instance_pool_id="+id, "")
}

// stats returns the used, idle, pending used and pending idle instances of a pool.
func (b *harness) stats(id string) []any {
	b.t.Helper()
	stats, _ := b.pool(id)["stats"].(map[string]any)
	return []any{stats["used_count"], stats["idle_count"], stats["pending_used_count"], stats["pending_idle_count"]}
}

func counts(used, idle, pendingUsed, pendingIdle json.Number) []any {
	return []any{used, idle, pendingUsed, pendingIdle}
}

func TestPoolsGetTheDefaultsOfTheirCloud(t *testing.T) {
	for cloud, row := range map[simulator.Cloud]struct {
		nodeType, block string
		capacity        bool
		attributes      map[string]any
	}{
		simulator.AWS:   {"i3.xlarge", "aws_attributes", false, map[string]any{"availability": "SPOT", "spot_bid_price_percent": json.Number("100"), "zone_id": "us-west-2a"}},
		simulator.Azure: {"Standard_DS3_v2", "azure_attributes", false, map[string]any{"availability": "ON_DEMAND_AZURE"}},
		simulator.GCP:   {"n1-standard-4", "gcp_attributes", true, map[string]any{"gcp_availability": "ON_DEMAND_GCP"}},
	} {
		b := newHarness(t, simulator.Options{Workspaces: []simulator.Workspace{{
			Cloud: cloud, Principals: []simulator.Principal{{UserName: "a@b.c", Tokens: []string{simulator.DefaultToken}}},
		}}})
		shown := b.pool(b.createPool(`{"instance_pool_name":"p","node_type_id":"` + row.nodeType + `"}`))
		b.Expect(shown).To(And(
			HaveKeyWithValue(row.block, row.attributes), HaveKeyWithValue("enable_elastic_disk", true), HaveKeyWithValue("state", "ACTIVE"),
			HaveKeyWithValue("idle_instance_autotermination_minutes", json.Number("60")), HaveKeyWithValue("status", map[string]any{}), HaveKey("default_tags")))
		_, hasCapacity := shown["max_capacity"]
		b.Expect(hasCapacity).To(Equal(row.capacity))
	}
}

func TestPoolsAreEditedInPart(t *testing.T) {
	b := newAdministration(t)
	const fields = `"instance_pool_name":"p","node_type_id":"i3.xlarge","enable_elastic_disk":false,"preloaded_spark_versions":["16.4.x-scala2.12"],"custom_tags":{"a":"b"},"max_capacity":10,"min_idle_instances":2`
	id := b.createPool(`{` + fields + `}`)
	b.Expect(b.pool(id)).To(HaveKeyWithValue("enable_elastic_disk", false))
	b.ok(http.MethodPost, poolsPath+"edit", `{"instance_pool_id":"`+id+`",`+fields+`}`)
	b.Expect(b.pool(id)).To(HaveKeyWithValue("custom_tags", map[string]any{"a": "b"}), "the whole object does no harm")

	b.ok(http.MethodPost, poolsPath+"edit", `{"instance_pool_id":"`+id+`","instance_pool_name":"q","node_type_id":"i3.xlarge","max_capacity":5}`)
	edited := b.pool(id)
	b.Expect(edited).To(And(HaveKeyWithValue("instance_pool_name", "q"), HaveKeyWithValue("max_capacity", json.Number("5")), HaveKeyWithValue("min_idle_instances", json.Number("0"))))
	b.Expect(edited).NotTo(HaveKey("custom_tags"), "what an edit omits is unset")
	b.Expect(edited).To(HaveKey("preloaded_spark_versions"), "an edit cannot change it")
	for field, value := range map[string]string{
		"node_type_id": `"i3.2xlarge"`, "enable_elastic_disk": `true`, "preloaded_spark_versions": `["15.4.x-scala2.12"]`,
		"aws_attributes": `{"availability":"ON_DEMAND"}`, "disk_spec": `{"disk_count":1}`, "node_type_flexibility": `{"alternate_node_type_ids":["i3.2xlarge"]}`,
	} {
		request := `{"instance_pool_id":"` + id + `","instance_pool_name":"q","` + field + `":` + value
		if field != "node_type_id" {
			request += `,"node_type_id":"i3.xlarge"`
		}
		b.expectError(http.MethodPost, poolsPath+"edit", request+`}`, 400, "INVALID_PARAMETER_VALUE",
			"Requested instance pool field change is not supported on existing pools: "+field+". Please check")
	}
}

func TestPoolsThatAreRefused(t *testing.T) {
	b := newAdministration(t)
	b.createPool(`{"instance_pool_name":"taken","node_type_id":"i3.xlarge"}`)
	for fields, message := range map[string]string{
		`{"instance_pool_name":"taken","node_type_id":"i3.xlarge"}`:                                                    "already exists",
		`{"node_type_id":"i3.xlarge"}`:                                                                                 "1 to 100 characters",
		`{"instance_pool_name":"p"}`:                                                                                   "node_type_id",
		`{"instance_pool_name":"p","node_type_id":"none.xlarge"}`:                                                      "not supported",
		`{"instance_pool_name":"p","node_type_id":"i3.xlarge","min_idle_instances":3,"max_capacity":2}`:                "max_capacity",
		`{"instance_pool_name":"p","node_type_id":"i3.xlarge","idle_instance_autotermination_minutes":10001}`:          "10000",
		`{"instance_pool_name":"p","node_type_id":"i3.xlarge","preloaded_spark_versions":["a","b"]}`:                   "At most one",
		`{"instance_pool_name":"p","node_type_id":"i3.xlarge","aws_attributes":{"availability":"SPOT_WITH_FALLBACK"}}`: "SPOT_WITH_FALLBACK",
		`{"instance_pool_name":"p","node_type_id":"i3.xlarge","aws_attributes":{"zone_id":"auto"}}`:                    "fleet",
		`{"instance_pool_name":"p","node_type_id":"i3.xlarge","aws_attributes":{},"gcp_attributes":{}}`:                "Only one of",
	} {
		b.expectError(http.MethodPost, poolsPath+"create", fields, 400, "INVALID_PARAMETER_VALUE", message)
	}
	b.ok(http.MethodPost, poolsPath+"create", `{"instance_pool_name":"fleet","node_type_id":"rd-fleet.xlarge","aws_attributes":{"zone_id":"auto"}}`)
}

func TestPoolsHaveACapacity(t *testing.T) {
	b := newAdministration(t)
	id := b.createPool(`{"instance_pool_name":"p","node_type_id":"i3.xlarge","min_idle_instances":2,"max_capacity":4}`)
	b.Expect(b.stats(id)).To(Equal(counts("0", "0", "0", "2")), "instances start")
	b.advance(10 * time.Minute)
	b.Expect(b.stats(id)).To(Equal(counts("0", "2", "0", "0")))

	inPool := func(name, workers string) string {
		made, _ := b.ok(http.MethodPost, createPath, `{"cluster_name":"`+name+`","spark_version":"16.4.x-scala2.12","instance_pool_id":"`+id+`","num_workers":`+workers+`}`)["cluster_id"].(string)
		return made
	}
	first := inPool("first", "2")
	b.Expect(b.stats(id)).To(Equal(counts("0", "1", "3", "0")))
	b.advance(10 * time.Minute)
	b.Expect(b.stats(id)).To(Equal(counts("3", "1", "0", "0")))
	second := inPool("second", "1")
	b.advance(10 * time.Minute)
	b.Expect(b.get(second)["termination_reason"]).To(Equal(map[string]any{
		"code": "INSTANCE_POOL_MAX_CAPACITY_REACHED", "type": "CLIENT_ERROR", "parameters": map[string]any{"instance_pool_id": id},
	}))
	b.verb("delete", first)
	b.advance(10 * time.Minute)
	b.verb("start", second)
	b.advance(10 * time.Minute)
	b.Expect(b.state(second)).To(Equal("RUNNING"))
	b.Expect(b.stats(id)).To(Equal(counts("2", "2", "0", "0")))
}

func TestAPoolWithoutInstances(t *testing.T) {
	b := newAdministration(t)
	id, err := b.s.AddPool("", simulator.Pool{Name: "p", NodeTypeID: "i3.xlarge", MinIdleInstances: 2, StockOut: "no capacity in us-west-2a"})
	b.Expect(err).NotTo(HaveOccurred())
	shown := b.pool(id)
	b.Expect(shown).To(HaveKeyWithValue("state", "ACTIVE"))
	status, _ := shown["status"].(map[string]any)
	b.Expect(status["pending_instance_errors"]).To(And(HaveLen(2), ContainElement(HaveKeyWithValue("message", "no capacity in us-west-2a"))))
	b.Expect(b.stats(id)).To(Equal(counts("0", "0", "0", "2")))
	cluster, _ := b.ok(http.MethodPost, createPath, `{"spark_version":"16.4.x-scala2.12","instance_pool_id":"`+id+`","num_workers":1}`)["cluster_id"].(string)
	b.advance(10 * time.Minute)
	b.Expect(b.get(cluster)["termination_reason"]).To(HaveKeyWithValue("code", "CLOUD_PROVIDER_RESOURCE_STOCKOUT"))
}

func TestPoolsAreDeleted(t *testing.T) {
	b := newAdministration(t)
	id := b.createPool(`{"instance_pool_name":"p","node_type_id":"i3.xlarge","custom_tags":{"team":"a"}}`)
	request := `{"spark_version":"16.4.x-scala2.12","instance_pool_id":"` + id + `","num_workers":1`
	b.expectError(http.MethodPost, createPath, request+`,"custom_tags":{"team":"b"}}`, 400, "INVALID_PARAMETER_VALUE", "team")
	cluster, _ := b.ok(http.MethodPost, createPath, request+`}`)["cluster_id"].(string)
	b.advance(10 * time.Minute)
	b.Expect(b.ok(http.MethodPost, poolsPath+"delete", `{"instance_pool_id":"`+id+`"}`)).To(BeEmpty())
	b.Expect(b.state(cluster)).To(Equal("RUNNING"))
	b.expectError(http.MethodGet, poolsPath+"get?instance_pool_id="+id, "", 404, "RESOURCE_DOES_NOT_EXIST", "Can't find an instance pool with id: "+id)
	b.Expect(b.ok(http.MethodGet, poolsPath+"list", "")).To(BeEmpty())
	b.expectError(http.MethodPost, createPath, request+`}`, 400, "INVALID_PARAMETER_VALUE", "Cluster validation error: Can't find an instance pool with id: "+id)
}

func TestPoolsArePermitted(t *testing.T) {
	b := newAdministration(t)
	plain := b.as(plainToken)
	id := b.createPool(`{"instance_pool_name":"p","node_type_id":"i3.xlarge"}`)
	plain.expectError(http.MethodPost, poolsPath+"create", `{"instance_pool_name":"q","node_type_id":"i3.xlarge"}`, 403, "PERMISSION_DENIED", "not authorized")
	b.Expect(plain.ok(http.MethodGet, poolsPath+"list", "")).To(BeEmpty())
	b.ok(http.MethodPatch, poolGrants+id, `{"access_control_list":[{"user_name":"plain@b.c","permission_level":"CAN_ATTACH_TO"}]}`)
	b.Expect(plain.ok(http.MethodGet, poolsPath+"list", "")["instance_pools"]).To(HaveLen(1))
	edit := `{"instance_pool_id":"` + id + `","instance_pool_name":"q","node_type_id":"i3.xlarge"}`
	plain.expectError(http.MethodPost, poolsPath+"edit", edit, 403, "PERMISSION_DENIED", "Manage")
	b.ok(http.MethodPatch, poolGrants+id, `{"access_control_list":[{"user_name":"plain@b.c","permission_level":"CAN_MANAGE"}]}`)
	plain.ok(http.MethodPost, poolsPath+"edit", edit)
	b.Expect(b.ok(http.MethodGet, poolGrants+id, "")).To(HaveKeyWithValue("object_type", "instance-pool"))
	b.Expect(b.ok(http.MethodGet, poolGrants+id+"/permissionLevels", "")["permission_levels"]).To(HaveLen(2))
}
