package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// DatabricksWorkspaceStatus is the observed state of a shared workspace. Its numbers
// are coarse, so that the status is not written merely because time passes.
type DatabricksWorkspaceStatus struct {
	// Generation of the spec that this status describes; -1 before the first
	// evaluation.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Ready; Reconciling and Stalled while they apply.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// User or service principal that the credential authenticates as.
	// +optional
	Principal string `json:"principal,omitempty"`

	// Id of the workspace, if Databricks returns it.
	// +optional
	WorkspaceID string `json:"workspaceID,omitempty"`

	// AWS, Azure or GCP, by the host's suffix; absent for other suffixes.
	// +optional
	Cloud string `json:"cloud,omitempty"`

	// Number of DatabricksCluster objects that refer to this workspace, including
	// those that are not allowed.
	// +optional
	Clusters *int32 `json:"clusters,omitempty"`

	// Request limit of the workspace per minute, as measured by its 429s; absent
	// until it is known. Updated when it is wrong by more than a fifth.
	// +optional
	RequestLimitPerMinute *int32 `json:"requestLimitPerMinute,omitempty"`

	// Share of this limit that the operator uses, in percent and steps of 10.
	// Updated when it is wrong by more than 15.
	// +optional
	RequestLimitUsedPercent *int32 `json:"requestLimitUsedPercent,omitempty"`

	// Minutes since the workspace's clusters were last read, rounded down to 0
	// (normal), 10, 30, 60, 360 or 1440; absent if there are no clusters to read.
	// +optional
	MirrorAgeMinutes *int32 `json:"mirrorAgeMinutes,omitempty"`
}
