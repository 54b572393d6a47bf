package simulator

import (
	"regexp"
	"slices"
	"strings"
)

// sparkVersion matches every runtime key that the SDK, the CLI and the
// Terraform provider name, and the special images.
var sparkVersion = regexp.MustCompile(`^((apache-spark-|custom[:-][^ ]*?)?\d+(\.\d+)?\.x(-[a-z0-9]+)*-scala2\.1[0-9]|(dlt|custom):.+)$`)

// validate rejects what a workspace rejects; policy and kind are already
// applied.
func (w *workspace) validate(s params) *apiError {
	for _, check := range []func(params) *apiError{
		w.validateSize, w.validateRuntime, w.validateNodes, w.validateClouds,
		validateLimits, validateStorage, validateKind, validateImage,
	} {
		if r := check(s); r != nil {
			return r
		}
	}
	return nil
}

func (w *workspace) validateSize(s params) *apiError {
	sizes := 0
	for _, field := range []string{"num_workers", "autoscale", "virtual_cluster_size"} {
		if _, present := s[field]; present {
			sizes++
		}
	}
	if sizes != 1 {
		if sizes == 0 && w.server.behaviour.LegacySizeText {
			return required("size")
		}
		return invalid("Exactly 1 of virtual_cluster_size, num_workers or autoscale must be specified.")
	}
	if integerOf(s, "num_workers") < 0 {
		return invalid("num_workers must not be negative: %d", integerOf(s, "num_workers"))
	}
	scale, _ := s["autoscale"].(params)
	if scale == nil {
		return nil
	}
	least, most := integerOf(scale, "min_workers"), integerOf(scale, "max_workers")
	if least < 0 || least > most {
		return invalid("autoscale.min_workers (%d) must not be negative or greater than autoscale.max_workers (%d)", least, most)
	}
	return nil
}

func (w *workspace) validateRuntime(s params) *apiError {
	version := textOf(s, "spark_version")
	switch {
	case s["spark_version"] == nil:
		return invalid("Cluster validation error: Missing required field: spark_version")
	case !sparkVersion.MatchString(version), !w.server.behaviour.AcceptsUnlisted && !isListedRuntime(version):
		return invalid("Invalid spark version %s.", version)
	case strings.Contains(version, "-photon-") && s["runtime_engine"] != nil:
		return invalid("runtime_engine cannot be specified with a Photon spark_version: %s", version)
	}
	return nil
}

func (w *workspace) validateNodes(s params) *apiError {
	pool, driverPool := textOf(s, "instance_pool_id"), textOf(s, "driver_instance_pool_id")
	switch {
	case pool == "" && driverPool != "":
		return invalid("driver_instance_pool_id cannot be specified without instance_pool_id")
	case pool != "":
		return w.validatePools(s, pool, driverPool)
	case textOf(s, "node_type_id") == "":
		return invalid("Cluster validation error: Missing required field: node_type_id")
	}
	if r := w.validateNodeTypes(s); r != nil {
		return r
	}
	id := textOf(s, "node_type_id")
	aws, _ := s["aws_attributes"].(params)
	if strings.HasPrefix(id, "m4.") && integerOf(aws, "ebs_volume_count") == 0 && !boolOf(s, "enable_elastic_disk") {
		return invalid("At least one EBS volume must be attached for clusters created with node type %s.", id)
	}
	return nil
}

// validateNodeTypes checks that the workspace has the node types.
func (w *workspace) validateNodeTypes(s params) *apiError {
	for _, field := range []string{"node_type_id", "driver_node_type_id"} {
		id := textOf(s, field)
		cloud := cloudOfNodeType(id)
		isUnlisted := !w.server.behaviour.AcceptsUnlisted && !isListedNodeType(id)
		if id != "" && (cloud == AnyCloud || (w.cloud != AnyCloud && cloud != w.cloud) || isUnlisted) {
			return invalid("Node type %s is not supported", id)
		}
	}
	return nil
}

