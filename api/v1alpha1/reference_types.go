package v1alpha1

// ReferenceSpec has names, references and selectors in place of ids, which differ between
// workspaces. The operator resolves references by the status of the objects that they
// name, and the others by the lists of the workspace; status.resolved has the result. Each
// of them excludes its field with an id.
type ReferenceSpec struct {
	// Operator: exact name of a cluster policy, in place of policyID.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	PolicyName string `json:"policyName,omitempty"`

	// Operator: exact name of an instance pool, in place of instancePoolID.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	InstancePoolName string `json:"instancePoolName,omitempty"`

	// Operator: exact name of an instance pool, in place of driverInstancePoolID.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	DriverInstancePoolName string `json:"driverInstancePoolName,omitempty"`

	// Operator: a DatabricksClusterPolicy of this namespace and of the same workspace, in
	// place of policyID. A new cluster waits until the object is Ready.
	// +optional
	PolicyRef *LocalObjectReference `json:"policyRef,omitzero"`

	// Operator: a DatabricksInstancePool of this namespace and of the same workspace, in
	// place of instancePoolID. A new cluster waits until the object is Ready.
	// +optional
	InstancePoolRef *LocalObjectReference `json:"instancePoolRef,omitzero"`

	// Operator: a DatabricksInstancePool of this namespace and of the same workspace, in
	// place of driverInstancePoolID. A new cluster waits until the object is Ready.
	// +optional
	DriverInstancePoolRef *LocalObjectReference `json:"driverInstancePoolRef,omitzero"`

	// Operator: selects the newest runtime that matches, in place of sparkVersion.
	// +optional
	// +structType=atomic
	SparkVersionSelector *SparkVersionSelector `json:"sparkVersionSelector,omitzero"`

	// Operator: selects the smallest machine type that matches, in place of
	// nodeTypeID. The choice is kept until the selector changes or the workspace no
	// longer lists the machine type.
	// +optional
	// +structType=atomic
	NodeTypeSelector *NodeTypeSelector `json:"nodeTypeSelector,omitzero"`

	// Operator: selects the machine type of the driver, in place of
	// driverNodeTypeID.
	// +optional
	// +structType=atomic
	DriverNodeTypeSelector *NodeTypeSelector `json:"driverNodeTypeSelector,omitzero"`
}

// LocalObjectReference names an object in the object's own namespace. The field determines
// its kind. It has no namespace field, so that no object uses what another tenant manages.
type LocalObjectReference struct {
	// Operator: name of an object in this namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name,omitempty"`
}

// SparkVersionSelector selects a runtime. The members have the meaning that they have in
// the SDKs of Databricks: one that is false excludes the runtimes that are such.
type SparkVersionSelector struct {
	// Operator: true selects runtimes with long-term support only.
	// +optional
	LongTermSupport bool `json:"longTermSupport,omitempty"`

	// Operator: true selects beta releases only.
	// +optional
	Beta bool `json:"beta,omitempty"`

	// Operator: true selects runtimes for machine learning.
	// +optional
	ML bool `json:"ml,omitempty"`

	// Operator: true selects runtimes for genomics.
	// +optional
	Genomics bool `json:"genomics,omitempty"`

	// Operator: true selects runtimes for machines with GPUs. Those for machine
	// learning need ml, too.
	// +optional
	GPU bool `json:"gpu,omitempty"`

	// Operator: true selects runtimes with Photon in their key, which exist up to
	// release 13. For later ones set runtimeEngine.
	// +optional
	Photon bool `json:"photon,omitempty"`

	// Operator: true selects runtimes for Graviton in their key, which exist up to
	// release 13.
	// +optional
	Graviton bool `json:"graviton,omitempty"`

	// Operator: version of Scala, such as 2.13. Absent: any; of two runtimes that
	// differ in it alone, the one with the older Scala.
	// +optional
	// +kubebuilder:validation:Pattern=`^[0-9]+\.[0-9]+$`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=8
	Scala string `json:"scala,omitempty"`

	// Operator: version of Apache Spark, or the beginning of one, such as 3.5.
	// +optional
	// +kubebuilder:validation:Pattern=`^[0-9]+(\.[0-9]+){0,2}$`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=16
	SparkVersion string `json:"sparkVersion,omitempty"`

	// Operator: when a newer runtime replaces the one that was chosen. WhenDown
	// (default): while the cluster is terminated, and with a restart for another
	// reason; ByStrategy: like a changed spec, by
	// updateStrategy; Never: only if the selector changes.
	// +optional
	Update RuntimeUpdate `json:"update,omitempty"`
}

// RuntimeUpdate is when a newer runtime replaces the chosen one.
//
// +kubebuilder:validation:Enum=WhenDown;ByStrategy;Never
type RuntimeUpdate string

// The times of an update.
const (
	RuntimeUpdateWhenDown   RuntimeUpdate = "WhenDown"
	RuntimeUpdateByStrategy RuntimeUpdate = "ByStrategy"
	RuntimeUpdateNever      RuntimeUpdate = "Never"
)

// NodeTypeSelector selects a machine type. The members have the meaning that they have
// in the SDKs of Databricks.
type NodeTypeSelector struct {
	// Operator: minimum memory in GB.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	MinMemoryGB int32 `json:"minMemoryGB,omitempty"`

	// Operator: minimum memory per core in GB.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	GBPerCore int32 `json:"gbPerCore,omitempty"`

	// Operator: minimum number of cores.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	MinCores int32 `json:"minCores,omitempty"`

	// Operator: minimum number of GPUs. Absent: machine types without GPUs only.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	MinGPUs int32 `json:"minGPUs,omitempty"`

	// Operator: true selects machine types with a local disk.
	// +optional
	LocalDisk bool `json:"localDisk,omitempty"`

	// Operator: minimum size of a local disk in GB.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	LocalDiskMinSizeGB int32 `json:"localDiskMinSizeGB,omitempty"`

	// Operator: category of Databricks, such as Memory Optimized, in any case.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Category string `json:"category,omitempty"`

	// Operator: true selects machine types of which the workers can run Photon.
	// +optional
	PhotonWorkerCapable bool `json:"photonWorkerCapable,omitempty"`

	// Operator: true selects machine types of which the driver can run Photon.
	// +optional
	PhotonDriverCapable bool `json:"photonDriverCapable,omitempty"`

	// Operator: true selects machine types with the disk cache enabled.
	// +optional
	IOCacheEnabled bool `json:"ioCacheEnabled,omitempty"`

	// Operator: true selects machine types that support port forwarding.
	// +optional
	PortForwarding bool `json:"portForwarding,omitempty"`

	// Operator: true selects Graviton machine types only; absent or false none.
	// +optional
	Graviton bool `json:"graviton,omitempty"`

	// Operator: true selects fleets of machine types only; absent or false none.
	// +optional
	Fleet bool `json:"fleet,omitempty"`
}
