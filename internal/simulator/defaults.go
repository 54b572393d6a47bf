package simulator

import (
	"cmp"
	"strings"
)

// resolve returns the effective settings for a requested specification: it
// applies policy, pool and kind, validates the result and fills in the server's
// defaults.
func (w *workspace) resolve(requested params, creator string) (params, *apiError) {
	settings := cloneParams(requested)
	delete(settings, "apply_policy_default_values")
	if r := w.applyPolicy(settings, boolOf(requested, "apply_policy_default_values")); r != nil {
		return nil, r
	}
	if boolOf(settings, "is_single_node") && settings["kind"] != nil {
		applySingleNode(settings)
	}
	if r := w.validate(settings); r != nil {
		return nil, r
	}
	w.fillDefaults(settings, creator)
	w.server.behaviour.rewrite(settings)
	return settings, nil
}

func applySingleNode(settings params) {
	setDefault(settings, "num_workers", int64(0))
	conf := objectIn(settings, "spark_conf")
	conf["spark.databricks.cluster.profile"] = "singleNode"
	conf["spark.master"] = "local[*, 4]"
	objectIn(settings, "custom_tags")["ResourceClass"] = "SingleNode"
}

func (w *workspace) fillDefaults(settings params, creator string) {
	w.fillNodeTypes(settings)
	settings["disk_spec"] = params{"disk_count": int64(0)}
	setDefault(settings, "cluster_name", "")
	setDefault(settings, "autotermination_minutes", int64(0))
	setDefault(settings, "enable_local_disk_encryption", false)
	w.fillAccessMode(settings, creator)
	settings["effective_spark_version"] = textOf(settings, "spark_version")
	w.fillOlderDefaults(settings)
	w.fillCloud(settings)
}

// fillOlderDefaults fills in fields that only some workspaces return
// unrequested.
func (w *workspace) fillOlderDefaults(settings params) {
	behaviour := w.server.behaviour
	if behaviour.ReturnsDeltaPreview {
		setDefault(objectIn(settings, "spark_conf"), "spark.databricks.delta.preview.enabled", "true")
	}
	if behaviour.ReturnsRuntimeEngine {
		setDefault(settings, "runtime_engine", engineOf(textOf(settings, "spark_version")))
	}
	if behaviour.ReturnsWorkloadType {
		clients := objectIn(objectIn(settings, "workload_type"), "clients")
		setDefault(clients, "jobs", true)
		setDefault(clients, "notebooks", true)
	}
}

func (w *workspace) fillNodeTypes(settings params) {
	if id := textOf(settings, "instance_pool_id"); id != "" {
		setDefault(settings, "driver_instance_pool_id", id)
		worker, driver := w.pool(id), w.pool(textOf(settings, "driver_instance_pool_id"))
		settings["node_type_id"] = worker.nodeType()
		settings["driver_node_type_id"] = driver.nodeType()
		settings["instance_source"] = params{"instance_pool_id": worker.id}
		settings["driver_instance_source"] = params{"instance_pool_id": driver.id}
		setDefault(settings, "enable_elastic_disk", true)
		return
	}
	worker := textOf(settings, "node_type_id")
	setDefault(settings, "driver_node_type_id", worker)
	settings["instance_source"] = params{"node_type_id": worker}
	settings["driver_instance_source"] = params{"node_type_id": settings["driver_node_type_id"]}
}

// fillAccessMode returns access modes by their old names, and makes the creator
// the single user if none is named.
func (w *workspace) fillAccessMode(settings params, creator string) {
	mode := cmp.Or(textOf(settings, "data_security_mode"), w.mode)
	switch mode {
	case "DATA_SECURITY_MODE_STANDARD":
		mode = "USER_ISOLATION"
	case "DATA_SECURITY_MODE_DEDICATED":
		mode = "SINGLE_USER"
	case "DATA_SECURITY_MODE_AUTO":
		mode = "USER_ISOLATION"
		if boolOf(settings, "use_ml_runtime") || strings.Contains(textOf(settings, "spark_version"), "-ml-") {
			mode = "SINGLE_USER"
		}
	}
	if mode == "" {
		return
	}
	settings["data_security_mode"] = mode
	if mode == "SINGLE_USER" {
		setDefault(settings, "single_user_name", creator)
	}
}

func engineOf(sparkVersion string) string {
	if strings.Contains(sparkVersion, "-photon-") {
		return "PHOTON"
	}
	return "STANDARD"
}

func (w *workspace) fillCloud(settings params) {
	switch w.cloudOf(settings) {
	case Azure:
		setDefault(settings, "enable_elastic_disk", true)
		attributes := objectIn(settings, "azure_attributes")
		setDefault(attributes, "first_on_demand", int64(1))
		setDefault(attributes, "availability", "ON_DEMAND_AZURE")
		setDefault(attributes, "spot_bid_max_price", -1.0)
	case GCP:
		setDefault(settings, "enable_elastic_disk", false)
		attributes := objectIn(settings, "gcp_attributes")
		setDefault(attributes, "first_on_demand", int64(1))
		setDefault(attributes, "availability", "ON_DEMAND_GCP")
		setDefault(attributes, "use_preemptible_executors", false)
		setDefault(attributes, "zone_id", "HA")
	default:
		setDefault(settings, "enable_elastic_disk", false)
		attributes := objectIn(settings, "aws_attributes")
		setDefault(attributes, "first_on_demand", int64(1))
		setDefault(attributes, "availability", "SPOT_WITH_FALLBACK")
		setDefault(attributes, "spot_bid_price_percent", int64(100))
		setDefault(attributes, "ebs_volume_count", int64(0))
		setDefault(attributes, "zone_id", "auto")
		if zone := textOf(attributes, "zone_id"); zone == "auto" && w.server.behaviour.ConcreteZone {
			attributes["zone_id"] = "us-west-2c"
		}
	}
}

// cloudOf returns the workspace's cloud; if it has none, the cloud of the
// request's attributes or node types.
func (w *workspace) cloudOf(settings params) Cloud {
	switch {
	case w.cloud != AnyCloud:
		return w.cloud
	case settings["azure_attributes"] != nil:
		return Azure
	case settings["gcp_attributes"] != nil:
		return GCP
	case settings["aws_attributes"] != nil:
		return AWS
	}
	return cloudOfNodeType(textOf(settings, "node_type_id"))
}
