package v1alpha1

// AWSAttributes are settings of a cluster on AWS.
type AWSAttributes struct {
	// Clusters API `first_on_demand`: how many nodes, the driver first, are
	// on-demand instances. Fixed for a cluster's life.
	// +optional
	// +kubebuilder:validation:Minimum=0
	FirstOnDemand *int32 `json:"firstOnDemand,omitempty"`

	// Clusters API `availability`: kind of the other nodes: SPOT, ON_DEMAND or
	// SPOT_WITH_FALLBACK.
	// +optional
	Availability AWSAvailability `json:"availability,omitempty"`

	// Clusters API `zone_id`: availability zone, such as us-west-2a, or auto.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	ZoneID string `json:"zoneID,omitempty"`

	// Clusters API `instance_profile_arn`: instance profile of the nodes,
	// registered in the workspace.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	InstanceProfileARN string `json:"instanceProfileARN,omitempty"`

	// Clusters API `spot_bid_price_percent`: highest spot price in percent of the
	// on-demand price, 1 to 10000.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	SpotBidPricePercent *int32 `json:"spotBidPricePercent,omitempty"`

	// Clusters API `ebs_volume_type`: GENERAL_PURPOSE_SSD or
	// THROUGHPUT_OPTIMIZED_HDD.
	// +optional
	EBSVolumeType EBSVolumeType `json:"ebsVolumeType,omitempty"`

	// Clusters API `ebs_volume_count`: EBS volumes of each node, 0 to 10; at
	// least 1 where the node type has no local disk.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10
	EBSVolumeCount *int32 `json:"ebsVolumeCount,omitempty"`

	// Clusters API `ebs_volume_size`: size of each EBS volume in GiB: 100 to 4096
	// for SSD, 500 to 4096 for HDD.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=4096
	EBSVolumeSize *int32 `json:"ebsVolumeSize,omitempty"`

	// Clusters API `ebs_volume_iops`: IOPS of each gp3 volume.
	// +optional
	// +kubebuilder:validation:Minimum=0
	EBSVolumeIOPS *int32 `json:"ebsVolumeIOPS,omitempty"`

	// Clusters API `ebs_volume_throughput`: throughput of each gp3 volume in
	// MiB/s.
	// +optional
	// +kubebuilder:validation:Minimum=0
	EBSVolumeThroughput *int32 `json:"ebsVolumeThroughput,omitempty"`
}

// AWSAvailability is the kind of instances on AWS, verbatim.
//
// +kubebuilder:validation:Enum=SPOT;ON_DEMAND;SPOT_WITH_FALLBACK
type AWSAvailability string

// The kinds of instances on AWS.
const (
	AWSAvailabilitySpot             AWSAvailability = "SPOT"
	AWSAvailabilityOnDemand         AWSAvailability = "ON_DEMAND"
	AWSAvailabilitySpotWithFallback AWSAvailability = "SPOT_WITH_FALLBACK"
)

// EBSVolumeType is a kind of EBS volume, verbatim.
//
// +kubebuilder:validation:Enum=GENERAL_PURPOSE_SSD;THROUGHPUT_OPTIMIZED_HDD
type EBSVolumeType string

// The kinds of EBS volumes.
const (
	EBSVolumeTypeGeneralPurposeSSD      EBSVolumeType = "GENERAL_PURPOSE_SSD"
	EBSVolumeTypeThroughputOptimizedHDD EBSVolumeType = "THROUGHPUT_OPTIMIZED_HDD"
)

// AzureAttributes are settings of a cluster on Azure.
type AzureAttributes struct {
	// Clusters API `first_on_demand`: how many nodes, the driver first, are
	// on-demand machines; should be 1 or more. Fixed for a cluster's life.
	// +optional
	// +kubebuilder:validation:Minimum=0
	FirstOnDemand *int32 `json:"firstOnDemand,omitempty"`

	// Clusters API `availability`: kind of the other nodes: SPOT_AZURE,
	// ON_DEMAND_AZURE or SPOT_WITH_FALLBACK_AZURE.
	// +optional
	Availability AzureAvailability `json:"availability,omitempty"`

	// Clusters API `spot_bid_max_price`: highest spot price in US dollars per
	// hour as a decimal number, such as "0.25", or "-1" for no limit but the
	// on-demand price.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:Pattern=`^(-1|[0-9]+(\.[0-9]+)?)$`
	// +kubebuilder:validation:XValidation:reason=FieldValueInvalid,rule="self == '-1' || self.matches('[1-9]')",message="spotBidMaxPrice must be greater than 0, or -1 for no limit but the on-demand price"
	SpotBidMaxPrice string `json:"spotBidMaxPrice,omitempty"`

	// Clusters API `capacity_reservation_group`: full resource id of a capacity
	// reservation group. Only in workspaces with an injected network.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	CapacityReservationGroup string `json:"capacityReservationGroup,omitempty"`

	// Clusters API `log_analytics_info`: Azure Log Analytics workspace to report
	// to.
	// +optional
	LogAnalyticsInfo *LogAnalyticsInfo `json:"logAnalyticsInfo,omitzero"`
}

