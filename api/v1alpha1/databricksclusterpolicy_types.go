package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// DatabricksClusterPolicy is one cluster policy of a Databricks workspace. The operator
// creates it, keeps it as declared, and applies deletionPolicy to it when the object is
// deleted. Clusters refer to it by policyRef.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=databricksclusterpolicies,shortName=dbcp,categories=databricks
// +kubebuilder:subresource:status
// +kubebuilder:selectablefield:JSONPath=`.status.policyID`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`,description="As declared and in effect"
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`,description="Why Ready has its value"
// +kubebuilder:printcolumn:name="Policy",type=string,JSONPath=`.status.name`,description="Name in the workspace"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Synced",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Synced")].status`,description="Whether the remote configuration matches"
// +kubebuilder:printcolumn:name="Policy-ID",type=string,priority=1,JSONPath=`.status.policyID`
// +kubebuilder:printcolumn:name="Family",type=string,priority=1,JSONPath=`.spec.policyFamilyID`
// +kubebuilder:printcolumn:name="Host",type=string,priority=1,JSONPath=`.status.host`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:fieldPath=".spec.policyID",reason=FieldValueForbidden,rule="has(oldSelf.spec.policyID) || !has(self.spec.policyID) || (has(self.status) && has(self.status.policyID) && self.status.policyID == self.spec.policyID)",message="policyID can be added later only with the value of status.policyID: this object has, or is about to have, a policy of its own; create another object to adopt another policy"
type DatabricksClusterPolicy struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// The desired policy. An absent field is not managed by this object.
	// +required
	Spec DatabricksClusterPolicySpec `json:"spec"`

	// The observed state, written only by the operator.
	// +optional
	// +default={"observedGeneration":-1}
	Status DatabricksClusterPolicyStatus `json:"status,omitzero"`
}

