package v1alpha1

// ClusterSpec has the fields of the Clusters API. Numbers and booleans are pointers,
// because 0 and false differ from absent. Strings are not, because an empty string is
// never sent. Lists are omitzero, so that [] (managed and empty) differs from absent
// (not managed).
type ClusterSpec struct {
	// Clusters API `cluster_name`: name shown in the workspace, not unique.
	// Absent: <namespace>/<name> at creation, and not managed later.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	ClusterName string `json:"clusterName,omitempty"`

	// Clusters API `spark_version`: runtime, such as 16.4.x-scala2.12. Required
	// unless policyID or clusterID supplies it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	SparkVersion string `json:"sparkVersion,omitempty"`

	// Clusters API `num_workers`: number of workers, 0 or more, not including the
	// driver. Not with autoscale.
	// +optional
	// +kubebuilder:validation:Minimum=0
	NumWorkers *int32 `json:"numWorkers,omitempty"`

	// Clusters API `autoscale`: bounds between which Databricks chooses the
	// number of workers. Not with numWorkers.
	// +optional
	Autoscale *Autoscale `json:"autoscale,omitzero"`

	// Clusters API `node_type_id`: machine type of the workers, and of the driver
	// unless driverNodeTypeID is set. Not with a pool.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	NodeTypeID string `json:"nodeTypeID,omitempty"`

	// Clusters API `driver_node_type_id`: machine type of the driver. Absent:
	// that of the workers. Not with a pool.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	DriverNodeTypeID string `json:"driverNodeTypeID,omitempty"`

	// Clusters API `worker_node_type_flexibility`: alternative machine types of
	// the workers.
	// +optional
	WorkerNodeTypeFlexibility *NodeTypeFlexibility `json:"workerNodeTypeFlexibility,omitzero"`

	// Clusters API `driver_node_type_flexibility`: alternative machine types of
	// the driver.
	// +optional
	DriverNodeTypeFlexibility *NodeTypeFlexibility `json:"driverNodeTypeFlexibility,omitzero"`

	// Clusters API `instance_pool_id`: pool of the workers, and of the driver
	// unless driverInstancePoolID is set. Not with node types.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	InstancePoolID string `json:"instancePoolID,omitempty"`

	// Clusters API `driver_instance_pool_id`: pool of the driver. Needs
	// instancePoolID. Absent: the workers' pool.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	DriverInstancePoolID string `json:"driverInstancePoolID,omitempty"`

	// Clusters API `policy_id`: cluster policy that is applied and validated.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	PolicyID string `json:"policyID,omitempty"`

	// Clusters API `apply_policy_default_values`: true fills absent fields with
	// the policy's fixed and default values, false with its fixed values only.
	// +optional
	ApplyPolicyDefaultValues *bool `json:"applyPolicyDefaultValues,omitempty"`

	// Clusters API `autotermination_minutes`: minutes of inactivity after which
	// the cluster is terminated: 10 to 10000, or 0 for never. Required for a new
	// cluster with runPolicy Manual and no policy.
	// +optional
	// +kubebuilder:validation:XValidation:reason=FieldValueInvalid,rule="self == 0 || (self >= 10 && self <= 10000)",message="autoterminationMinutes must be 10 to 10000, or 0; 0 means never"
	AutoterminationMinutes *int32 `json:"autoterminationMinutes,omitempty"`

	// Clusters API `spark_conf`: Spark properties by name; values may be
	// {{secrets/scope/key}}. At most 200, names of 256 and values of 2048
	// characters. Owned key by key.
	// +optional
	// +kubebuilder:validation:MaxProperties=200
	// +kubebuilder:validation:XValidation:reason=FieldValueForbidden,rule="self.all(name, name.size() <= 256 && self[name].size() <= 2048)",message="names in sparkConf are at most 256 characters long and values 2048"
	SparkConf map[string]string `json:"sparkConf,omitempty"`

	// Clusters API `spark_env_vars`: environment of driver and workers; values
	// may be {{secrets/scope/key}}. At most 100, names of 256 and values of 4096
	// characters. Owned key by key.
	// +optional
	// +kubebuilder:validation:MaxProperties=100
	// +kubebuilder:validation:XValidation:reason=FieldValueForbidden,rule="self.all(name, name.size() <= 256 && self[name].size() <= 4096)",message="names in sparkEnvVars are at most 256 characters long and values 4096"
	SparkEnvVars map[string]string `json:"sparkEnvVars,omitempty"`

	// Clusters API `custom_tags`: tags for the cluster's cloud resources. At most
	// 44, one less than Databricks allows, because the operator adds
	// databricks-operator-owner. Names that begin with databricks-operator, and
	// Vendor, Creator, ClusterId, ClusterName and Name, are reserved. Names of 127
	// and values of 255 characters. Owned key by key.
	// +optional
	// +kubebuilder:validation:MaxProperties=44
	// +kubebuilder:validation:XValidation:reason=FieldValueForbidden,rule="self.all(name, !name.lowerAscii().startsWith('databricks-operator'))",message="tags whose names begin with databricks-operator, in small or capital letters, are reserved: by them the operator knows its clusters; remove them"
	// +kubebuilder:validation:XValidation:reason=FieldValueForbidden,rule="!('Vendor' in self || 'Creator' in self || 'ClusterId' in self || 'ClusterName' in self || 'Name' in self)",message="the tags Vendor, Creator, ClusterId, ClusterName and Name are set by Databricks: remove them, or choose other names"
	// +kubebuilder:validation:XValidation:reason=FieldValueForbidden,rule="self.all(name, name.size() <= 127 && self[name].size() <= 255)",message="names in customTags are at most 127 characters long and values 255"
	CustomTags map[string]string `json:"customTags,omitempty"`

	// Clusters API `ssh_public_keys`: public keys that may log in to the nodes as
	// ubuntu on port 2200; at most 10.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=10
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=4096
	SSHPublicKeys []string `json:"sshPublicKeys,omitzero"`

	// Clusters API `init_scripts`: scripts that every node runs at its start, in
	// this order; at most 10, each with exactly one location.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	InitScripts []InitScript `json:"initScripts,omitzero"`

	// Clusters API `cluster_log_conf`: location to which logs are delivered every 5
	// minutes, under <destination>/<cluster id>. Exactly one of dbfs, s3 and
	// volumes.
	// +optional
	ClusterLogConf *ClusterLogConf `json:"clusterLogConf,omitzero"`

	// Clusters API `aws_attributes`: settings of a workspace on AWS.
	// +optional
	AWSAttributes *AWSAttributes `json:"awsAttributes,omitzero"`

	// Clusters API `azure_attributes`: settings of a workspace on Azure.
	// +optional
	AzureAttributes *AzureAttributes `json:"azureAttributes,omitzero"`

	// Clusters API `gcp_attributes`: settings of a workspace on Google Cloud.
	// +optional
	GCPAttributes *GCPAttributes `json:"gcpAttributes,omitzero"`

	// Clusters API `enable_elastic_disk`: true adds local disk space when workers
	// run low on it.
	// +optional
	EnableElasticDisk *bool `json:"enableElasticDisk,omitempty"`

	// Clusters API `enable_local_disk_encryption`: true encrypts the local disks
	// (LUKS).
	// +optional
	EnableLocalDiskEncryption *bool `json:"enableLocalDiskEncryption,omitempty"`

	// Clusters API `remote_disk_throughput`: throughput of remote disks in Mb/s.
	// Only HYPERDISK_BALANCED on Google Cloud.
	// +optional
	// +kubebuilder:validation:Minimum=0
	RemoteDiskThroughput *int32 `json:"remoteDiskThroughput,omitempty"`

	// Clusters API `total_initial_remote_disk_size`: initial size of the remote
	// disks in GB. Only HYPERDISK_BALANCED on Google Cloud.
	// +optional
	// +kubebuilder:validation:Minimum=0
	TotalInitialRemoteDiskSize *int32 `json:"totalInitialRemoteDiskSize,omitempty"`

	// Clusters API `data_security_mode`: access mode: DATA_SECURITY_MODE_AUTO,
	// DATA_SECURITY_MODE_STANDARD (alias USER_ISOLATION),
	// DATA_SECURITY_MODE_DEDICATED (alias SINGLE_USER), NONE, or a LEGACY_ mode.
	// +optional
	DataSecurityMode DataSecurityMode `json:"dataSecurityMode,omitempty"`

	// Clusters API `single_user_name`: the only user, or group if kind is set,
	// that may use the cluster. Only with the dedicated access modes.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	SingleUserName string `json:"singleUserName,omitempty"`

	// Clusters API `runtime_engine`: PHOTON, STANDARD or "NULL" (quoted: a bare
	// NULL is nothing in YAML). Not with a sparkVersion that contains -photon-.
	// +optional
	RuntimeEngine RuntimeEngine `json:"runtimeEngine,omitempty"`

	// Clusters API `docker_image`: container image of the nodes.
	// +optional
	DockerImage *DockerImage `json:"dockerImage,omitzero"`

	// Clusters API `kind`: CLASSIC_PREVIEW, the simple form. Required by
	// isSingleNode and useMLRuntime.
	// +optional
	Kind Kind `json:"kind,omitempty"`

	// Clusters API `is_single_node`: true creates a cluster with a driver and no
	// workers. Needs kind.
	// +optional
	IsSingleNode *bool `json:"isSingleNode,omitempty"`

	// Clusters API `use_ml_runtime`: true selects the machine learning variant of
	// sparkVersion. Needs kind.
	// +optional
	UseMLRuntime *bool `json:"useMLRuntime,omitempty"`

	// Clusters API `dependency_mode`: how dependencies are managed:
	// DEPENDENCY_MODE_AUTO, DEPENDENCY_MODE_CLUSTER_LIBRARIES or
	// DEPENDENCY_MODE_ENVIRONMENTS.
	// +optional
	DependencyMode DependencyMode `json:"dependencyMode,omitempty"`

	// Clusters API `workload_type`: workloads that may run on the cluster.
	// +optional
	WorkloadType *WorkloadType `json:"workloadType,omitzero"`
}

