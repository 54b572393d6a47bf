package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// DatabricksInstancePool is one instance pool of a Databricks workspace. The operator
// creates it, keeps it as declared, and applies deletionPolicy to it when the object is
// deleted. Clusters refer to it by instancePoolRef and driverInstancePoolRef.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=dbip,categories=databricks
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.minIdleInstances,statuspath=.status.stats.idle,selectorpath=.status.selector
// +kubebuilder:selectablefield:JSONPath=`.status.poolID`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`,description="As declared and in effect"
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`,description="Why Ready has its value"
// +kubebuilder:printcolumn:name="Used",type=integer,JSONPath=`.status.stats.used`,description="Instances that clusters use"
// +kubebuilder:printcolumn:name="Idle",type=integer,JSONPath=`.status.stats.idle`,description="Instances that wait for clusters"
// +kubebuilder:printcolumn:name="Max",type=integer,JSONPath=`.spec.maxCapacity`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Synced",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Synced")].status`,description="Whether the remote configuration matches"
// +kubebuilder:printcolumn:name="Pool",type=string,priority=1,JSONPath=`.status.name`,description="Name in the workspace"
// +kubebuilder:printcolumn:name="Pool-ID",type=string,priority=1,JSONPath=`.status.poolID`
// +kubebuilder:printcolumn:name="Node-Type",type=string,priority=1,JSONPath=`.spec.nodeTypeID`
// +kubebuilder:printcolumn:name="Host",type=string,priority=1,JSONPath=`.status.host`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:fieldPath=".spec.poolID",reason=FieldValueForbidden,rule="has(oldSelf.spec.poolID) || !has(self.spec.poolID) || (has(self.status) && has(self.status.poolID) && self.status.poolID == self.spec.poolID)",message="poolID can be added later only with the value of status.poolID: this object has, or is about to have, a pool of its own; create another object to adopt another pool"
type DatabricksInstancePool struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// The desired pool. An absent field is not managed by this object.
	// +required
	Spec DatabricksInstancePoolSpec `json:"spec"`

	// The observed state, written only by the operator.
	// +optional
	// +default={"observedGeneration":-1}
	Status DatabricksInstancePoolStatus `json:"status,omitzero"`
}

