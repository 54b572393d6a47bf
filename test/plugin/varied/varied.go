package varied

import (
	"fmt"
	"strings"

	"github.com/databricks-operator/databricks-operator/internal/simulator"
)

// Ids of the policies and pools of the workspace.
const (
	FixingPolicy = "ABCD000000000001"
	PlainPolicy  = "ABCD000000000002"
	Pool         = "0101-000000-pool1-pool-aaaaaaaa"
	DriverPool   = "0101-000000-pool2-pool-bbbbbbbb"
)

// Secrets that appear in the specifications of clusters and must not appear in a manifest.
const (
	RegistryPassword = "registry-pa55word-of-the-test"
	AnalyticsKey     = "analytics-k3y-of-the-test"
	PlainSecret      = "plain-s3cret-of-the-test"
)

// Workspace returns the workspace without its clusters.
func Workspace() simulator.Workspace {
	return simulator.Workspace{
		Name: "varied",
		Principals: []simulator.Principal{{
			UserName: simulator.DefaultUser, Tokens: []string{simulator.DefaultToken},
		}},
		Policies: []simulator.Policy{
			{
				ID: FixingPolicy, Name: "fixing",
				Definition: `{"autotermination_minutes": {"type": "fixed", "value": 45}, "custom_tags.team": {"type": "fixed", "value": "data"}}`,
			},
			{ID: PlainPolicy, Name: "plain", Definition: `{"spark_conf.spark.speculation": {"type": "unlimited", "defaultValue": "true", "isOptional": true}}`},
		},
		Pools: []simulator.Pool{
			{ID: Pool, Name: "workers", NodeTypeID: "i3.xlarge"},
			{ID: DriverPool, Name: "drivers", NodeTypeID: "i3.2xlarge"},
		},
	}
}

// spec is a specification as clusters/create accepts it.
type spec = map[string]any

// Seeds returns a number of clusters. The same number of clusters are always the same.
func Seeds(count int) []simulator.Seed {
	seeds := make([]simulator.Seed, 0, count)
	for i := range count {
		seeds = append(seeds, seed(i))
	}
	return seeds
}

// seed returns the cluster of a number. The periods of its features have no common factor,
// so that the combinations differ.
func seed(i int) simulator.Seed {
	s := spec{"cluster_name": name(i), "spark_version": []string{"16.4.x-scala2.12", "17.3.x-scala2.13", "15.4.x-scala2.12"}[i%3]}
	if i%7 != 3 {
		s["autotermination_minutes"] = []int{0, 10, 60, 10000}[i%4]
	}
	machines(i, s)
	size(i, s)
	properties(i, s)
	storage(i, s)
	access(i, s)
	image(i, s)
	return simulator.Seed{Spec: s, State: simulator.State([]string{"TERMINATED", "TERMINATED", "RUNNING"}[i%3]), Source: source(i)}
}

// name returns the names of ordinary clusters, and odd ones.
func name(i int) string {
	switch i % 17 {
	case 3:
		return "ETL nightly"
	case 5:
		return "Données & Analyse – été"
	case 7:
		return "分析クラスタ"
	case 9:
		return strings.Repeat("very-long-name-", 12) + fmt.Sprint(i)
	case 11:
		return fmt.Sprintf("team/%d: \"quoted\" #1\t\u2028", i)
	case 13:
		return "kustomization"
	case 15:
		return fmt.Sprintf("--- %d ---", i)
	default:
		return fmt.Sprintf("cluster-%03d", i)
	}
}

func source(i int) string {
	switch i % 25 {
	case 8:
		return "JOB"
	case 16:
		return "PIPELINE"
	case 4:
		return "API"
	default:
		return "UI"
	}
}

func machines(i int, s spec) {
	switch i % 5 {
	case 0:
		s["node_type_id"] = "i3.xlarge"
		s["aws_attributes"] = spec{
			"first_on_demand": i % 3, "availability": "SPOT_WITH_FALLBACK", "zone_id": "auto", "spot_bid_price_percent": 80,
			"instance_profile_arn": "arn:aws:iam::123456789012:instance-profile/data",
			"ebs_volume_type":      "GENERAL_PURPOSE_SSD", "ebs_volume_count": 1, "ebs_volume_size": 100, "ebs_volume_iops": 3000, "ebs_volume_throughput": 125,
		}
	case 1:
		s["node_type_id"], s["driver_node_type_id"] = "Standard_D4ds_v5", "Standard_D8ds_v5"
		azure := spec{
			"first_on_demand": 1, "availability": "SPOT_WITH_FALLBACK_AZURE", "spot_bid_max_price": []float64{-1, 0.25, 2}[i%3],
		}
		s["azure_attributes"] = azure
		if i%2 == 0 {
			azure["log_analytics_info"] = spec{"log_analytics_workspace_id": "11111111-2222-3333-4444-555555555555", "log_analytics_primary_key": AnalyticsKey}
		}
	case 2:
		s["node_type_id"] = "n2-highmem-4"
		s["gcp_attributes"] = spec{
			"first_on_demand": 2, "availability": "PREEMPTIBLE_WITH_FALLBACK_GCP", "google_service_account": "data@project.iam.gserviceaccount.com",
			"boot_disk_size": 100, "local_ssd_count": i % 2, "zone_id": []string{"HA", "AUTO", "us-central1-a"}[i%3], "confidential_compute_type": "SEV_SNP",
		}
		s["remote_disk_throughput"], s["total_initial_remote_disk_size"] = 200, 500
	case 3:
		s["instance_pool_id"] = Pool
		if i%2 == 0 {
			s["driver_instance_pool_id"] = DriverPool
		}
	default:
		s["node_type_id"] = "i3.2xlarge"
		s["worker_node_type_flexibility"] = spec{"alternate_node_type_ids": []string{"i3.4xlarge", "i3.xlarge"}}
		s["driver_node_type_flexibility"] = spec{"alternate_node_type_ids": []string{"i3.4xlarge"}}
		s["enable_elastic_disk"], s["enable_local_disk_encryption"] = true, i%4 == 0
	}
}