// AzureAvailability is the kind of machines on Azure, verbatim.
//
// +kubebuilder:validation:Enum=SPOT_AZURE;ON_DEMAND_AZURE;SPOT_WITH_FALLBACK_AZURE
type AzureAvailability string

// The kinds of machines on Azure.
const (
	AzureAvailabilitySpot             AzureAvailability = "SPOT_AZURE"
	AzureAvailabilityOnDemand         AzureAvailability = "ON_DEMAND_AZURE"
	AzureAvailabilitySpotWithFallback AzureAvailability = "SPOT_WITH_FALLBACK_AZURE"
)

// LogAnalyticsInfo is an Azure Log Analytics workspace, with its key by
// reference.
type LogAnalyticsInfo struct {
	// Clusters API `log_analytics_workspace_id`: id of the Log Analytics
	// workspace.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	LogAnalyticsWorkspaceID string `json:"logAnalyticsWorkspaceID,omitempty"`

	// Operator: Secret in this namespace and its key that holds the primary key,
	// sent as `log_analytics_primary_key`. It needs the label
	// compute.databricks-operator.io/use: log-analytics.
	// +optional
	LogAnalyticsPrimaryKeySecretRef *LocalSecretKeyReference `json:"logAnalyticsPrimaryKeySecretRef,omitzero"`
}

// GCPAttributes are settings of a cluster on Google Cloud.
type GCPAttributes struct {
	// Clusters API `first_on_demand`: how many nodes, the driver first, are
	// on-demand machines. Fixed for a cluster's life.
	// +optional
	// +kubebuilder:validation:Minimum=0
	FirstOnDemand *int32 `json:"firstOnDemand,omitempty"`

	// Clusters API `availability`: kind of the other nodes: PREEMPTIBLE_GCP,
	// ON_DEMAND_GCP or PREEMPTIBLE_WITH_FALLBACK_GCP.
	// +optional
	Availability GCPAvailability `json:"availability,omitempty"`

	// Clusters API `use_preemptible_executors`: true puts workers on preemptible
	// machines. Deprecated by Databricks: use availability.
	// +optional
	UsePreemptibleExecutors *bool `json:"usePreemptibleExecutors,omitempty"`

	// Clusters API `google_service_account`: service account of the cluster.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	GoogleServiceAccount string `json:"googleServiceAccount,omitempty"`

	// Clusters API `boot_disk_size`: size of the boot disk in GB.
	// +optional
	// +kubebuilder:validation:Minimum=0
	BootDiskSize *int32 `json:"bootDiskSize,omitempty"`

	// Clusters API `local_ssd_count`: local SSDs of each node, 375 GB each; 0 for
	// none.
	// +optional
	// +kubebuilder:validation:Minimum=0
	LocalSSDCount *int32 `json:"localSsdCount,omitempty"`

	// Clusters API `zone_id`: HA (spread over zones, the default), AUTO, or a
	// zone.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	ZoneID string `json:"zoneID,omitempty"`

	// Clusters API `confidential_compute_type`: CONFIDENTIAL_COMPUTE_TYPE_NONE,
	// or SEV_SNP on N2D machines.
	// +optional
	ConfidentialComputeType ConfidentialComputeType `json:"confidentialComputeType,omitempty"`
}

// GCPAvailability is the kind of machines on Google Cloud, verbatim.
//
// +kubebuilder:validation:Enum=PREEMPTIBLE_GCP;ON_DEMAND_GCP;PREEMPTIBLE_WITH_FALLBACK_GCP
type GCPAvailability string

// The kinds of machines on Google Cloud.
const (
	GCPAvailabilityPreemptible             GCPAvailability = "PREEMPTIBLE_GCP"
	GCPAvailabilityOnDemand                GCPAvailability = "ON_DEMAND_GCP"
	GCPAvailabilityPreemptibleWithFallback GCPAvailability = "PREEMPTIBLE_WITH_FALLBACK_GCP"
)

// ConfidentialComputeType is a way to encrypt memory in use, verbatim.
//
// +kubebuilder:validation:Enum=CONFIDENTIAL_COMPUTE_TYPE_NONE;SEV_SNP
type ConfidentialComputeType string

// The ways to encrypt memory in use.
const (
	ConfidentialComputeTypeNone   ConfidentialComputeType = "CONFIDENTIAL_COMPUTE_TYPE_NONE"
	ConfidentialComputeTypeSEVSNP ConfidentialComputeType = "SEV_SNP"
)