// DatabricksInstancePoolSpec is the desired pool and how the operator manages it.
//
// +kubebuilder:validation:XValidation:fieldPath=".nodeTypeID",reason=FieldValueRequired,rule="has(self.nodeTypeID) || has(self.poolID) || self.?adoptByName.orValue(false)",message="set nodeTypeID: a new pool needs a machine type (not needed with poolID or adoptByName)"
// +kubebuilder:validation:XValidation:fieldPath=".managementPolicy",reason=FieldValueRequired,rule="self.?managementPolicy.orValue('Manage') != 'Observe' || has(self.poolID) || self.?adoptByName.orValue(false)",message="managementPolicy Observe needs poolID, or adoptByName: true: the pool to observe"
// +kubebuilder:validation:XValidation:fieldPath=".managementPolicy",reason=FieldValueForbidden,rule="self.?managementPolicy.orValue('Manage') != 'Observe' || (!has(self.driftPolicy) && self.?deletionPolicy.orValue('Retain') == 'Retain' && !has(self.accessControlList))",message="managementPolicy Observe writes nothing: remove driftPolicy, deletionPolicy and accessControlList; or set managementPolicy to Manage"
// +kubebuilder:validation:XValidation:fieldPath=".adoptByName",reason=FieldValueForbidden,rule="!has(self.poolID) || !self.?adoptByName.orValue(false)",message="choose poolID or adoptByName, not both: poolID names the pool to adopt"
// +kubebuilder:validation:XValidation:fieldPath=".poolID",reason=FieldValueForbidden,rule="!has(oldSelf.poolID) || (has(self.poolID) && self.poolID == oldSelf.poolID)",message="poolID cannot be changed or removed once set: an object stays with the pool it adopted; create another object to adopt another pool"
// +kubebuilder:validation:XValidation:reason=FieldValueForbidden,rule="[has(self.awsAttributes), has(self.azureAttributes), has(self.gcpAttributes)].filter(chosen, chosen).size() <= 1",message="choose one of awsAttributes, azureAttributes and gcpAttributes: the one of the workspace's cloud"
// +kubebuilder:validation:XValidation:fieldPath=".minIdleInstances",reason=FieldValueInvalid,rule="!has(self.maxCapacity) || self.?minIdleInstances.orValue(0) <= self.maxCapacity",message="minIdleInstances must not exceed maxCapacity, which counts idle instances, too"
type DatabricksInstancePoolSpec struct {
	ManagementSpec `json:",inline"`

	// Operator: id of an existing pool to adopt or observe. Cannot be changed or
	// removed once set. Absent: the operator creates a pool.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_-]+$`
	PoolID string `json:"poolID,omitempty"`

	// Instance Pools API `instance_pool_name`: unique in the workspace. Absent:
	// <namespace>-<name> at creation, and not managed later.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=100
	InstancePoolName string `json:"instancePoolName,omitempty"`

	// Instance Pools API `node_type_id`: machine type of the instances. Cannot be
	// changed.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	NodeTypeID string `json:"nodeTypeID,omitempty"`

	// Instance Pools API `min_idle_instances`: instances kept idle. kubectl scale
	// sets it.
	// +optional
	// +kubebuilder:validation:Minimum=0
	MinIdleInstances *int32 `json:"minIdleInstances,omitempty"`

	// Instance Pools API `max_capacity`: most instances, used and idle together.
	// Absent: no limit by this object.
	// +optional
	// +kubebuilder:validation:Minimum=1
	MaxCapacity *int32 `json:"maxCapacity,omitempty"`

	// Instance Pools API `idle_instance_autotermination_minutes`: minutes after
	// which an idle instance above minIdleInstances is released, 0 to 10000; 0: at
	// once.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	IdleInstanceAutoterminationMinutes *int32 `json:"idleInstanceAutoterminationMinutes,omitempty"`

	// Instance Pools API `enable_elastic_disk`: whether instances get more disk
	// space when they run out of it. Absent: the server's default, true. Cannot be
	// changed.
	// +optional
	EnableElasticDisk *bool `json:"enableElasticDisk,omitempty"`

	// Instance Pools API `disk_spec`: disks of each instance. Cannot be changed.
	// +optional
	DiskSpec *PoolDiskSpec `json:"diskSpec,omitzero"`

	// Instance Pools API `preloaded_spark_versions`: at most one runtime that
	// instances download in advance. Cannot be changed.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=128
	PreloadedSparkVersions []string `json:"preloadedSparkVersions,omitzero"`

	// Instance Pools API `preloaded_docker_images`: images that instances download
	// in advance, at most 20. Cannot be changed.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	// +kubebuilder:validation:XValidation:reason=FieldValueRequired,rule="self.all(image, has(image.url))",message="each of preloadedDockerImages needs url: the image with registry and tag"
	PreloadedDockerImages []DockerImage `json:"preloadedDockerImages,omitzero"`

	// Instance Pools API `custom_tags`: tags for the pool's cloud resources. At most
	// 42, one less than Databricks allows, because the operator adds
	// databricks-operator-pool-owner. Names that begin with databricks-operator, and
	// Vendor, DatabricksInstancePoolId and DatabricksInstancePoolCreatorId, are
	// reserved. A cluster of the pool must not have a tag of the same name. Owned key
	// by key.
	// +optional
	// +kubebuilder:validation:MaxProperties=42
	// +kubebuilder:validation:XValidation:reason=FieldValueForbidden,rule="self.all(name, !name.lowerAscii().startsWith('databricks-operator'))",message="tags whose names begin with databricks-operator, in small or capital letters, are reserved: by them the operator knows its pools; remove them"
	// +kubebuilder:validation:XValidation:reason=FieldValueForbidden,rule="!('Vendor' in self || 'DatabricksInstancePoolId' in self || 'DatabricksInstancePoolCreatorId' in self)",message="the tags Vendor, DatabricksInstancePoolId and DatabricksInstancePoolCreatorId are set by Databricks: remove them, or choose other names"
	// +kubebuilder:validation:XValidation:reason=FieldValueForbidden,rule="self.all(name, name.size() <= 127 && self[name].size() <= 255)",message="names in customTags are at most 127 characters long and values 255"
	CustomTags map[string]string `json:"customTags,omitempty"`

	// Instance Pools API `node_type_flexibility`: alternative machine types. Cannot
	// be changed.
	// +optional
	NodeTypeFlexibility *NodeTypeFlexibility `json:"nodeTypeFlexibility,omitzero"`

	// Instance Pools API `remote_disk_throughput`: throughput of the remote disks in
	// MiB/s. Only for hyperdisks on Google Cloud.
	// +optional
	// +kubebuilder:validation:Minimum=1
	RemoteDiskThroughput *int32 `json:"remoteDiskThroughput,omitempty"`

	// Instance Pools API `total_initial_remote_disk_size`: initial size of the remote
	// disks in GB. Only for hyperdisks on Google Cloud.
	// +optional
	// +kubebuilder:validation:Minimum=1
	TotalInitialRemoteDiskSize *int32 `json:"totalInitialRemoteDiskSize,omitempty"`

	// Instance Pools API `aws_attributes`: settings on AWS. Cannot be changed.
	// +optional
	AWSAttributes *PoolAWSAttributes `json:"awsAttributes,omitzero"`

	// Instance Pools API `azure_attributes`: settings on Azure. Cannot be changed.
	// +optional
	AzureAttributes *PoolAzureAttributes `json:"azureAttributes,omitzero"`

	// Instance Pools API `gcp_attributes`: settings on Google Cloud. Cannot be
	// changed.
	// +optional
	GCPAttributes *PoolGCPAttributes `json:"gcpAttributes,omitzero"`

	// Operator: direct permissions on the pool, authoritative if set: [] removes all
	// of them. The operator's own permission and inherited ones are never removed.
	// Absent: not managed.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:XValidation:reason=FieldValueForbidden,rule="self.all(a, self.exists_one(b, has(a.userName) ? has(b.userName) && a.userName == b.userName : has(a.groupName) ? has(b.groupName) && a.groupName == b.groupName : has(a.servicePrincipalName) == has(b.servicePrincipalName) && (!has(a.servicePrincipalName) || a.servicePrincipalName == b.servicePrincipalName)))",message="each userName, groupName and servicePrincipalName may stand once: keep the entry with the highest permissionLevel"
	AccessControlList []PoolAccessControl `json:"accessControlList,omitzero"`
}