// Autoscale has the bounds of a size that Databricks chooses.
//
// +structType=atomic
// +kubebuilder:validation:XValidation:fieldPath=".minWorkers",reason=FieldValueForbidden,rule="self.minWorkers <= self.maxWorkers",message="minWorkers must not be greater than maxWorkers"
type Autoscale struct {
	// Clusters API `min_workers`: minimum number of workers, 0 or more, with which
	// the cluster starts.
	// +required
	// +kubebuilder:validation:Minimum=0
	MinWorkers *int32 `json:"minWorkers,omitempty"`

	// Clusters API `max_workers`: maximum number of workers, at least minWorkers.
	// +required
	// +kubebuilder:validation:Minimum=0
	MaxWorkers *int32 `json:"maxWorkers,omitempty"`
}

// NodeTypeFlexibility has alternative machine types for one that is not available.
type NodeTypeFlexibility struct {
	// Clusters API `alternate_node_type_ids`: machine types to try in this order;
	// at most 10.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=128
	AlternateNodeTypeIDs []string `json:"alternateNodeTypeIDs,omitzero"`

	// Clusters API `aws_context_id`: context id passed to EC2 Fleet. Only on AWS.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	AWSContextID string `json:"awsContextID,omitempty"`
}

// DockerImage is a custom container, with its credential by reference.
type DockerImage struct {
	// Clusters API `url`: image, with registry and tag.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	URL string `json:"url,omitempty"`

	// Operator: Secret in this namespace with the keys username and password,
	// sent as `basic_auth`. It needs the label
	// compute.databricks-operator.io/use: registry.
	// +optional
	BasicAuthSecretRef *LocalSecretReference `json:"basicAuthSecretRef,omitzero"`
}

