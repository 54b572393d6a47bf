package simulator

// The fields of requests: Clusters API 2.1 and the APIs around it. All other
// fields of a request are ignored and logged as unknown.

var clusterSize = object(map[string]*schema{
	"num_workers": integer,
	"autoscale":   object(map[string]*schema{"min_workers": integer, "max_workers": integer}),
})

var destination = object(map[string]*schema{"destination": text})

var s3Destination = object(map[string]*schema{
	"destination": text, "region": text, "endpoint": text, "enable_encryption": boolean,
	"encryption_type": text, "kms_key": text, "canned_acl": text,
})

var alternateNodeTypes = object(map[string]*schema{"alternate_node_type_ids": list(text)})

var awsAttributes = object(map[string]*schema{
	"first_on_demand": integer, "availability": oneOf("SPOT", "ON_DEMAND", "SPOT_WITH_FALLBACK"),
	"zone_id": text, "instance_profile_arn": text, "spot_bid_price_percent": integer,
	"ebs_volume_type":  oneOf("GENERAL_PURPOSE_SSD", "THROUGHPUT_OPTIMIZED_HDD"),
	"ebs_volume_count": integer, "ebs_volume_size": integer, "ebs_volume_iops": integer, "ebs_volume_throughput": integer,
})

var azureAttributes = object(map[string]*schema{
	"first_on_demand": integer, "availability": oneOf("SPOT_AZURE", "ON_DEMAND_AZURE", "SPOT_WITH_FALLBACK_AZURE"),
	"spot_bid_max_price": number, "capacity_reservation_group": text,
	"log_analytics_info": object(map[string]*schema{"log_analytics_workspace_id": text, "log_analytics_primary_key": text}),
})

var gcpAttributes = object(map[string]*schema{
	"first_on_demand": integer, "availability": oneOf("PREEMPTIBLE_GCP", "ON_DEMAND_GCP", "PREEMPTIBLE_WITH_FALLBACK_GCP"),
	"use_preemptible_executors": boolean, "google_service_account": text, "boot_disk_size": integer,
	"local_ssd_count": integer, "zone_id": text,
	"confidential_compute_type": oneOf("CONFIDENTIAL_COMPUTE_TYPE_NONE", "SEV_SNP"),
})

var initScript = object(map[string]*schema{
	"workspace": destination, "volumes": destination, "s3": s3Destination, "abfss": destination,
	"gcs": destination, "dbfs": destination, "file": destination,
})

// clusterSpec has the fields that create, edit and update's "cluster" share,
// and that GET returns under "spec".
var clusterSpec = clusterSize.with(object(map[string]*schema{
	"cluster_name": text, "spark_version": text, "node_type_id": text, "driver_node_type_id": text,
	"worker_node_type_flexibility": alternateNodeTypes, "driver_node_type_flexibility": alternateNodeTypes,
	"instance_pool_id": text, "driver_instance_pool_id": text, "policy_id": text,
	"autotermination_minutes": integer, "spark_conf": textMap, "spark_env_vars": textMap, "custom_tags": textMap,
	"ssh_public_keys": list(text), "init_scripts": list(initScript),
	"cluster_log_conf": object(map[string]*schema{"dbfs": destination, "s3": s3Destination, "volumes": destination}),
	"aws_attributes":   awsAttributes, "azure_attributes": azureAttributes, "gcp_attributes": gcpAttributes,
	"enable_elastic_disk": boolean, "enable_local_disk_encryption": boolean,
	"remote_disk_throughput": integer, "total_initial_remote_disk_size": integer,
	"data_security_mode": oneOf("NONE", "SINGLE_USER", "USER_ISOLATION", "DATA_SECURITY_MODE_AUTO",
		"DATA_SECURITY_MODE_STANDARD", "DATA_SECURITY_MODE_DEDICATED", "LEGACY_TABLE_ACL", "LEGACY_PASSTHROUGH",
		"LEGACY_SINGLE_USER", "LEGACY_SINGLE_USER_STANDARD"),
	"single_user_name": text, "runtime_engine": oneOf("NULL", "STANDARD", "PHOTON"),
	"docker_image": object(map[string]*schema{
		"url": text, "basic_auth": object(map[string]*schema{"username": text, "password": text}),
	}),
	"kind": oneOf("CLASSIC_PREVIEW"), "is_single_node": boolean, "use_ml_runtime": boolean,
	"dependency_mode": oneOf("DEPENDENCY_MODE_AUTO", "DEPENDENCY_MODE_CLUSTER_LIBRARIES", "DEPENDENCY_MODE_ENVIRONMENTS"),
	"workload_type": object(map[string]*schema{
		"clients": object(map[string]*schema{"jobs": boolean, "notebooks": boolean}),
	}),
	"virtual_cluster_size": text,
	"cluster_mount_infos": list(object(map[string]*schema{
		"network_filesystem_info": object(map[string]*schema{"server_address": text, "mount_options": text}),
		"remote_mount_dir_path":   text, "local_mount_dir_path": text,
	})),
}))

var policyDefaults = object(map[string]*schema{"apply_policy_default_values": boolean})

var createParams = clusterSpec.with(policyDefaults).with(object(map[string]*schema{
	"clone_from":        object(map[string]*schema{"source_cluster_id": text}),
	"idempotency_token": text,
}))