// PoolDiskSpec describes the disks of each instance of a pool.
type PoolDiskSpec struct {
	// Instance Pools API `disk_type`: exactly one of its members.
	// +optional
	DiskType *PoolDiskType `json:"diskType,omitzero"`

	// Instance Pools API `disk_count`: number of disks.
	// +optional
	// +kubebuilder:validation:Minimum=0
	DiskCount *int32 `json:"diskCount,omitempty"`

	// Instance Pools API `disk_size`: size of each disk in GiB.
	// +optional
	// +kubebuilder:validation:Minimum=1
	DiskSize *int32 `json:"diskSize,omitempty"`

	// Instance Pools API `disk_iops`: IOPS of each gp3 disk.
	// +optional
	// +kubebuilder:validation:Minimum=0
	DiskIOPS *int32 `json:"diskIOPS,omitempty"`

	// Instance Pools API `disk_throughput`: throughput of each gp3 disk in MiB/s.
	// +optional
	// +kubebuilder:validation:Minimum=0
	DiskThroughput *int32 `json:"diskThroughput,omitempty"`
}

// PoolDiskType is the type of a disk.
//
// +kubebuilder:validation:XValidation:reason=FieldValueForbidden,rule="has(self.ebsVolumeType) != has(self.azureDiskVolumeType)",message="set exactly one of ebsVolumeType and azureDiskVolumeType: the one of the workspace's cloud"
type PoolDiskType struct {
	// Instance Pools API `ebs_volume_type`: GENERAL_PURPOSE_SSD or
	// THROUGHPUT_OPTIMIZED_HDD.
	// +optional
	EBSVolumeType EBSVolumeType `json:"ebsVolumeType,omitempty"`

	// Instance Pools API `azure_disk_volume_type`: PREMIUM_LRS or STANDARD_LRS.
	// +optional
	AzureDiskVolumeType AzureDiskVolumeType `json:"azureDiskVolumeType,omitempty"`
}

// AzureDiskVolumeType is the type of a disk on Azure, verbatim.
//
// +kubebuilder:validation:Enum=PREMIUM_LRS;STANDARD_LRS
type AzureDiskVolumeType string

// PoolAWSAttributes are settings of a pool on AWS.
type PoolAWSAttributes struct {
	// Instance Pools API `availability`: SPOT or ON_DEMAND.
	// +optional
	Availability PoolAWSAvailability `json:"availability,omitempty"`

	// Instance Pools API `zone_id`: availability zone, such as us-west-2a, or auto
	// with fleets of machine types.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	ZoneID string `json:"zoneID,omitempty"`

	// Instance Pools API `instance_profile_arn`: instance profile of the instances;
	// clusters of the pool must not set their own.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	InstanceProfileARN string `json:"instanceProfileARN,omitempty"`

	// Instance Pools API `spot_bid_price_percent`: highest spot price in percent of
	// the on-demand price, 1 to 10000.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	SpotBidPricePercent *int32 `json:"spotBidPricePercent,omitempty"`
}