func (w *workspace) validatePools(s params, pool, driverPool string) *apiError {
	for _, field := range []string{"node_type_id", "driver_node_type_id"} {
		if s[field] != nil {
			return invalid("The field '%s' cannot be supplied when an instance pool ID is provided.", field)
		}
	}
	tags, _ := s["custom_tags"].(params)
	for _, id := range []string{pool, driverPool} {
		if id == "" {
			continue
		}
		found := w.pool(id)
		if found == nil {
			return invalid("Cluster validation error: Can't find an instance pool with id: %s.", id)
		}
		of, _ := found.settings["custom_tags"].(params)
		for _, key := range sortedKeys(tags) {
			if _, both := of[key]; both {
				return invalid("Cluster validation error: the custom tag %s is a tag of the instance pool %s", key, id)
			}
		}
	}
	return nil
}

func (w *workspace) validateClouds(s params) *apiError {
	given := []string{}
	for cloud, field := range map[Cloud]string{AWS: "aws_attributes", Azure: "azure_attributes", GCP: "gcp_attributes"} {
		if s[field] == nil {
			continue
		}
		if w.cloud != AnyCloud && w.cloud != cloud {
			return invalid("%s cannot be specified in a workspace on %s", field, w.cloud)
		}
		given = append(given, field)
	}
	if len(given) > 1 {
		slices.Sort(given)
		return invalid("Only one of %s can be specified", strings.Join(given, ", "))
	}
	return nil
}

func validateLimits(s params) *apiError {
	minutes := integerOf(s, "autotermination_minutes")
	tags, _ := s["custom_tags"].(params)
	keys, _ := s["ssh_public_keys"].([]any)
	scripts, _ := s["init_scripts"].([]any)
	switch {
	case minutes != 0 && (minutes < 10 || minutes > 10000):
		return invalid("autotermination_minutes must be 0 or between 10 and 10000: %d", minutes)
	case len(tags) > 45:
		return invalid("At most 45 custom_tags can be specified, %d are", len(tags))
	case len(keys) > 10:
		return invalid("At most 10 ssh_public_keys can be specified, %d are", len(keys))
	case len(scripts) > 10:
		return invalid("At most 10 init_scripts can be specified, %d are", len(scripts))
	}
	return nil
}

func validateStorage(s params) *apiError {
	scripts, _ := s["init_scripts"].([]any)
	for _, script := range scripts {
		if r := validateDestination("init_scripts", script); r != nil {
			return r
		}
	}
	if s["cluster_log_conf"] == nil {
		return nil
	}
	if r := validateDestination("cluster_log_conf", s["cluster_log_conf"]); r != nil {
		return r
	}
	logs, _ := s["cluster_log_conf"].(params)
	aws, _ := s["aws_attributes"].(params)
	if logs["s3"] != nil && textOf(aws, "instance_profile_arn") == "" {
		return invalid("cluster_log_conf: an S3 destination needs aws_attributes.instance_profile_arn")
	}
	return nil
}

// validateDestination checks that a value names exactly one destination, with a
// location.
func validateDestination(field string, value any) *apiError {
	places, _ := value.(params)
	if len(places) != 1 {
		return invalid("%s: exactly one destination must be specified, %d are", field, len(places))
	}
	for kind, place := range places {
		inner, _ := place.(params)
		if textOf(inner, "destination") == "" {
			return required(field + "." + kind + ".destination")
		}
		if kind == "s3" && textOf(inner, "region") == "" && textOf(inner, "endpoint") == "" {
			return invalid("%s.s3: region or endpoint must be specified", field)
		}
	}
	return nil
}

func validateKind(s params) *apiError {
	if s["kind"] == nil {
		for _, field := range []string{"is_single_node", "use_ml_runtime"} {
			if boolOf(s, field) {
				return invalid("%s can only be specified with kind", field)
			}
		}
	}
	return nil
}

func validateImage(s params) *apiError {
	image, _ := s["docker_image"].(params)
	if image == nil {
		return nil
	}
	auth, _ := image["basic_auth"].(params)
	switch {
	case textOf(image, "url") == "":
		return required("docker_image.url")
	case auth != nil && (textOf(auth, "username") == "" || textOf(auth, "password") == ""):
		return invalid("docker_image.basic_auth: username and password must both be specified")
	}
	return nil
}
