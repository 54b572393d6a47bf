package simulator_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// ordinaryClient works like the Terraform provider and the CLI: it creates a
// cluster, then compares the response to a GET with the declaration, and edits
// if they differ.
type ordinaryClient struct {
	*harness
	id string
}

// specFields are the fields of a specification that the client supports.
var specFields = []string{
	"cluster_name", "spark_version", "num_workers", "autoscale", "node_type_id", "driver_node_type_id",
	"worker_node_type_flexibility", "driver_node_type_flexibility", "instance_pool_id", "driver_instance_pool_id", "policy_id",
	"autotermination_minutes", "spark_conf", "spark_env_vars", "custom_tags", "ssh_public_keys", "init_scripts", "cluster_log_conf",
	"aws_attributes", "azure_attributes", "gcp_attributes", "enable_elastic_disk", "enable_local_disk_encryption",
	"remote_disk_throughput", "total_initial_remote_disk_size", "data_security_mode", "single_user_name", "runtime_engine",
	"docker_image", "kind", "is_single_node", "use_ml_runtime", "dependency_mode", "workload_type", "cluster_mount_infos",
}

// serverFills are the fields that both clients ignore unless they are declared.
var serverFills = []string{
	"cluster_name", "aws_attributes", "azure_attributes", "gcp_attributes", "enable_elastic_disk", "enable_local_disk_encryption",
	"node_type_id", "driver_node_type_id", "driver_instance_pool_id", "autotermination_minutes", "single_user_name",
}

// aliases are the names under which GET returns a declared access mode.
var aliases = map[string]string{"DATA_SECURITY_MODE_STANDARD": "USER_ISOLATION", "DATA_SECURITY_MODE_DEDICATED": "SINGLE_USER"}

func (c *ordinaryClient) apply(declared map[string]any) {
	c.t.Helper()
	if c.id == "" {
		c.id, _ = c.ok(http.MethodPost, createPath, encoded(declared))["cluster_id"].(string)
		return
	}
	got := c.get(c.id)
	differs := func(field string) bool {
		want, isDeclared := declared[field]
		value, returned := got[field]
		if isDeclared {
			return !covers(value, want)
		}
		return returned && declared["policy_id"] == nil && declared["kind"] == nil && !slices.Contains(serverFills, field)
	}
	if !slices.ContainsFunc(specFields, differs) {
		return
	}
	body := maps.Clone(declared)
	body["cluster_id"] = c.id
	c.ok(http.MethodPost, "/api/2.1/clusters/edit", encoded(body))
}

func encoded(value any) string {
	data, _ := json.Marshal(value)
	return string(data)
}

// covers reports whether the response contains everything declared.
func covers(returned, declared any) bool {
	inner, isObject := declared.(map[string]any)
	if !isObject {
		return reflect.DeepEqual(returned, declared) || (declared != nil && aliases[asText(declared)] != "" && aliases[asText(declared)] == returned)
	}
	object, _ := returned.(map[string]any)
	for field, value := range inner {
		if !covers(object[field], value) {
			return false
		}
	}
	return true
}

func asText(value any) string { text, _ := value.(string); return text }

// declaration decodes JSON like the responses.
func declaration(t *testing.T, base map[string]any, more string) map[string]any {
	t.Helper()
	a := maps.Clone(base)
	for field, value := range parsed(t, "{"+more+"}") {
		if a[field] = value; value == nil {
			delete(a, field)
		}
	}
	return a
}

// onTheClouds are minimal declarations for each cloud.
var onTheClouds = map[simulator.Cloud]string{
	simulator.AWS:   `{"spark_version":"16.4.x-scala2.12","num_workers":2,"node_type_id":"i3.xlarge"}`,
	simulator.Azure: `{"spark_version":"17.3.x-scala2.13","num_workers":2,"node_type_id":"Standard_D4ds_v5"}`,
	simulator.GCP:   `{"spark_version":"18.x-scala2.13","num_workers":2,"node_type_id":"n2-highmem-4"}`,
}

