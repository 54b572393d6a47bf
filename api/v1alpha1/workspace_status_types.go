package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// DatabricksWorkspaceStatus is what is known about a shared workspace. Figures
// are coarse, so that a status is written when something changed and not
// because time has passed.
type DatabricksWorkspaceStatus struct {
	// The generation of the spec that this status is about; -1 before the first
	// evaluation.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Ready; Reconciling and Stalled while they apply.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// Whom the workspace takes the credential for.
	// +optional
	Principal string `json:"principal,omitempty"`

	// Id of the workspace, where Databricks tells it.
	// +optional
	WorkspaceID string `json:"workspaceID,omitempty"`

	// AWS, Azure or GCP, by the host's suffix; absent for a host of another name.
	// +optional
	Cloud string `json:"cloud,omitempty"`

	// How many DatabricksCluster objects refer to this workspace, allowed or not.
	// +optional
	Clusters *int32 `json:"clusters,omitempty"`

	// Requests per minute that the workspace was found to bear, by its own 429s;
	// absent until it has shown a limit. Kept until it is off by more than a
	// fifth.
	// +optional
	RequestLimitPerMinute *int32 `json:"requestLimitPerMinute,omitempty"`

	// How much of that limit this operator uses, in percent and steps of 10; kept
	// until it is off by more than 15.
	// +optional
	RequestLimitUsedPercent *int32 `json:"requestLimitUsedPercent,omitempty"`

	// Minutes since the workspace's clusters were last read, as the lower end of
	// a step: 0, 10, 30, 60, 360 or 1440; absent while there is none to read. 0
	// is as it should be.
	// +optional
	MirrorAgeMinutes *int32 `json:"mirrorAgeMinutes,omitempty"`
}
