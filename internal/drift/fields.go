package drift

import (
	"slices"
	"strings"
)

// kind selects how the desired and the observed value of a field are compared.
type kind int

const (
	// scalar values are equal or not.
	scalar kind = iota
	// freeMap is a map with keys that the user chooses. Only the declared keys are owned.
	freeMap
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

// poolRule is what happens to a field that is declared together with an instance pool.
type poolRule int

const (
	// sentWithPool sends the field.
	sentWithPool poolRule = iota
	// refusedWithPool does not send the field, and clears it when a pool is added,
	// because the API refuses both.
	refusedWithPool
	// reducedWithPool sends only the member in the column poolMember, if there is one.
	reducedWithPool
)

// field is one row of the table. A member is a path below the field, such as a/b.
type field struct {
	// name is the name of the field in the Clusters API.
	name    string
	kind    kind
	removal removal
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
	// aliases are the names that GET may return for a declared value.
	aliases map[string][]string
	// zone is the member of which the value auto lets the server choose another value.
	zone string
	// rewritten is the member of which a server may replace an accepted value, in GET's
	// spec too.
	rewritten string
	// refusesZero are the members of which the API refuses the value 0.
	refusesZero []string
	// decimal is the member that is a number in the API and text in the resource.
	decimal string
	// secret is the member that may hold a secret; wholeField is every member, and
	// "" is none.
	secret string
	// secretValue returns the value of the member secret, if that is a reference to a
	// Secret in the resource, with secretRefSuffix in its name.
	secretValue func(Secrets) any
	// writeOnly are the members below secret of which the API accepts the values, and may
	// omit or mask them in its responses.
	writeOnly []string
}

const (
	// wholeField is the value of the column secret for every member of a field.
	wholeField = "*"
	// secretRefSuffix ends the name of a reference to a Secret.
	secretRefSuffix = "_secret_ref"
)

// fields lists every field of the Clusters API that a resource can own. Other
// fields are never compared and never changed.
var fields = []field{
	{name: "cluster_name", kind: scalar, removal: keepValue},
	{name: "spark_version", kind: scalar, removal: keepValue},
	{name: "num_workers", kind: scalar, removal: keepValue, size: true},
	{name: "autoscale", kind: block, removal: keepValue, size: true},
	{name: "node_type_id", kind: scalar, removal: keepValue, pool: refusedWithPool},
	{name: "driver_node_type_id", kind: scalar, removal: clearValue, pool: refusedWithPool},
	{name: "worker_node_type_flexibility", kind: block, removal: clearValue},
	{name: "driver_node_type_flexibility", kind: block, removal: clearValue},
	{name: "instance_pool_id", kind: scalar, removal: clearValue},
	{name: "driver_instance_pool_id", kind: scalar, removal: clearValue},
	{name: "policy_id", kind: scalar, removal: clearValue},
	{name: "apply_policy_default_values", kind: scalar, removal: clearValue, onlySpec: true},
	{name: "autotermination_minutes", kind: scalar, removal: clearValue},
	{name: "spark_conf", kind: freeMap, removal: clearValue, secret: wholeField},
	{name: "spark_env_vars", kind: freeMap, removal: clearValue, secret: wholeField},
	{name: "custom_tags", kind: freeMap, removal: clearValue},
	{name: "ssh_public_keys", kind: set, removal: clearValue},
	{name: "init_scripts", kind: sequence, removal: clearValue},
	{name: "cluster_log_conf", kind: block, removal: clearValue},
	{
		name: "aws_attributes", kind: block, removal: clearValue, memberMask: true,
		pool: reducedWithPool, poolMember: "instance_profile_arn", zone: "zone_id", rewritten: "first_on_demand",
		refusesZero: []string{"ebs_volume_count", "ebs_volume_size", "ebs_volume_iops", "ebs_volume_throughput"},
	},
	{ //nolint:gosec // names of secrets, not values
		name: "azure_attributes", kind: block, removal: clearValue, memberMask: true,
		pool: reducedWithPool, rewritten: "first_on_demand", decimal: "spot_bid_max_price",
		secret:      "log_analytics_info/log_analytics_primary_key",
		secretValue: func(s Secrets) any { return s.LogAnalyticsPrimaryKey.reveal() },
		writeOnly:   []string{"log_analytics_info/log_analytics_primary_key"},
	},
	{
		name: "gcp_attributes", kind: block, removal: clearValue, memberMask: true,
		pool: reducedWithPool, poolMember: "google_service_account", zone: "zone_id", rewritten: "first_on_demand",
	},
	{name: "enable_elastic_disk", kind: scalar, removal: clearValue, pool: refusedWithPool},
	{name: "enable_local_disk_encryption", kind: scalar, removal: clearValue},
	{name: "remote_disk_throughput", kind: scalar, removal: clearValue},
	{name: "total_initial_remote_disk_size", kind: scalar, removal: clearValue},
	{
		name: "data_security_mode", kind: scalar, removal: clearValue,
		// The Terraform provider and the CLI have the same aliases.
		aliases: map[string][]string{
			"DATA_SECURITY_MODE_STANDARD":  {"USER_ISOLATION"},
			"DATA_SECURITY_MODE_DEDICATED": {"SINGLE_USER"},
			"DATA_SECURITY_MODE_AUTO":      {"USER_ISOLATION", "SINGLE_USER", "DATA_SECURITY_MODE_STANDARD", "DATA_SECURITY_MODE_DEDICATED"},
			"USER_ISOLATION":               {"DATA_SECURITY_MODE_STANDARD"},
			"SINGLE_USER":                  {"DATA_SECURITY_MODE_DEDICATED"},
		},
	},
	{name: "single_user_name", kind: scalar, removal: clearValue},
	{name: "runtime_engine", kind: scalar, removal: clearValue},
	{
		name: "docker_image", kind: block, removal: clearValue,
		secret: "basic_auth",
		secretValue: func(s Secrets) any {
			return map[string]any{"username": s.DockerUsername.reveal(), "password": s.DockerPassword.reveal()}
		},
		writeOnly: []string{"basic_auth/username", "basic_auth/password"},
	},
	{name: "kind", kind: scalar, removal: clearValue},
	{name: "is_single_node", kind: scalar, removal: clearValue},
	{name: "use_ml_runtime", kind: scalar, removal: clearValue},
	{name: "dependency_mode", kind: scalar, removal: clearValue},
	{name: "workload_type", kind: block, removal: clearValue},
}

// rowOf returns the row of a field.
func rowOf(name string) (row field, known bool) {
	i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
	if i < 0 {
		return field{}, false
	}
	return fields[i], true
}

// isFreeMap reports whether a field is a map with keys that the user chooses.
func isFreeMap(name string) bool {
	f, _ := rowOf(name)
	return f.kind == freeMap
}

// IsFreeMap reports whether a field of the Clusters API is a map with keys that the user
// chooses, such as spark_conf.
func IsFreeMap(name string) bool { return isFreeMap(name) }

// path returns the path of a member.
func (f field) path(member string) []string {
	return append([]string{f.name}, strings.Split(member, "/")...)
}

// secretRef returns the path of the reference to the Secret of the field. It reports
// false if there is none.
func (f field) secretRef() (path []string, ok bool) {
	if f.secretValue == nil {
		return nil, false
	}
	path = f.path(f.secret)
	path[len(path)-1] += secretRefSuffix
	return path, true
}

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