// onEveryCloud are fields that are added to the minimal declarations, one at a
// time.
var onEveryCloud = []string{
	``,
	`"cluster_name":"etl","autotermination_minutes":0`,
	`"autotermination_minutes":30,"enable_elastic_disk":false,"enable_local_disk_encryption":false`,
	`"enable_elastic_disk":true,"enable_local_disk_encryption":true`,
	`"num_workers":0`,
	`"num_workers":null,"autoscale":{"min_workers":1,"max_workers":4}`,
	`"spark_conf":{"spark.speculation":"true","a.b":"{{secrets/s/k}}"},"spark_env_vars":{"A":"b"},"custom_tags":{"team":"data"}`,
	`"num_workers":0,"spark_conf":{"spark.databricks.cluster.profile":"singleNode","spark.master":"local[*]"},"custom_tags":{"ResourceClass":"SingleNode"}`,
	`"num_workers":null,"kind":"CLASSIC_PREVIEW","is_single_node":true`,
	`"num_workers":1,"kind":"CLASSIC_PREVIEW","is_single_node":true`,
	`"kind":"CLASSIC_PREVIEW","use_ml_runtime":true`,
	`"ssh_public_keys":["ssh-rsa a","ssh-rsa b"],"init_scripts":[{"volumes":{"destination":"/Volumes/a/b/c/d.sh"}},{"workspace":{"destination":"/e.sh"}}]`,
	`"cluster_log_conf":{"volumes":{"destination":"/Volumes/a/b/logs"}}`,
	`"data_security_mode":"DATA_SECURITY_MODE_STANDARD"`,
	`"data_security_mode":"SINGLE_USER"`,
	`"data_security_mode":"DATA_SECURITY_MODE_DEDICATED","single_user_name":"Ann@Example.com"`,
	`"data_security_mode":"NONE","runtime_engine":"PHOTON"`,
	`"workload_type":{"clients":{"jobs":false,"notebooks":true}}`,
	`"docker_image":{"url":"registry/x:1","basic_auth":{"username":"u","password":"p"}}`,
	`"cluster_mount_infos":[{"network_filesystem_info":{"server_address":"10.0.0.1","mount_options":"rw"},"local_mount_dir_path":"/mnt/a"}]`,
	`"dependency_mode":"DEPENDENCY_MODE_AUTO"`,
	`"policy_id":"P1"`,
	`"policy_id":"P1","apply_policy_default_values":true`,
}

var onOneCloud = map[simulator.Cloud][]string{
	simulator.AWS: {
		`"aws_attributes":{"zone_id":"auto","first_on_demand":0,"availability":"SPOT","spot_bid_price_percent":80}`,
		`"aws_attributes":{"zone_id":"us-west-2a","ebs_volume_type":"GENERAL_PURPOSE_SSD","ebs_volume_count":1,"ebs_volume_size":100,"ebs_volume_iops":3000,"ebs_volume_throughput":125}`,
		`"aws_attributes":{"instance_profile_arn":"arn:aws:iam::1:instance-profile/x"},"cluster_log_conf":{"s3":{"destination":"s3://logs","region":"us-west-2"}}`,
		`"driver_node_type_id":"i3.2xlarge","worker_node_type_flexibility":{"alternate_node_type_ids":["i3.2xlarge"]}`,
		`"node_type_id":null,"instance_pool_id":"pool"`,
		`"node_type_id":null,"instance_pool_id":"pool","driver_instance_pool_id":"pool-2"`,
	},
	simulator.Azure: {
		`"azure_attributes":{"first_on_demand":1,"availability":"SPOT_WITH_FALLBACK_AZURE","spot_bid_max_price":-1}`,
		`"azure_attributes":{"log_analytics_info":{"log_analytics_workspace_id":"w","log_analytics_primary_key":"k"}}`,
	},
	simulator.GCP: {
		`"gcp_attributes":{"first_on_demand":0,"availability":"PREEMPTIBLE_GCP","local_ssd_count":0,"zone_id":"AUTO","boot_disk_size":100}`,
		`"remote_disk_throughput":140,"total_initial_remote_disk_size":500`,
	},
}