// WorkloadType has the workloads that may run on a cluster.
type WorkloadType struct {
	// Clusters API `clients`: kinds of clients.
	// +required
	Clients WorkloadClients `json:"clients"`
}

// WorkloadClients enables and disables kinds of clients.
type WorkloadClients struct {
	// Clusters API `jobs`: whether jobs may run. Absent: the server's default,
	// true.
	// +optional
	Jobs *bool `json:"jobs,omitempty"`

	// Clusters API `notebooks`: whether notebooks may run. Absent: the server's
	// default, true.
	// +optional
	Notebooks *bool `json:"notebooks,omitempty"`
}

// DataSecurityMode is the access mode of a cluster, verbatim.
//
// +kubebuilder:validation:Enum=DATA_SECURITY_MODE_AUTO;DATA_SECURITY_MODE_STANDARD;DATA_SECURITY_MODE_DEDICATED;NONE;SINGLE_USER;USER_ISOLATION;LEGACY_TABLE_ACL;LEGACY_PASSTHROUGH;LEGACY_SINGLE_USER;LEGACY_SINGLE_USER_STANDARD
type DataSecurityMode string

// The access modes. SINGLE_USER and USER_ISOLATION are the older names of
// DEDICATED and STANDARD, and what the API answers for them.
const (
	DataSecurityModeAuto                     DataSecurityMode = "DATA_SECURITY_MODE_AUTO"
	DataSecurityModeStandard                 DataSecurityMode = "DATA_SECURITY_MODE_STANDARD"
	DataSecurityModeDedicated                DataSecurityMode = "DATA_SECURITY_MODE_DEDICATED"
	DataSecurityModeNone                     DataSecurityMode = "NONE"
	DataSecurityModeSingleUser               DataSecurityMode = "SINGLE_USER"
	DataSecurityModeUserIsolation            DataSecurityMode = "USER_ISOLATION"
	DataSecurityModeLegacyTableACL           DataSecurityMode = "LEGACY_TABLE_ACL"
	DataSecurityModeLegacyPassthrough        DataSecurityMode = "LEGACY_PASSTHROUGH" //nolint:gosec // an access mode, no credential
	DataSecurityModeLegacySingleUser         DataSecurityMode = "LEGACY_SINGLE_USER"
	DataSecurityModeLegacySingleUserStandard DataSecurityMode = "LEGACY_SINGLE_USER_STANDARD"
)

