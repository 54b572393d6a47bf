package simulator_test

import (
	"net/http"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

func fields(want map[string]any) types.GomegaMatcher {
	all := make([]types.GomegaMatcher, 0, len(want))
	for name, value := range want {
		all = append(all, HaveKeyWithValue(name, value))
	}
	return And(all...)
}

func TestServerDefaultsAreFilledInAndStayOutOfSpec(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	id := b.create("plain")
	got := b.get(id)
	b.Expect(got).To(fields(map[string]any{
		"driver_node_type_id": "i3.xlarge", "enable_elastic_disk": false, "enable_local_disk_encryption": false,
		"cluster_source": "API", "autotermination_minutes": number("0"),
		"disk_spec":       map[string]any{"disk_count": number("0")},
		"instance_source": map[string]any{"node_type_id": "i3.xlarge"}, "driver_instance_source": map[string]any{"node_type_id": "i3.xlarge"},
		"effective_spark_version": "16.4.x-scala2.12", "init_scripts_safe_mode": false, "last_activity_time": number("0"),
		"default_tags":   map[string]any{"Vendor": "Databricks", "Creator": simulator.DefaultUser, "ClusterName": "plain", "ClusterId": id},
		"aws_attributes": map[string]any{"availability": "SPOT_WITH_FALLBACK", "zone_id": "auto", "first_on_demand": number("1"), "spot_bid_price_percent": number("100"), "ebs_volume_count": number("0")},
	}))
	for _, field := range []string{"workload_type", "runtime_engine", "spark_conf", "data_security_mode", "single_user_name"} {
		b.Expect(got).NotTo(HaveKey(field))
	}
	b.Expect(got["spec"]).To(Equal(map[string]any{
		"cluster_name": "plain", "spark_version": "16.4.x-scala2.12", "node_type_id": "i3.xlarge", "num_workers": number("1"),
	}))
	b.advance(simulator.DefaultTimings().Launch)
	b.Expect(b.get(id)).To(HaveKeyWithValue("driver_healthy", true))
}

func TestDefaultsOfOlderWorkspacesAreOptional(t *testing.T) {
	b := newHarness(t, simulator.Options{
		Behaviour: simulator.Behaviour{ReturnsWorkloadType: true, ReturnsRuntimeEngine: true, ReturnsDeltaPreview: true, ConcreteZone: true},
		Workspaces: []simulator.Workspace{{
			DefaultDataSecurityMode: "SINGLE_USER",
			Principals:              []simulator.Principal{{UserName: simulator.DefaultUser, Tokens: []string{simulator.DefaultToken}}},
		}},
	})
	got := b.get(b.create("older"))
	b.Expect(got).To(fields(map[string]any{
		"single_user_name": simulator.DefaultUser, "data_security_mode": "SINGLE_USER", "runtime_engine": "STANDARD",
		"spark_conf":    map[string]any{"spark.databricks.delta.preview.enabled": "true"},
		"workload_type": map[string]any{"clients": map[string]any{"jobs": true, "notebooks": true}},
	}))
	b.Expect(got["aws_attributes"]).To(HaveKeyWithValue("zone_id", "us-west-2c"))
}

func TestSingleNodeIgnoresNumWorkers(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	got := b.get(b.running("single", `"num_workers":1`, `"kind":"CLASSIC_PREVIEW"`, `"is_single_node":true`))
	b.Expect(got).To(HaveKeyWithValue("num_workers", number("1")))
	b.Expect(got).NotTo(HaveKey("executors"))
}

func TestAttributesFollowTheCloud(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	azure := b.get(b.create("azure", `"node_type_id":"Standard_D4ds_v5"`, `"azure_attributes":{"availability":"SPOT_AZURE"}`))
	b.Expect(azure["azure_attributes"]).To(Equal(map[string]any{
		"availability": "SPOT_AZURE", "first_on_demand": number("1"), "spot_bid_max_price": number("-1"),
	}))
	b.Expect(azure).NotTo(HaveKey("aws_attributes"))
	b.Expect(azure).To(HaveKeyWithValue("enable_elastic_disk", true))
	gcp := b.get(b.create("gcp", `"node_type_id":"n2-highmem-4"`))
	b.Expect(gcp["gcp_attributes"]).To(HaveKeyWithValue("zone_id", "HA"))
}

func TestAccessModesAreReturnedByTheirOldNames(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	for asked, echoed := range map[string]string{
		"DATA_SECURITY_MODE_STANDARD": "USER_ISOLATION", "DATA_SECURITY_MODE_DEDICATED": "SINGLE_USER",
		"DATA_SECURITY_MODE_AUTO": "USER_ISOLATION", "LEGACY_TABLE_ACL": "LEGACY_TABLE_ACL",
	} {
		got := b.get(b.create("mode", `"data_security_mode":"`+asked+`"`))
		b.Expect(got).To(HaveKeyWithValue("data_security_mode", echoed), asked)
		b.Expect(got["spec"]).To(HaveKeyWithValue("data_security_mode", asked))
	}
}

func TestSingleNodeConfiguration(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	got := b.get(b.create("single", `"num_workers":0`, `"kind":"CLASSIC_PREVIEW"`, `"is_single_node":true`))
	b.Expect(got["spark_conf"]).To(HaveKeyWithValue("spark.databricks.cluster.profile", "singleNode"))
	b.Expect(got["custom_tags"]).To(HaveKeyWithValue("ResourceClass", "SingleNode"))
	b.Expect(got).To(HaveKeyWithValue("num_workers", number("0")))
	b.Expect(got["spec"]).NotTo(HaveKey("custom_tags"))
}

func TestPoolDeterminesTheNodeTypes(t *testing.T) {
	b := newHarness(t, simulator.Options{Workspaces: []simulator.Workspace{{
		Principals: []simulator.Principal{{UserName: "a@b.c", Tokens: []string{simulator.DefaultToken}}},
		Pools:      []simulator.Pool{{ID: "pool-1", Name: "warm", NodeTypeID: "i3.2xlarge"}},
	}}})
	id, _ := b.ok(http.MethodPost, "/api/2.1/clusters/create", `{"spark_version":"16.4.x-scala2.12","num_workers":2,"instance_pool_id":"pool-1"}`)["cluster_id"].(string)
	got := b.get(id)
	b.Expect(got).To(fields(map[string]any{
		"driver_instance_pool_id": "pool-1", "node_type_id": "i3.2xlarge", "driver_node_type_id": "i3.2xlarge", "enable_elastic_disk": true,
	}))
	b.advance(simulator.DefaultTimings().PoolLaunch)
	b.Expect(b.state(id)).To(Equal("RUNNING"))
	pool := b.ok(http.MethodGet, "/api/2.0/instance-pools/get?instance_pool_id=pool-1", "")
	b.Expect(pool["stats"]).To(HaveKeyWithValue("used_count", number("3")))
	b.Expect(b.ok(http.MethodGet, "/api/2.0/instance-pools/list", "")["instance_pools"]).To(HaveLen(1))
	b.expectError(http.MethodGet, "/api/2.0/instance-pools/get?instance_pool_id=x", "", 404, "RESOURCE_DOES_NOT_EXIST", "x")
}

func TestCapacityAndContextID(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	got := b.get(b.running("big", `"node_type_id":"i3.2xlarge"`, `"driver_node_type_id":"i3.4xlarge"`))
	b.Expect(got).To(HaveKeyWithValue("cluster_cores", number("24")))
	b.Expect(got).To(HaveKeyWithValue("cluster_memory_mb", number("187392")))
	context, _ := got["spark_context_id"].(interface{ Int64() (int64, error) }).Int64()
	b.Expect(context).To(BeNumerically(">", int64(1)<<53))
	b.Expect(context % 2).To(BeEquivalentTo(1)) // a float64 cannot represent it
}

func TestQuotedInt64(t *testing.T) {
	b := newHarness(t, simulator.Options{Behaviour: simulator.Behaviour{QuotedInt64: true}})
	a := b.call(http.MethodGet, "/api/2.1/clusters/get?cluster_id="+b.running("quoted"), "")
	b.Expect(a.raw).To(MatchRegexp(`"spark_context_id":"\d+"`))
	b.Expect(a.raw).To(MatchRegexp(`"start_time":"\d+"`))
}

func newPolicyHarnessWith(t *testing.T, definition string) *harness {
	t.Helper()
	return newHarness(t, simulator.Options{Workspaces: []simulator.Workspace{{
		Principals: []simulator.Principal{{UserName: "a@b.c", Tokens: []string{simulator.DefaultToken}}},
		Policies: []simulator.Policy{{
			ID: "P1", Name: "small", Definition: definition, MaxClustersPerUser: 2,
			Libraries: []map[string]any{{"pypi": map[string]any{"package": "numpy"}}},
		}},
	}}})
}

func TestPolicyFixesDefaultsAndForbids(t *testing.T) {
	const definition = `{
		"custom_tags.team": {"type": "fixed", "value": "data"},
		"spark_conf.spark.speculation": {"type": "fixed", "value": "true"},
		"autotermination_minutes": {"type": "range", "minValue": 10, "maxValue": 60, "defaultValue": 30},
		"num_workers": {"type": "range", "maxValue": 4, "defaultValue": 2, "isOptional": true},
		"node_type_id": {"type": "allowlist", "values": ["i3.xlarge", "i3.2xlarge"], "defaultValue": "i3.xlarge"},
		"docker_image.url": {"type": "forbidden"},
		"spark_version": {"type": "regex", "pattern": "16\\..*"},
		"cluster_type": {"type": "fixed", "value": "all-purpose"}
	}`
	b := newPolicyHarnessWith(t, definition)
	create := func(body string) string { return `{"policy_id":"P1","spark_version":"16.4.x-scala2.12"` + body + `}` }

	id, _ := b.ok(http.MethodPost, "/api/2.1/clusters/create", create(`,"apply_policy_default_values":true`))["cluster_id"].(string)
	got := b.get(id)
	b.Expect(got).To(fields(map[string]any{
		"num_workers": number("2"), "autotermination_minutes": number("30"), "node_type_id": "i3.xlarge",
		"custom_tags": map[string]any{"team": "data"},
	}))
	b.Expect(got["spark_conf"]).To(HaveKeyWithValue("spark.speculation", "true"))
	b.Expect(got).NotTo(HaveKey("apply_policy_default_values"))
	b.Expect(got["spec"]).To(Equal(map[string]any{
		"policy_id": "P1", "spark_version": "16.4.x-scala2.12", "apply_policy_default_values": true,
	}))
	libraries := b.ok(http.MethodGet, "/api/2.0/libraries/cluster-status?cluster_id="+id, "")
	b.Expect(libraries["library_statuses"]).To(HaveLen(1))

	rest := `,"num_workers":1,"node_type_id":"i3.xlarge","autotermination_minutes":20`
	for body, message := range map[string]string{
		`,"num_workers":9,"node_type_id":"i3.xlarge","autotermination_minutes":20`: `Validation failed for num_workers, the value must be at most 4 (is "9")`,
		`,"num_workers":1,"node_type_id":"m5.large","autotermination_minutes":20`:  "Validation failed for node_type_id",
		`,"num_workers":1,"node_type_id":"i3.xlarge"`:                              "Validation failed for autotermination_minutes, the value must be present",
		rest + `,"custom_tags":{"team":"web"}`:                                     `Validation failed for custom_tags.team, the value must be data (is "web")`,
		rest + `,"docker_image":{"url":"x"}`:                                       "Validation failed for docker_image.url, the value must not be present",
	} {
		b.expectError(http.MethodPost, "/api/2.1/clusters/create", create(body), 400, "INVALID_PARAMETER_VALUE", message)
	}
	b.ok(http.MethodPost, "/api/2.1/clusters/create", create(rest))
	b.expectError(http.MethodPost, "/api/2.1/clusters/create", create(rest), 429, "REQUEST_LIMIT_EXCEEDED", "allows 2 clusters per user")
}

func TestPoliciesAreReturnedUnchanged(t *testing.T) {
	const definition = `{"num_workers":{"type":"fixed","value":1}}`
	b := newPolicyHarnessWith(t, definition)
	got := b.ok(http.MethodGet, "/api/2.0/policies/clusters/get?policy_id=P1", "")
	b.Expect(got).To(fields(map[string]any{"name": "small", "definition": definition, "max_clusters_per_user": number("2")}))
	b.Expect(b.ok(http.MethodGet, "/api/2.0/policies/clusters/list?sort_column=POLICY_NAME&sort_order=DESC", "")["policies"]).To(HaveLen(1))
	b.expectError(http.MethodGet, "/api/2.0/policies/clusters/get?policy_id=x", "", 404, "RESOURCE_DOES_NOT_EXIST", "x")
}

func TestTheCatalogueIsNotEmpty(t *testing.T) {
	b := newHarness(t, simulator.Options{})
	b.Expect(b.ok(http.MethodGet, "/api/2.0/clusters/spark-versions", "")["versions"]).NotTo(BeEmpty())
	b.Expect(b.ok(http.MethodGet, "/api/2.1/clusters/list-node-types", "")["node_types"]).NotTo(BeEmpty())
	b.Expect(b.ok(http.MethodGet, "/api/2.1/clusters/list-zones", "")).To(HaveKeyWithValue("default_zone", "us-west-2c"))
	b.expectError(http.MethodPost, "/api/2.1/clusters/get", "", 404, "ENDPOINT_NOT_FOUND", "No API found for 'POST /api/2.1/clusters/get'")
	b.Expect(strings.TrimSpace(b.call(http.MethodGet, "/nothing", "").raw)).To(HavePrefix("{"))
}