func newOrdinaryClient(t *testing.T, cloud simulator.Cloud, behaviour simulator.Behaviour) *ordinaryClient {
	t.Helper()
	return &ordinaryClient{harness: newHarness(t, simulator.Options{Behaviour: behaviour, Workspaces: []simulator.Workspace{{
		Cloud:      cloud,
		Principals: []simulator.Principal{{UserName: "a@b.c", Tokens: []string{simulator.DefaultToken}}},
		Pools:      []simulator.Pool{{ID: "pool", NodeTypeID: "i3.xlarge"}, {ID: "pool-2", NodeTypeID: "i3.2xlarge"}},
		Policies: []simulator.Policy{{ID: "P1", Name: "team", Definition: `{
			"custom_tags.cost": {"type": "fixed", "value": "1"}, "spark_conf.spark.x": {"type": "fixed", "value": "y"},
			"autotermination_minutes": {"type": "unlimited", "defaultValue": 40, "isOptional": true}}`}},
	}}})}
}

func TestOrdinaryClientDoesNotEditWithoutChange(t *testing.T) {
	for cloud, minimal := range onTheClouds {
		for _, more := range slices.Concat(onEveryCloud, onOneCloud[cloud]) {
			t.Run(string(cloud)+" "+more, func(t *testing.T) {
				c := newOrdinaryClient(t, cloud, simulator.Behaviour{})
				declared := declaration(t, parsed(t, minimal), more)
				for range 3 {
					c.apply(declared)
					c.advance(simulator.DefaultTimings().Launch)
				}
				c.Expect(c.s.RequestsTo("clusters/edit")).To(BeEmpty())
				c.Expect(c.state(c.id)).To(Equal("RUNNING"))
				for _, entry := range c.s.Requests() {
					c.Expect(entry.UnknownFields).To(BeEmpty())
				}
				c.Expect(c.s.EditElsewhere(c.id, map[string]any{"spark_version": "15.4.x-scala2.12"})).To(Succeed())
				c.apply(declared)
				c.Expect(c.s.RequestsTo("clusters/edit")).To(HaveLen(1), "the client sees a difference")
			})
		}
	}
}

// An ordinary client edits values that only some workspaces rewrite, so
// rewriting is off by default.
func TestOrdinaryClientEditsRewrittenValues(t *testing.T) {
	for name, c := range map[string]struct {
		behaviour simulator.Behaviour
		more      string
	}{
		"workload type":    {simulator.Behaviour{ReturnsWorkloadType: true}, ``},
		"runtime engine":   {simulator.Behaviour{ReturnsRuntimeEngine: true}, ``},
		"delta preview":    {simulator.Behaviour{ReturnsDeltaPreview: true}, ``},
		"concrete zone":    {simulator.Behaviour{ConcreteZone: true}, `"aws_attributes":{"zone_id":"auto"}`},
		"first on demand":  {simulator.Behaviour{RewriteFirstOnDemand: true}, `"aws_attributes":{"first_on_demand":0}`},
		"user names":       {simulator.Behaviour{LowerCaseUserNames: true}, `"data_security_mode":"SINGLE_USER","single_user_name":"Ann@b.c"`},
		"masked passwords": {simulator.Behaviour{RegistryPassword: simulator.SecretMasked}, `"docker_image":{"url":"x","basic_auth":{"username":"u","password":"p"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			client := newOrdinaryClient(t, simulator.AWS, c.behaviour)
			declared := declaration(t, parsed(t, onTheClouds[simulator.AWS]), c.more)
			client.apply(declared)
			client.advance(simulator.DefaultTimings().Launch)
			client.apply(declared)
			client.Expect(client.s.RequestsTo("clusters/edit")).To(HaveLen(1))
		})
	}
}