var clusterIDParams = object(map[string]*schema{"cluster_id": text})

var editParams = clusterSpec.with(policyDefaults).with(clusterIDParams)

var updateParams = clusterIDParams.with(object(map[string]*schema{"update_mask": text, "cluster": clusterSpec}))

var resizeParams = clusterIDParams.with(clusterSize)

var restartParams = clusterIDParams.with(object(map[string]*schema{"restart_user": text}))

var changeOwnerParams = clusterIDParams.with(object(map[string]*schema{"owner_username": text}))

var listParams = object(map[string]*schema{
	"page_size": integer, "page_token": text,
	"filter_by": object(map[string]*schema{
		"cluster_sources": list(text), "cluster_states": list(text), "is_pinned": boolean, "policy_id": text,
	}),
	"sort_by": object(map[string]*schema{
		"field": oneOf("CLUSTER_NAME", "DEFAULT"), "direction": oneOf("ASC", "DESC"),
	}),
})

var eventsParams = clusterIDParams.with(object(map[string]*schema{
	"start_time": integer, "end_time": integer, "order": oneOf("ASC", "DESC"), "event_types": list(text),
	"page_size": integer, "page_token": text, "offset": integer, "limit": integer,
}))

var library = object(map[string]*schema{
	"jar": text, "whl": text, "egg": text, "requirements": text,
	"pypi":  object(map[string]*schema{"package": text, "repo": text}),
	"cran":  object(map[string]*schema{"package": text, "repo": text}),
	"maven": object(map[string]*schema{"coordinates": text, "repo": text, "exclusions": list(text)}),
})

var librariesParams = clusterIDParams.with(object(map[string]*schema{"libraries": list(library)}))

var permissionsParams = object(map[string]*schema{
	"access_control_list": list(object(map[string]*schema{
		"user_name": text, "group_name": text, "service_principal_name": text, "permission_level": text,
	})),
})

var policyParams = object(map[string]*schema{"policy_id": text})

var complianceListParams = policyParams.with(object(map[string]*schema{"page_size": integer, "page_token": text}))

var enforceParams = clusterIDParams.with(object(map[string]*schema{
	"validate_only": boolean, "enforce_mode": oneOf(enforceImmediately, waitForTermination),
}))

var cancelEnforcementParams = clusterIDParams.with(object(map[string]*schema{"allow_missing": boolean}))

var policyCreateParams = object(map[string]*schema{
	"name": text, "definition": text, "description": text, "libraries": list(library), "max_clusters_per_user": integer,
	"policy_family_id": text, "policy_family_definition_overrides": text,
})

var policyEditParams = policyCreateParams.with(policyParams)

var familyListParams = object(map[string]*schema{"max_results": integer, "page_token": text})

var familyParams = object(map[string]*schema{"version": integer})

var policyListParams = object(map[string]*schema{
	"sort_column": oneOf("POLICY_CREATION_TIME", "POLICY_NAME"), "sort_order": oneOf("ASC", "DESC"),
})

var diskTypes = object(map[string]*schema{
	"ebs_volume_type":        oneOf("GENERAL_PURPOSE_SSD", "THROUGHPUT_OPTIMIZED_HDD"),
	"azure_disk_volume_type": oneOf("PREMIUM_LRS", "STANDARD_LRS"),
})

// poolSpec are the fields of a pool that a request may have. Pools know no availability
// with a fallback.
var poolSpec = object(map[string]*schema{
	"instance_pool_name": text, "node_type_id": text,
	"min_idle_instances": integer, "max_capacity": integer, "idle_instance_autotermination_minutes": integer,
	"enable_elastic_disk": boolean, "preloaded_spark_versions": list(text), "custom_tags": textMap,
	"disk_spec": object(map[string]*schema{
		"disk_count": integer, "disk_size": integer, "disk_iops": integer, "disk_throughput": integer, "disk_type": diskTypes,
	}),
	"preloaded_docker_images": list(object(map[string]*schema{
		"url": text, "basic_auth": object(map[string]*schema{"username": text, "password": text}),
	})),
	"node_type_flexibility":  object(map[string]*schema{"alternate_node_type_ids": list(text), "aws_context_id": text}),
	"remote_disk_throughput": integer, "total_initial_remote_disk_size": integer,
	"aws_attributes": object(map[string]*schema{
		"availability": oneOf("SPOT", "ON_DEMAND"), "zone_id": text, "instance_profile_arn": text, "spot_bid_price_percent": integer,
	}),
	"azure_attributes": object(map[string]*schema{
		"availability": oneOf("SPOT_AZURE", "ON_DEMAND_AZURE"), "spot_bid_max_price": number, "capacity_reservation_group": text,
	}),
	"gcp_attributes": object(map[string]*schema{
		"gcp_availability": oneOf("PREEMPTIBLE_GCP", "ON_DEMAND_GCP", "PREEMPTIBLE_WITH_FALLBACK_GCP"), "local_ssd_count": integer, "zone_id": text,
	}),
})

var poolEditParams = poolSpec.with(poolParams)

var poolParams = object(map[string]*schema{"instance_pool_id": text})

var noParams = object(nil)
