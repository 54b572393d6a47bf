package simulator

// The fields of requests: Clusters API 2.1 and what surrounds it. What stands
// here is what the server knows; everything else in a request is ignored and
// logged as unknown.

var clusterSize = record(map[string]*shape{
	"num_workers": whole,
	"autoscale":   record(map[string]*shape{"min_workers": whole, "max_workers": whole}),
})

var destination = record(map[string]*shape{"destination": text})

var s3Destination = record(map[string]*shape{
	"destination": text, "region": text, "endpoint": text, "enable_encryption": boolean,
	"encryption_type": text, "kms_key": text, "canned_acl": text,
})

var alternateNodeTypes = record(map[string]*shape{"alternate_node_type_ids": list(text)})

var awsAttributes = record(map[string]*shape{
	"first_on_demand": whole, "availability": oneOf("SPOT", "ON_DEMAND", "SPOT_WITH_FALLBACK"),
	"zone_id": text, "instance_profile_arn": text, "spot_bid_price_percent": whole,
	"ebs_volume_type":  oneOf("GENERAL_PURPOSE_SSD", "THROUGHPUT_OPTIMIZED_HDD"),
	"ebs_volume_count": whole, "ebs_volume_size": whole, "ebs_volume_iops": whole, "ebs_volume_throughput": whole,
})

var azureAttributes = record(map[string]*shape{
	"first_on_demand": whole, "availability": oneOf("SPOT_AZURE", "ON_DEMAND_AZURE", "SPOT_WITH_FALLBACK_AZURE"),
	"spot_bid_max_price": number, "capacity_reservation_group": text,
	"log_analytics_info": record(map[string]*shape{"log_analytics_workspace_id": text, "log_analytics_primary_key": text}),
})

var gcpAttributes = record(map[string]*shape{
	"first_on_demand": whole, "availability": oneOf("PREEMPTIBLE_GCP", "ON_DEMAND_GCP", "PREEMPTIBLE_WITH_FALLBACK_GCP"),
	"use_preemptible_executors": boolean, "google_service_account": text, "boot_disk_size": whole,
	"local_ssd_count": whole, "zone_id": text,
	"confidential_compute_type": oneOf("CONFIDENTIAL_COMPUTE_TYPE_NONE", "SEV_SNP"),
})

var initScript = record(map[string]*shape{
	"workspace": destination, "volumes": destination, "s3": s3Destination, "abfss": destination,
	"gcs": destination, "dbfs": destination, "file": destination,
})

// clusterSpec is what create, edit and update's "cluster" share, and what GET
// returns under "spec".
var clusterSpec = clusterSize.with(record(map[string]*shape{
	"cluster_name": text, "spark_version": text, "node_type_id": text, "driver_node_type_id": text,
	"worker_node_type_flexibility": alternateNodeTypes, "driver_node_type_flexibility": alternateNodeTypes,
	"instance_pool_id": text, "driver_instance_pool_id": text, "policy_id": text,
	"autotermination_minutes": whole, "spark_conf": table, "spark_env_vars": table, "custom_tags": table,
	"ssh_public_keys": list(text), "init_scripts": list(initScript),
	"cluster_log_conf": record(map[string]*shape{"dbfs": destination, "s3": s3Destination, "volumes": destination}),
	"aws_attributes":   awsAttributes, "azure_attributes": azureAttributes, "gcp_attributes": gcpAttributes,
	"enable_elastic_disk": boolean, "enable_local_disk_encryption": boolean,
	"remote_disk_throughput": whole, "total_initial_remote_disk_size": whole,
	"data_security_mode": oneOf("NONE", "SINGLE_USER", "USER_ISOLATION", "DATA_SECURITY_MODE_AUTO",
		"DATA_SECURITY_MODE_STANDARD", "DATA_SECURITY_MODE_DEDICATED", "LEGACY_TABLE_ACL", "LEGACY_PASSTHROUGH",
		"LEGACY_SINGLE_USER", "LEGACY_SINGLE_USER_STANDARD"),
	"single_user_name": text, "runtime_engine": oneOf("NULL", "STANDARD", "PHOTON"),
	"docker_image": record(map[string]*shape{
		"url": text, "basic_auth": record(map[string]*shape{"username": text, "password": text}),
	}),
	"kind": oneOf("CLASSIC_PREVIEW"), "is_single_node": boolean, "use_ml_runtime": boolean,
	"dependency_mode": oneOf("DEPENDENCY_MODE_AUTO", "DEPENDENCY_MODE_CLUSTER_LIBRARIES", "DEPENDENCY_MODE_ENVIRONMENTS"),
	"workload_type": record(map[string]*shape{
		"clients": record(map[string]*shape{"jobs": boolean, "notebooks": boolean}),
	}),
	"virtual_cluster_size": text,
	"cluster_mount_infos": list(record(map[string]*shape{
		"network_filesystem_info": record(map[string]*shape{"server_address": text, "mount_options": text}),
		"remote_mount_dir_path":   text, "local_mount_dir_path": text,
	})),
}))

var policyDefaults = record(map[string]*shape{"apply_policy_default_values": boolean})

var createParams = clusterSpec.with(policyDefaults).with(record(map[string]*shape{
	"clone_from":        record(map[string]*shape{"source_cluster_id": text}),
	"idempotency_token": text,
}))

var clusterIDParams = record(map[string]*shape{"cluster_id": text})

var editParams = clusterSpec.with(policyDefaults).with(clusterIDParams)

var updateParams = clusterIDParams.with(record(map[string]*shape{"update_mask": text, "cluster": clusterSpec}))

var resizeParams = clusterIDParams.with(clusterSize)

var restartParams = clusterIDParams.with(record(map[string]*shape{"restart_user": text}))

var changeOwnerParams = clusterIDParams.with(record(map[string]*shape{"owner_username": text}))

var listParams = record(map[string]*shape{
	"page_size": whole, "page_token": text,
	"filter_by": record(map[string]*shape{
		"cluster_sources": list(text), "cluster_states": list(text), "is_pinned": boolean, "policy_id": text,
	}),
	"sort_by": record(map[string]*shape{
		"field": oneOf("CLUSTER_NAME", "DEFAULT"), "direction": oneOf("ASC", "DESC"),
	}),
})

var eventsParams = clusterIDParams.with(record(map[string]*shape{
	"start_time": whole, "end_time": whole, "order": oneOf("ASC", "DESC"), "event_types": list(text),
	"page_size": whole, "page_token": text, "offset": whole, "limit": whole,
}))

var library = record(map[string]*shape{
	"jar": text, "whl": text, "egg": text, "requirements": text,
	"pypi":  record(map[string]*shape{"package": text, "repo": text}),
	"cran":  record(map[string]*shape{"package": text, "repo": text}),
	"maven": record(map[string]*shape{"coordinates": text, "repo": text, "exclusions": list(text)}),
})

var librariesParams = clusterIDParams.with(record(map[string]*shape{"libraries": list(library)}))

var permissionsParams = record(map[string]*shape{
	"access_control_list": list(record(map[string]*shape{
		"user_name": text, "group_name": text, "service_principal_name": text, "permission_level": text,
	})),
})

var policyParams = record(map[string]*shape{"policy_id": text})

var policyListParams = record(map[string]*shape{
	"sort_column": oneOf("POLICY_CREATION_TIME", "POLICY_NAME"), "sort_order": oneOf("ASC", "DESC"),
})

var poolParams = record(map[string]*shape{"instance_pool_id": text})

var noParams = record(nil)
