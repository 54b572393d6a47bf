package drift

import (
	"reflect"
	"slices"

	"github.com/databricks-operator/databricks-operator/api/v1alpha1"
	"github.com/databricks-operator/databricks-operator/internal/diff"
)

// poolRule is what happens to a field that is declared together with an instance pool. The
// zero value sends the field.
type poolRule int

const (
	// refusedWithPool does not send the field, and clears it when a pool is added,
	// because the API refuses both.
	refusedWithPool poolRule = iota + 1
	// reducedWithPool sends only the member in the column poolMember, if there is one.
	reducedWithPool
)

// field is one row of the table: how the field is compared, and what is peculiar to
// clusters. A member is a path below the field, such as a/b.
type field struct {
	diff.Field
	// onlySpec marks a field that GET returns in spec and not at the top level.
	onlySpec bool
	// memberMask marks an object of which an update mask lists the members, so that the
	// other members keep their values. Other objects are replaced as a whole.
	memberMask bool
	// size marks a field that resize changes without a restart.
	size bool
	// pool and poolMember determine what is sent together with an instance pool.
	pool       poolRule
	poolMember string
	// rewritten is the member of which a server may replace an accepted value, in GET's
	// spec too.
	rewritten string
	// refusesZero are the members of which the API refuses the value 0.
	refusesZero []string
	// secretValue returns the value of the column Secret, if that is a reference to a
	// Secret in the resource.
	secretValue func(Secrets) any
}

