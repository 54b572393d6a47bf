package drift

import "strings"

// kind selects how the desired and the observed value of a field are compared.
type kind int

const (
	// scalar values are equal or not.
	scalar kind = iota
	// alias is an enum of which the API may return another name of the same value.
	alias
	// keys is a map with free keys. Only the declared keys are owned.
	keys
	// block is an object. Only the declared members are owned.
	block
	// set is a list without an order.
	set
	// sequence is a list with an order.
	sequence
)

// removal is what happens to the remote value when a field is removed from the
// specification.
type removal int

const (
	// clearValue clears the remote value, once.
	clearValue removal = iota
	// keepValue keeps the remote value, because a cluster cannot be without it.
	keepValue
)

// field is one row of the table.
type field struct {
	// name is the wire name, relative to the cluster.
	name    string
	kind    kind
	removal removal
	// onlySpec marks a field that GET returns in spec and not at the top level.
	onlySpec bool
	// dotted marks an object of which an update mask lists the members, so that the
	// other members keep their values. Other objects are replaced as a whole.
	dotted bool
	// size marks a field that resize changes without a restart.
	size bool
	// secret is the member that may hold a secret; wholeField is every member, and
	// "" is none.
	secret string
}

// wholeField is the value of the column secret for every member of a field.
const wholeField = "*"

// fields lists every field of the Clusters API that a resource can own. Other
// fields are never compared and never changed.
var fields = []field{
	{name: "cluster_name", kind: scalar, removal: keepValue},
	{name: "spark_version", kind: scalar, removal: keepValue},
	{name: "num_workers", kind: scalar, removal: keepValue, size: true},
	{name: "autoscale", kind: block, removal: keepValue, size: true},
	{name: "node_type_id", kind: scalar, removal: keepValue},
	{name: "driver_node_type_id", kind: scalar, removal: clearValue},
	{name: "worker_node_type_flexibility", kind: block, removal: clearValue},
	{name: "driver_node_type_flexibility", kind: block, removal: clearValue},
	{name: "instance_pool_id", kind: scalar, removal: clearValue},
	{name: "driver_instance_pool_id", kind: scalar, removal: clearValue},
	{name: "policy_id", kind: scalar, removal: clearValue},
	{name: "apply_policy_default_values", kind: scalar, removal: clearValue, onlySpec: true},
	{name: "autotermination_minutes", kind: scalar, removal: clearValue},
	{name: "spark_conf", kind: keys, removal: clearValue, secret: wholeField},
	{name: "spark_env_vars", kind: keys, removal: clearValue, secret: wholeField},
	{name: "custom_tags", kind: keys, removal: clearValue},
	{name: "ssh_public_keys", kind: set, removal: clearValue},
	{name: "init_scripts", kind: sequence, removal: clearValue},
	{name: "cluster_log_conf", kind: block, removal: clearValue},
	{name: "aws_attributes", kind: block, removal: clearValue, dotted: true},
	{name: "azure_attributes", kind: block, removal: clearValue, dotted: true, secret: "log_analytics_info/log_analytics_primary_key"}, //nolint:gosec // a field
	{name: "gcp_attributes", kind: block, removal: clearValue, dotted: true},
	{name: "enable_elastic_disk", kind: scalar, removal: clearValue},
	{name: "enable_local_disk_encryption", kind: scalar, removal: clearValue},
	{name: "remote_disk_throughput", kind: scalar, removal: clearValue},
	{name: "total_initial_remote_disk_size", kind: scalar, removal: clearValue},
	{name: "data_security_mode", kind: alias, removal: clearValue},
	{name: "single_user_name", kind: scalar, removal: clearValue},
	{name: "runtime_engine", kind: scalar, removal: clearValue},
	{name: "docker_image", kind: block, removal: clearValue, secret: "basic_auth"},
	{name: "kind", kind: scalar, removal: clearValue},
	{name: "is_single_node", kind: scalar, removal: clearValue},
	{name: "use_ml_runtime", kind: scalar, removal: clearValue},
	{name: "dependency_mode", kind: scalar, removal: clearValue},
	{name: "workload_type", kind: block, removal: clearValue},
}

// freeMaps are the fields whose keys the user chooses.
var freeMaps = []string{"spark_conf", "spark_env_vars", "custom_tags"}

// modeAliases are the names that GET may return for a declared mode. The Terraform
// provider and the CLI have the same table.
var modeAliases = map[string][]string{
	"DATA_SECURITY_MODE_STANDARD":  {"USER_ISOLATION"},
	"DATA_SECURITY_MODE_DEDICATED": {"SINGLE_USER"},
	"DATA_SECURITY_MODE_AUTO":      {"USER_ISOLATION", "SINGLE_USER", "DATA_SECURITY_MODE_STANDARD", "DATA_SECURITY_MODE_DEDICATED"},
	"USER_ISOLATION":               {"DATA_SECURITY_MODE_STANDARD"},
	"SINGLE_USER":                  {"DATA_SECURITY_MODE_DEDICATED"},
}

// keptBesidePool are the cloud attributes that are sent together with a pool.
var keptBesidePool = map[string]string{
	"aws_attributes":   "instance_profile_arn",
	"gcp_attributes":   "google_service_account",
	"azure_attributes": "",
}

// takenByPool are the fields that the API refuses together with a pool.
var takenByPool = []string{"node_type_id", "driver_node_type_id", "enable_elastic_disk"}

// Names returns the wire names of all fields, in the order of the table.
func Names() []string {
	names := make([]string, 0, len(fields))
	for _, f := range fields {
		names = append(names, f.name)
	}
	return names
}

// jsonPointer returns the JSON Pointer of a path (RFC 6901).
func jsonPointer(path ...string) string {
	var out strings.Builder
	for _, key := range path {
		out.WriteByte('/')
		out.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(key))
	}
	return out.String()
}