// RuntimeEngine is the engine that executes queries, verbatim.
//
// +kubebuilder:validation:Enum=PHOTON;STANDARD;NULL
type RuntimeEngine string

// The runtime engines.
const (
	RuntimeEnginePhoton   RuntimeEngine = "PHOTON"
	RuntimeEngineStandard RuntimeEngine = "STANDARD"
	RuntimeEngineNull     RuntimeEngine = "NULL"
)

// Kind is the form of a cluster specification, verbatim.
//
// +kubebuilder:validation:Enum=CLASSIC_PREVIEW
type Kind string

// KindClassicPreview is the simple form, the only kind.
const KindClassicPreview Kind = "CLASSIC_PREVIEW"

// DependencyMode is how dependencies are managed, verbatim.
//
// +kubebuilder:validation:Enum=DEPENDENCY_MODE_AUTO;DEPENDENCY_MODE_CLUSTER_LIBRARIES;DEPENDENCY_MODE_ENVIRONMENTS
type DependencyMode string

// The dependency modes. Environments need runtime 19 and the standard access
// mode.
const (
	DependencyModeAuto             DependencyMode = "DEPENDENCY_MODE_AUTO"
	DependencyModeClusterLibraries DependencyMode = "DEPENDENCY_MODE_CLUSTER_LIBRARIES"
	DependencyModeEnvironments     DependencyMode = "DEPENDENCY_MODE_ENVIRONMENTS"
)