// fields lists every field of the Clusters API that a resource can own. Other
// fields are never compared and never changed.
var fields = []field{
	{Field: diff.Field{Name: "cluster_name", Kind: diff.Scalar, Removal: diff.KeepValue}},
	{Field: diff.Field{Name: "spark_version", Kind: diff.Scalar, Removal: diff.KeepValue}},
	{Field: diff.Field{Name: "num_workers", Kind: diff.Scalar, Removal: diff.KeepValue}, size: true},
	{Field: diff.Field{Name: "autoscale", Kind: diff.Block, Removal: diff.KeepValue}, size: true},
	{Field: diff.Field{Name: "node_type_id", Kind: diff.Scalar, Removal: diff.KeepValue}, pool: refusedWithPool},
	{Field: diff.Field{Name: "driver_node_type_id", Kind: diff.Scalar, Removal: diff.ClearValue}, pool: refusedWithPool},
	{Field: diff.Field{Name: "worker_node_type_flexibility", Kind: diff.Block, Removal: diff.ClearValue}},
	{Field: diff.Field{Name: "driver_node_type_flexibility", Kind: diff.Block, Removal: diff.ClearValue}},
	{Field: diff.Field{Name: "instance_pool_id", Kind: diff.Scalar, Removal: diff.ClearValue}},
	{Field: diff.Field{Name: "driver_instance_pool_id", Kind: diff.Scalar, Removal: diff.ClearValue}},
	{Field: diff.Field{Name: "policy_id", Kind: diff.Scalar, Removal: diff.ClearValue}},
	{Field: diff.Field{Name: "apply_policy_default_values", Kind: diff.Scalar, Removal: diff.ClearValue}, onlySpec: true},
	{Field: diff.Field{Name: "autotermination_minutes", Kind: diff.Scalar, Removal: diff.ClearValue}},
	{Field: diff.Field{Name: "spark_conf", Kind: diff.FreeMap, Removal: diff.ClearValue, Secret: diff.WholeField}},
	{Field: diff.Field{Name: "spark_env_vars", Kind: diff.FreeMap, Removal: diff.ClearValue, Secret: diff.WholeField}},
	{Field: diff.Field{Name: "custom_tags", Kind: diff.FreeMap, Removal: diff.ClearValue}},
	{Field: diff.Field{Name: "ssh_public_keys", Kind: diff.Set, Removal: diff.ClearValue}},
	{Field: diff.Field{Name: "init_scripts", Kind: diff.Sequence, Removal: diff.ClearValue}},
	{Field: diff.Field{Name: "cluster_log_conf", Kind: diff.Block, Removal: diff.ClearValue}},
	{
		Field:      diff.Field{Name: "aws_attributes", Kind: diff.Block, Removal: diff.ClearValue, Zone: "zone_id"},
		memberMask: true, pool: reducedWithPool, poolMember: "instance_profile_arn", rewritten: "first_on_demand",
		refusesZero: []string{"ebs_volume_count", "ebs_volume_size", "ebs_volume_iops", "ebs_volume_throughput"},
	},
	{
		Field: diff.Field{ //nolint:gosec // names of secrets, not values
			Name: "azure_attributes", Kind: diff.Block, Removal: diff.ClearValue, Decimal: "spot_bid_max_price",
			Secret: "log_analytics_info/log_analytics_primary_key", SecretRef: true,
			WriteOnly: []string{"log_analytics_info/log_analytics_primary_key"},
		},
		memberMask: true, pool: reducedWithPool, rewritten: "first_on_demand",
		secretValue: func(s Secrets) any { return s.LogAnalyticsPrimaryKey.reveal() },
	},
	{
		Field:      diff.Field{Name: "gcp_attributes", Kind: diff.Block, Removal: diff.ClearValue, Zone: "zone_id"},
		memberMask: true, pool: reducedWithPool, poolMember: "google_service_account", rewritten: "first_on_demand",
	},
	{Field: diff.Field{Name: "enable_elastic_disk", Kind: diff.Scalar, Removal: diff.ClearValue}, pool: refusedWithPool},
	{Field: diff.Field{Name: "enable_local_disk_encryption", Kind: diff.Scalar, Removal: diff.ClearValue}},
	{Field: diff.Field{Name: "remote_disk_throughput", Kind: diff.Scalar, Removal: diff.ClearValue}},
	{Field: diff.Field{Name: "total_initial_remote_disk_size", Kind: diff.Scalar, Removal: diff.ClearValue}},
	{
		Field: diff.Field{
			Name: "data_security_mode", Kind: diff.Scalar, Removal: diff.ClearValue,
			// The Terraform provider and the CLI have the same aliases.
			Aliases: map[string][]string{
				"DATA_SECURITY_MODE_STANDARD":  {"USER_ISOLATION"},
				"DATA_SECURITY_MODE_DEDICATED": {"SINGLE_USER"},
				"DATA_SECURITY_MODE_AUTO":      {"USER_ISOLATION", "SINGLE_USER", "DATA_SECURITY_MODE_STANDARD", "DATA_SECURITY_MODE_DEDICATED"},
				"USER_ISOLATION":               {"DATA_SECURITY_MODE_STANDARD"},
				"SINGLE_USER":                  {"DATA_SECURITY_MODE_DEDICATED"},
			},
		},
	},
	{Field: diff.Field{Name: "single_user_name", Kind: diff.Scalar, Removal: diff.ClearValue}},
	{Field: diff.Field{Name: "runtime_engine", Kind: diff.Scalar, Removal: diff.ClearValue}},
	{
		Field: diff.Field{
			Name: "docker_image", Kind: diff.Block, Removal: diff.ClearValue,
			Secret: "basic_auth", SecretRef: true, WriteOnly: []string{"basic_auth/username", "basic_auth/password"},
		},
		secretValue: func(s Secrets) any {
			return map[string]any{"username": s.DockerUsername.reveal(), "password": s.DockerPassword.reveal()}
		},
	},
	{Field: diff.Field{Name: "kind", Kind: diff.Scalar, Removal: diff.ClearValue}},
	{Field: diff.Field{Name: "is_single_node", Kind: diff.Scalar, Removal: diff.ClearValue}},
	{Field: diff.Field{Name: "use_ml_runtime", Kind: diff.Scalar, Removal: diff.ClearValue}},
	{Field: diff.Field{Name: "dependency_mode", Kind: diff.Scalar, Removal: diff.ClearValue}},
	{Field: diff.Field{Name: "workload_type", Kind: diff.Block, Removal: diff.ClearValue}},
}

// table compares the fields by the columns that all kinds have.
var table = func() *diff.Table {
	rows := make([]diff.Field, 0, len(fields))
	for _, f := range fields {
		rows = append(rows, f.Field)
	}
	return diff.NewTable(reflect.TypeFor[v1alpha1.ClusterSpec](), rows)
}()

// rowOf returns the row of a field.
func rowOf(name string) (row field, known bool) {
	i := slices.IndexFunc(fields, func(f field) bool { return f.Name == name })
	if i < 0 {
		return field{}, false
	}
	return fields[i], true
}

// isFreeMap reports whether a field is a map with keys that the user chooses.
func isFreeMap(name string) bool {
	f, _ := rowOf(name)
	return f.Kind == diff.FreeMap
}

// IsFreeMap reports whether a field of the Clusters API is a map with keys that the user
// chooses, such as spark_conf.
func IsFreeMap(name string) bool { return isFreeMap(name) }

// Names returns the wire names of all fields, in the order of the table.
func Names() []string { return table.Names() }
