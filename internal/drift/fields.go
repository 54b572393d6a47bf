package drift

import "strings"

// kind is how a field's desired and observed values are compared.
type kind int

const (
	// scalar values are equal or not.
	scalar kind = iota
	// alias is an enum for which the API echoes another name of the same mode.
	alias
	// keys is a map owned key by key: others' keys are not ours.
	keys
	// block is an object owned member by member: the server fills the others.
	block
	// set is a list whose order means nothing.
	set
	// sequence is a list whose order matters.
	sequence
)

// removal is what happens to the remote value when a field that was once set
// is no longer in the specification.
type removal int

const (
	// clears takes the value away, once.
	clears removal = iota
	// letsGo leaves the value: a cluster cannot be without it.
	letsGo
)

// field is one row of the table.
type field struct {
	// name is the wire name, relative to the cluster.
	name    string
	kind    kind
	removal removal
	// onlySpec marks a field that GET echoes under spec and never at the top.
	onlySpec bool
	// dotted marks an object whose members a mask names one by one, so that those
	// that others set stay. The other objects are sent as a whole.
	dotted bool
	// size marks the fields that resize can change without a restart.
	size bool
	// secret names the member whose values may hold a secret; wholeField is every
	// member, "" is none.
	secret string
}

// wholeField stands in the column secret for every member of a field.
const wholeField = "*"

// fields is every field of the Clusters API that a resource can own. Whatever
// is not here is never compared and never changed.
var fields = []field{
	{name: "cluster_name", kind: scalar, removal: letsGo},
	{name: "spark_version", kind: scalar, removal: letsGo},
	{name: "num_workers", kind: scalar, removal: letsGo, size: true},
	{name: "autoscale", kind: block, removal: letsGo, size: true},
	{name: "node_type_id", kind: scalar, removal: letsGo},
	{name: "driver_node_type_id", kind: scalar, removal: clears},
	{name: "worker_node_type_flexibility", kind: block, removal: clears},
	{name: "driver_node_type_flexibility", kind: block, removal: clears},
	{name: "instance_pool_id", kind: scalar, removal: clears},
	{name: "driver_instance_pool_id", kind: scalar, removal: clears},
	{name: "policy_id", kind: scalar, removal: clears},
	{name: "apply_policy_default_values", kind: scalar, removal: clears, onlySpec: true},
	{name: "autotermination_minutes", kind: scalar, removal: clears},
	{name: "spark_conf", kind: keys, removal: clears, secret: wholeField},
	{name: "spark_env_vars", kind: keys, removal: clears, secret: wholeField},
	{name: "custom_tags", kind: keys, removal: clears},
	{name: "ssh_public_keys", kind: set, removal: clears},
	{name: "init_scripts", kind: sequence, removal: clears},
	{name: "cluster_log_conf", kind: block, removal: clears},
	{name: "aws_attributes", kind: block, removal: clears, dotted: true},
	{name: "azure_attributes", kind: block, removal: clears, dotted: true, secret: "log_analytics_info/log_analytics_primary_key"}, //nolint:gosec // a field
	{name: "gcp_attributes", kind: block, removal: clears, dotted: true},
	{name: "enable_elastic_disk", kind: scalar, removal: clears},
	{name: "enable_local_disk_encryption", kind: scalar, removal: clears},
	{name: "remote_disk_throughput", kind: scalar, removal: clears},
	{name: "total_initial_remote_disk_size", kind: scalar, removal: clears},
	{name: "data_security_mode", kind: alias, removal: clears},
	{name: "single_user_name", kind: scalar, removal: clears},
	{name: "runtime_engine", kind: scalar, removal: clears},
	{name: "docker_image", kind: block, removal: clears, secret: "basic_auth"},
	{name: "kind", kind: scalar, removal: clears},
	{name: "is_single_node", kind: scalar, removal: clears},
	{name: "use_ml_runtime", kind: scalar, removal: clears},
	{name: "dependency_mode", kind: scalar, removal: clears},
	{name: "workload_type", kind: block, removal: clears},
}

// freeMaps are the fields whose keys are the user's own words.
var freeMaps = []string{"spark_conf", "spark_env_vars", "custom_tags"}

// modeAliases are the old names that GET echoes at the top for the new ones
// (the Terraform provider and the CLI keep the same table).
var modeAliases = map[string][]string{
	"DATA_SECURITY_MODE_STANDARD":  {"USER_ISOLATION"},
	"DATA_SECURITY_MODE_DEDICATED": {"SINGLE_USER"},
	"DATA_SECURITY_MODE_AUTO":      {"USER_ISOLATION", "SINGLE_USER", "DATA_SECURITY_MODE_STANDARD", "DATA_SECURITY_MODE_DEDICATED"},
	"USER_ISOLATION":               {"DATA_SECURITY_MODE_STANDARD"},
	"SINGLE_USER":                  {"DATA_SECURITY_MODE_DEDICATED"},
}

// keptBesidePool are the cloud attributes that go on the wire although a pool
// decides about the machines.
var keptBesidePool = map[string]string{
	"aws_attributes":   "instance_profile_arn",
	"gcp_attributes":   "google_service_account",
	"azure_attributes": "",
}

// takenByPool are the fields that a pool decides and the API refuses beside it.
var takenByPool = []string{"node_type_id", "driver_node_type_id", "enable_elastic_disk"}

// Names are the wire names of every field in the table, in its order.
func Names() []string {
	names := make([]string, 0, len(fields))
	for _, f := range fields {
		names = append(names, f.name)
	}
	return names
}

func pointer(path ...string) string {
	var out strings.Builder
	for _, key := range path {
		out.WriteByte('/')
		out.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(key))
	}
	return out.String()
}