// PoolAWSAvailability is the kind of instances of a pool on AWS, verbatim. A pool has no
// fallback to on-demand instances.
//
// +kubebuilder:validation:Enum=SPOT;ON_DEMAND
type PoolAWSAvailability string

// PoolAzureAttributes are settings of a pool on Azure.
type PoolAzureAttributes struct {
	// Instance Pools API `availability`: SPOT_AZURE or ON_DEMAND_AZURE.
	// +optional
	Availability PoolAzureAvailability `json:"availability,omitempty"`

	// Instance Pools API `spot_bid_max_price`: highest spot price in US dollars per
	// hour as a decimal number, such as "0.25", or "-1" for no limit but the
	// on-demand price.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:Pattern=`^(-1|[0-9]+(\.[0-9]+)?)$`
	SpotBidMaxPrice string `json:"spotBidMaxPrice,omitempty"`

	// Instance Pools API `capacity_reservation_group`: resource id of a capacity
	// reservation group.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	CapacityReservationGroup string `json:"capacityReservationGroup,omitempty"`
}

// PoolAzureAvailability is the kind of machines of a pool on Azure, verbatim. A pool has no
// fallback to on-demand machines.
//
// +kubebuilder:validation:Enum=SPOT_AZURE;ON_DEMAND_AZURE
type PoolAzureAvailability string

// PoolGCPAttributes are settings of a pool on Google Cloud.
type PoolGCPAttributes struct {
	// Instance Pools API `gcp_availability`: PREEMPTIBLE_GCP, ON_DEMAND_GCP or
	// PREEMPTIBLE_WITH_FALLBACK_GCP.
	// +optional
	GCPAvailability GCPAvailability `json:"gcpAvailability,omitempty"`

	// Instance Pools API `local_ssd_count`: local SSDs of each instance.
	// +optional
	// +kubebuilder:validation:Minimum=0
	LocalSSDCount *int32 `json:"localSSDCount,omitempty"`

	// Instance Pools API `zone_id`: zone, such as us-central1-a, or HA or AUTO.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	ZoneID string `json:"zoneID,omitempty"`
}

// PoolAccessControl grants one permission level on a pool to one principal.
//
// +kubebuilder:validation:XValidation:reason=FieldValueForbidden,rule="[has(self.userName), has(self.groupName), has(self.servicePrincipalName)].exists_one(chosen, chosen)",message="set exactly one of userName, groupName and servicePrincipalName"
type PoolAccessControl struct {
	Principal `json:",inline"`

	// Operator: CAN_ATTACH_TO or CAN_MANAGE. Permissions API `permission_level`.
	// +required
	PermissionLevel PoolPermissionLevel `json:"permissionLevel,omitempty"`
}

// PoolPermissionLevel is a permission level of a pool, verbatim.
//
// +kubebuilder:validation:Enum=CAN_ATTACH_TO;CAN_MANAGE
type PoolPermissionLevel string

// The permission levels of a pool.
const (
	PoolPermissionLevelCanAttachTo PoolPermissionLevel = "CAN_ATTACH_TO"
	PoolPermissionLevelCanManage   PoolPermissionLevel = "CAN_MANAGE"
)

// DatabricksInstancePoolStatus is the observed state of a pool.
type DatabricksInstancePoolStatus struct {
	ManagementStatus `json:",inline"`

	// Id of the pool in the workspace.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	PoolID string `json:"poolID,omitempty"`

	// State of the pool: ACTIVE, STOPPED, or a later addition of Databricks.
	// +optional
	State string `json:"state,omitempty"`

	// Instances of the pool.
	// +optional
	Stats *PoolStats `json:"stats,omitzero"`

	// Why the cloud did not deliver the first of the missing idle instances, in the
	// words of Databricks.
	// +optional
	PendingInstanceError string `json:"pendingInstanceError,omitempty"`

	// Label selector for the scale subresource. It selects no pods: instances are
	// not pods.
	// +optional
	Selector string `json:"selector,omitempty"`
}

// PoolStats are the numbers of instances of a pool.
type PoolStats struct {
	// Instances that clusters use.
	// +optional
	Used int32 `json:"used"`

	// Instances that wait for clusters.
	// +optional
	Idle int32 `json:"idle"`

	// Instances that clusters wait for.
	// +optional
	PendingUsed int32 `json:"pendingUsed"`

	// Instances that are launched to be idle.
	// +optional
	PendingIdle int32 `json:"pendingIdle"`
}

// DatabricksInstancePoolList is a list of DatabricksInstancePool.
//
// +kubebuilder:object:root=true
type DatabricksInstancePoolList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []DatabricksInstancePool `json:"items"`
}