// DatabricksClusterPolicySpec is the desired policy and how the operator manages it.
//
// +kubebuilder:validation:XValidation:fieldPath=".definition",reason=FieldValueForbidden,rule="!has(self.definition) || !has(self.policyFamilyID)",message="choose definition or policyFamilyID, not both: a family has a definition of its own, which policyFamilyDefinitionOverrides changes"
// +kubebuilder:validation:XValidation:fieldPath=".policyFamilyDefinitionOverrides",reason=FieldValueForbidden,rule="!has(self.policyFamilyDefinitionOverrides) || has(self.policyFamilyID)",message="policyFamilyDefinitionOverrides needs policyFamilyID: the id of the family whose definition it changes; without a family use definition"
// +kubebuilder:validation:XValidation:fieldPath=".definition",reason=FieldValueRequired,rule="has(self.definition) || has(self.policyFamilyID) || has(self.policyID) || self.?adoptByName.orValue(false)",message="set definition, or policyFamilyID: a new policy needs one of them (not needed with policyID or adoptByName)"
// +kubebuilder:validation:XValidation:fieldPath=".managementPolicy",reason=FieldValueRequired,rule="self.?managementPolicy.orValue('Manage') != 'Observe' || has(self.policyID) || self.?adoptByName.orValue(false)",message="managementPolicy Observe needs policyID, or adoptByName: true: the policy to observe"
// +kubebuilder:validation:XValidation:fieldPath=".managementPolicy",reason=FieldValueForbidden,rule="self.?managementPolicy.orValue('Manage') != 'Observe' || (!has(self.driftPolicy) && self.?deletionPolicy.orValue('Retain') == 'Retain' && !has(self.accessControlList))",message="managementPolicy Observe writes nothing: remove driftPolicy, deletionPolicy and accessControlList; or set managementPolicy to Manage"
// +kubebuilder:validation:XValidation:fieldPath=".adoptByName",reason=FieldValueForbidden,rule="!has(self.policyID) || !self.?adoptByName.orValue(false)",message="choose policyID or adoptByName, not both: policyID names the policy to adopt"
// +kubebuilder:validation:XValidation:fieldPath=".policyID",reason=FieldValueForbidden,rule="!has(oldSelf.policyID) || (has(self.policyID) && self.policyID == oldSelf.policyID)",message="policyID cannot be changed or removed once set: an object stays with the policy it adopted; create another object to adopt another policy"
type DatabricksClusterPolicySpec struct {
	ManagementSpec `json:",inline"`

	// Operator: id of an existing policy to adopt or observe. Cannot be changed or
	// removed once set. Absent: the operator creates a policy.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=100
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_-]+$`
	PolicyID string `json:"policyID,omitempty"`

	// Cluster Policies API `name`: unique in the workspace, also without regard to
	// case. Absent: <namespace>-<name> at creation, and not managed later.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=100
	Name string `json:"name,omitempty"`

	// Cluster Policies API `definition`: a rule for each path of the policy language,
	// such as spark_version: {type: fixed, value: auto:latest-lts}. Compared as JSON,
	// whatever the order of its members. A spec has at most 256 KiB in all.
	// +optional
	// +kubebuilder:validation:MaxProperties=500
	// +kubebuilder:validation:XValidation:reason=FieldValueForbidden,rule="self.all(path, path.size() <= 255)",message="paths in definition are at most 255 characters long"
	Definition map[string]PolicyRule `json:"definition,omitempty"`

	// Cluster Policies API `policy_family_id`: family that the policy inherits its
	// definition from, such as job-cluster. Not with definition.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=100
	PolicyFamilyID string `json:"policyFamilyID,omitempty"`

	// Cluster Policies API `policy_family_definition_overrides`: rules that replace
	// those of the family, in the form of definition. Needs policyFamilyID.
	// +optional
	// +kubebuilder:validation:MaxProperties=500
	// +kubebuilder:validation:XValidation:reason=FieldValueForbidden,rule="self.all(path, path.size() <= 255)",message="paths in policyFamilyDefinitionOverrides are at most 255 characters long"
	PolicyFamilyDefinitionOverrides map[string]PolicyRule `json:"policyFamilyDefinitionOverrides,omitempty"`

	// Cluster Policies API `description`: text for the users of the policy.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1000
	Description string `json:"description,omitempty"`

	// Cluster Policies API `max_clusters_per_user`: active clusters that one user may
	// have under the policy. Absent: no limit.
	// +optional
	// +kubebuilder:validation:Minimum=1
	MaxClustersPerUser *int32 `json:"maxClustersPerUser,omitempty"`

	// Cluster Policies API `libraries`: libraries that each cluster of the policy
	// installs at its next restart. At most 500.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=500
	Libraries []Library `json:"libraries,omitzero"`

	// Operator: direct permissions on the policy, authoritative if set: [] removes
	// all of them. Inherited ones are never removed. Absent: not managed.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:XValidation:reason=FieldValueForbidden,rule="self.all(a, self.exists_one(b, has(a.userName) ? has(b.userName) && a.userName == b.userName : has(a.groupName) ? has(b.groupName) && a.groupName == b.groupName : has(a.servicePrincipalName) == has(b.servicePrincipalName) && (!has(a.servicePrincipalName) || a.servicePrincipalName == b.servicePrincipalName)))",message="each userName, groupName and servicePrincipalName may stand once: keep the entry with the highest permissionLevel"
	AccessControlList []PolicyAccessControl `json:"accessControlList,omitzero"`
}

// PolicyRule is one rule of the policy language: type and the members of that type.
//
// +kubebuilder:pruning:PreserveUnknownFields
// +kubebuilder:validation:Type=object
type PolicyRule struct {
	runtime.RawExtension `json:",inline"`
}

// PolicyAccessControl grants the use of a policy to one principal.
//
// +kubebuilder:validation:XValidation:reason=FieldValueForbidden,rule="[has(self.userName), has(self.groupName), has(self.servicePrincipalName)].exists_one(chosen, chosen)",message="set exactly one of userName, groupName and servicePrincipalName"
type PolicyAccessControl struct {
	Principal `json:",inline"`

	// Operator: CAN_USE. Permissions API `permission_level`.
	// +required
	PermissionLevel PolicyPermissionLevel `json:"permissionLevel,omitempty"`
}

// PolicyPermissionLevel is a permission level of a policy, verbatim.
//
// +kubebuilder:validation:Enum=CAN_USE
type PolicyPermissionLevel string

// PolicyPermissionLevelCanUse permits to create clusters under the policy.
const PolicyPermissionLevelCanUse PolicyPermissionLevel = "CAN_USE"

// DatabricksClusterPolicyStatus is the observed state of a policy.
type DatabricksClusterPolicyStatus struct {
	ManagementStatus `json:",inline"`

	// Id of the policy in the workspace.
	// +optional
	// +kubebuilder:validation:MaxLength=100
	PolicyID string `json:"policyID,omitempty"`
}

// DatabricksClusterPolicyList is a list of DatabricksClusterPolicy.
//
// +kubebuilder:object:root=true
type DatabricksClusterPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []DatabricksClusterPolicy `json:"items"`
}