func size(i int, s spec) {
	switch i % 4 {
	case 0:
		s["num_workers"] = i % 6
	case 1, 2:
		s["autoscale"] = spec{"min_workers": i % 3, "max_workers": i%3 + 4}
	default:
		s["kind"], s["is_single_node"] = "CLASSIC_PREVIEW", true
		if i%8 == 3 {
			s["use_ml_runtime"], s["num_workers"] = true, 0
		}
	}
}

func properties(i int, s spec) {
	if i%3 != 1 {
		conf := spec{"spark.sql.shuffle.partitions": fmt.Sprint(i), "a/b~c": "1", "empty": "", "spark.speculation": "true"}
		if i%6 == 0 {
			conf["spark.hadoop.fs.azure.account.key.data.dfs.core.windows.net"] = PlainSecret
			conf["spark.password"] = "{{secrets/team/password}}"
		}
		s["spark_conf"] = conf
	}
	if i%4 != 2 {
		env := spec{"PYSPARK_PYTHON": "/databricks/python3/bin/python3", "MULTI": "a\nb"}
		if i%4 == 1 {
			env["API_TOKEN"] = PlainSecret
		}
		if i%44 == 0 {
			env["LONG"] = strings.Repeat("x", 5000)
		}
		s["spark_env_vars"] = env
	}
	if i%5 != 4 {
		s["custom_tags"] = spec{"cost-center": fmt.Sprint(4711 + i%3), "owner/team": "data ✓"}
	}
	if i%6 == 2 {
		s["ssh_public_keys"] = []string{"ssh-ed25519 AAAA b@example.com", "ssh-ed25519 AAAA a@example.com"}
	}
}

func storage(i int, s spec) {
	scripts := []spec{
		{"workspace": spec{"destination": "/Shared/init.sh"}},
		{"volumes": spec{"destination": "/Volumes/main/default/scripts/init.sh"}},
		{"abfss": spec{"destination": "abfss://c@a.dfs.core.windows.net/init.sh"}},
		{"gcs": spec{"destination": "gs://bucket/init.sh"}},
		{"s3": spec{"destination": "s3://bucket/init.sh", "region": "us-west-2"}},
	}
	switch i % 9 {
	case 1:
		s["init_scripts"] = scripts[:1+i%5]
	case 4:
		s["init_scripts"] = []spec{scripts[i%5], {"dbfs": spec{"destination": "dbfs:/init.sh"}}}
	}
	switch i % 10 {
	case 0:
		s["cluster_log_conf"] = spec{"s3": spec{
			"destination": "s3://bucket/logs", "region": "us-west-2", "enable_encryption": true, "encryption_type": "sse-kms",
			"kms_key": "arn:aws:kms:us-west-2:123456789012:key/1", "canned_acl": "bucket-owner-full-control",
		}}
	case 3:
		s["cluster_log_conf"] = spec{"volumes": spec{"destination": "/Volumes/main/default/logs"}}
	case 7:
		s["cluster_log_conf"] = spec{"dbfs": spec{"destination": "dbfs:/logs"}}
	}
}

func access(i int, s spec) {
	modes := []string{
		"", "NONE", "SINGLE_USER", "USER_ISOLATION", "DATA_SECURITY_MODE_AUTO", "DATA_SECURITY_MODE_STANDARD",
		"DATA_SECURITY_MODE_DEDICATED", "LEGACY_SINGLE_USER", "LEGACY_TABLE_ACL",
	}
	if mode := modes[i%len(modes)]; mode != "" {
		s["data_security_mode"] = mode
		if mode == "SINGLE_USER" || mode == "DATA_SECURITY_MODE_DEDICATED" || mode == "USER_ISOLATION" && i%2 == 0 {
			s["single_user_name"] = simulator.DefaultUser
		}
	}
	switch i % 6 {
	case 1:
		s["runtime_engine"] = "PHOTON"
	case 4:
		s["runtime_engine"] = "STANDARD"
	}
	switch i % 11 {
	case 2:
		s["policy_id"] = FixingPolicy
		delete(s, "autotermination_minutes")
	case 6:
		s["policy_id"], s["apply_policy_default_values"] = PlainPolicy, true
	}
	if i%13 == 5 {
		s["workload_type"] = spec{"clients": spec{"jobs": true, "notebooks": i%2 == 0}}
	}
	if i%19 == 6 {
		s["dependency_mode"] = "DEPENDENCY_MODE_CLUSTER_LIBRARIES"
	}
	if i%23 == 9 {
		s["cluster_mount_infos"] = []spec{{"local_mount_dir_path": "/mnt/data", "network_filesystem_info": spec{"server_address": "nfs.example.com"}}}
	}
}

func image(i int, s spec) {
	switch i % 12 {
	case 5:
		s["docker_image"] = spec{"url": "registry.example.com/runtime:1"}
	case 10:
		s["docker_image"] = spec{"url": "registry.example.com/runtime:2", "basic_auth": spec{"username": "puller", "password": RegistryPassword}}
	}
}
