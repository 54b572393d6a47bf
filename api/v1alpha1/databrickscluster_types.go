package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// DatabricksCluster is one all-purpose cluster of a Databricks workspace. The
// operator creates it, keeps it as declared, reports its state in status, and
// applies deletionPolicy to it when the object is deleted.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=dbc,categories=databricks
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.numWorkers,statuspath=.status.numWorkers,selectorpath=.status.selector
// +kubebuilder:selectablefield:JSONPath=`.spec.policyID`
// +kubebuilder:selectablefield:JSONPath=`.status.state`
// +kubebuilder:selectablefield:JSONPath=`.status.clusterID`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`,description="Usable under its policies"
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`,description="Why Ready has its value"
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`,description="State of the cluster, as Databricks names it"
// +kubebuilder:printcolumn:name="Workers",type=integer,JSONPath=`.status.numWorkers`,description="Workers the cluster has now"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Synced",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Synced")].status`,description="Whether the remote configuration matches"
// +kubebuilder:printcolumn:name="Cluster-ID",type=string,priority=1,JSONPath=`.status.clusterID`
// +kubebuilder:printcolumn:name="Runtime",type=string,priority=1,JSONPath=`.status.effective.runtime`
// +kubebuilder:printcolumn:name="Node-Type",type=string,priority=1,JSONPath=`.status.effective.nodeTypeID`
// +kubebuilder:printcolumn:name="Run-Policy",type=string,priority=1,JSONPath=`.status.effective.runPolicy`,description="Who starts and stops the cluster"
// +kubebuilder:printcolumn:name="Host",type=string,priority=1,JSONPath=`.status.host`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:fieldPath=".spec.clusterID",reason=FieldValueForbidden,rule="has(oldSelf.spec.clusterID) || !has(self.spec.clusterID) || (has(self.status) && has(self.status.clusterID) && self.status.clusterID == self.spec.clusterID)",message="clusterID can be added later only with the value of status.clusterID: this object has, or is about to have, a cluster of its own; create another object to adopt another cluster"
type DatabricksCluster struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// The desired cluster. An absent field is not managed by this object: the
	// policy, the server or users set its value.
	// +required
	Spec DatabricksClusterSpec `json:"spec"`

	// The observed state, written only by the operator.
	// +optional
	// +default={"observedGeneration":-1}
	Status DatabricksClusterStatus `json:"status,omitzero"`
}

// DatabricksClusterSpec has the operator's own fields, names, references and selectors
// in place of ids, and the fields of the Clusters API. In JSON they are one object; a test ensures
// that no name occurs twice. The rules here are those that concern more than one field.
//
// +kubebuilder:validation:XValidation:fieldPath=".clusterID",reason=FieldValueRequired,rule="self.?managementPolicy.orValue('Manage') != 'Observe' || has(self.clusterID)",message="managementPolicy Observe needs clusterID: the id of the cluster to mirror"
// +kubebuilder:validation:XValidation:fieldPath=".managementPolicy",reason=FieldValueForbidden,rule="self.?managementPolicy.orValue('Manage') != 'Observe' || (self.?runPolicy.orValue('Manual') == 'Manual' && !has(self.updateStrategy) && !has(self.driftPolicy) && self.?deletionPolicy.orValue('Retain') == 'Retain' && !has(self.adoptionPolicy) && !has(self.pinned) && !has(self.libraries) && !has(self.accessControlList) && self.?policyCompliance.orValue('Report') == 'Report')",message="managementPolicy Observe writes nothing: remove runPolicy, schedule, updateStrategy, driftPolicy, deletionPolicy, adoptionPolicy, pinned, libraries and accessControlList, and set policyCompliance to Report; or use managementPolicy: Manage"
// +kubebuilder:validation:XValidation:fieldPath=".numWorkers",reason=FieldValueForbidden,rule="[has(self.autoscale), self.?isSingleNode.orValue(false), has(self.numWorkers) && !(self.?isSingleNode.orValue(false) && self.numWorkers == 0)].filter(chosen, chosen).size() <= 1",message="choose one size: numWorkers, autoscale or isSingleNode: true (only numWorkers: 0 may stand beside the last); remove the others"
// +kubebuilder:validation:XValidation:fieldPath=".numWorkers",reason=FieldValueRequired,rule="has(self.numWorkers) || has(self.autoscale) || self.?isSingleNode.orValue(false) || has(self.policyID) || has(self.policyName) || has(self.policyRef) || has(self.clusterID)",message="a size is needed: set numWorkers, autoscale or isSingleNode: true (unless policyID or clusterID supplies it)"
// +kubebuilder:validation:XValidation:fieldPath=".sparkVersion",reason=FieldValueRequired,rule="has(self.sparkVersion) || has(self.sparkVersionSelector) || has(self.policyID) || has(self.policyName) || has(self.policyRef) || has(self.clusterID)",message="a runtime is needed: set sparkVersion, such as 16.4.x-scala2.12 (unless policyID or clusterID supplies it)"
// +kubebuilder:validation:XValidation:fieldPath=".nodeTypeID",reason=FieldValueRequired,rule="has(self.nodeTypeID) || has(self.nodeTypeSelector) || has(self.instancePoolID) || has(self.instancePoolName) || has(self.instancePoolRef) || has(self.policyID) || has(self.policyName) || has(self.policyRef) || has(self.clusterID)",message="machines are needed: set nodeTypeID or instancePoolID (unless policyID or clusterID supplies them)"
// +kubebuilder:validation:XValidation:fieldPath=".nodeTypeID",reason=FieldValueForbidden,rule="(!has(self.nodeTypeID) && !has(self.nodeTypeSelector)) || (!has(self.instancePoolID) && !has(self.instancePoolName) && !has(self.instancePoolRef))",message="choose nodeTypeID or instancePoolID, not both: a pool decides the node type"
// +kubebuilder:validation:XValidation:fieldPath=".driverNodeTypeID",reason=FieldValueForbidden,rule="(!has(self.driverNodeTypeID) && !has(self.driverNodeTypeSelector)) || ((!has(self.driverInstancePoolID) && !has(self.driverInstancePoolName) && !has(self.driverInstancePoolRef)) && (!has(self.instancePoolID) && !has(self.instancePoolName) && !has(self.instancePoolRef)))",message="choose driverNodeTypeID or a pool, not both: with instancePoolID the driver comes from that pool or from driverInstancePoolID"
// +kubebuilder:validation:XValidation:fieldPath=".driverInstancePoolID",reason=FieldValueForbidden,rule="(!has(self.driverInstancePoolID) && !has(self.driverInstancePoolName) && !has(self.driverInstancePoolRef)) || (has(self.instancePoolID) || has(self.instancePoolName) || has(self.instancePoolRef))",message="driverInstancePoolID needs instancePoolID: a pool for the driver alone is not possible"
// +kubebuilder:validation:XValidation:reason=FieldValueForbidden,rule="[has(self.awsAttributes), has(self.azureAttributes), has(self.gcpAttributes)].filter(chosen, chosen).size() <= 1",message="choose one of awsAttributes, azureAttributes and gcpAttributes: the one of the workspace's cloud"
// +kubebuilder:validation:XValidation:fieldPath=".autoterminationMinutes",reason=FieldValueRequired,rule="has(self.autoterminationMinutes) || has(self.policyID) || has(self.policyName) || has(self.policyRef) || has(self.clusterID) || self.?runPolicy.orValue('Manual') != 'Manual'",message="set autoterminationMinutes to 10 to 10000, or to 0; 0 means never, and so does leaving it out, and an idle cluster costs money (not needed with policyID, clusterID, or another runPolicy than Manual)"
// +kubebuilder:validation:XValidation:fieldPath=".autoterminationMinutes",reason=FieldValueForbidden,rule="self.?runPolicy.orValue('Manual') != 'Running' || self.?autoterminationMinutes.orValue(0) == 0",message="runPolicy Running and autoterminationMinutes would fight: set autoterminationMinutes to 0 (0 means never) or remove it, or choose another runPolicy"
// +kubebuilder:validation:XValidation:fieldPath=".autoterminationMinutes",reason=FieldValueForbidden,rule="self.?schedule.?atStart.orValue('Start') != 'KeepRunning' || self.?autoterminationMinutes.orValue(0) == 0",message="schedule.atStart KeepRunning and autoterminationMinutes would fight: set autoterminationMinutes to 0 (0 means never) or remove it, or set atStart to Start"
// +kubebuilder:validation:XValidation:fieldPath=".schedule",reason=FieldValueForbidden,rule="has(self.schedule) == (self.?runPolicy.orValue('Manual') == 'Scheduled')",message="schedule and runPolicy: Scheduled need each other: set both, or remove both"
// +kubebuilder:validation:XValidation:fieldPath=".isSingleNode",reason=FieldValueForbidden,rule="!has(self.isSingleNode) || has(self.kind)",message="isSingleNode needs kind: CLASSIC_PREVIEW; without kind, set numWorkers: 0 and the single-node sparkConf and customTags yourself"
// +kubebuilder:validation:XValidation:fieldPath=".useMLRuntime",reason=FieldValueForbidden,rule="!has(self.useMLRuntime) || has(self.kind)",message="useMLRuntime needs kind: CLASSIC_PREVIEW; without kind, choose an -ml- sparkVersion"
// +kubebuilder:validation:XValidation:fieldPath=".runtimeEngine",reason=FieldValueForbidden,rule="!has(self.runtimeEngine) || !has(self.sparkVersion) || !self.sparkVersion.contains('-photon-')",message="runtimeEngine and a sparkVersion with -photon- exclude each other: remove -photon- from sparkVersion and set runtimeEngine: PHOTON"
// +kubebuilder:validation:XValidation:fieldPath=".singleUserName",reason=FieldValueForbidden,rule="!has(self.singleUserName) || self.?dataSecurityMode.orValue('SINGLE_USER') in ['SINGLE_USER', 'DATA_SECURITY_MODE_DEDICATED', 'DATA_SECURITY_MODE_AUTO', 'LEGACY_SINGLE_USER', 'LEGACY_SINGLE_USER_STANDARD']",message="singleUserName needs a dataSecurityMode that has one: DATA_SECURITY_MODE_DEDICATED, SINGLE_USER, DATA_SECURITY_MODE_AUTO, LEGACY_SINGLE_USER or LEGACY_SINGLE_USER_STANDARD; remove singleUserName or change the mode"
// +kubebuilder:validation:XValidation:fieldPath=".clusterID",reason=FieldValueForbidden,rule="!has(oldSelf.clusterID) || (has(self.clusterID) && self.clusterID == oldSelf.clusterID)",message="clusterID cannot be changed or removed once set: an object stays with the cluster it adopted; create another object to adopt another cluster"
// +kubebuilder:validation:XValidation:reason=FieldValueForbidden,rule="(has(self.sparkConf) ? self.sparkConf.map(k, k.size() + self.sparkConf[k].size()).sum() : 0) + (has(self.sparkEnvVars) ? self.sparkEnvVars.map(k, k.size() + self.sparkEnvVars[k].size()).sum() : 0) + (has(self.customTags) ? self.customTags.map(k, k.size() + self.customTags[k].size()).sum() : 0) + (has(self.sshPublicKeys) ? self.sshPublicKeys.map(k, k.size()).sum() : 0) + (has(self.initScripts) ? self.initScripts.map(i, i.?workspace.?destination.optMap(v, v.size()).orValue(0) + i.?volumes.?destination.optMap(v, v.size()).orValue(0) + i.?s3.?destination.optMap(v, v.size()).orValue(0) + i.?abfss.?destination.optMap(v, v.size()).orValue(0) + i.?gcs.?destination.optMap(v, v.size()).orValue(0) + i.?file.?destination.optMap(v, v.size()).orValue(0) + i.?s3.?endpoint.optMap(v, v.size()).orValue(0) + i.?s3.?kmsKey.optMap(v, v.size()).orValue(0)).sum() : 0) + (has(self.libraries) ? self.libraries.map(l, l.?jar.optMap(v, v.size()).orValue(0) + l.?whl.optMap(v, v.size()).orValue(0) + l.?requirements.optMap(v, v.size()).orValue(0) + l.?pypi.?__package__.optMap(v, v.size()).orValue(0) + l.?pypi.?repo.optMap(v, v.size()).orValue(0) + l.?maven.?coordinates.optMap(v, v.size()).orValue(0) + l.?maven.?repo.optMap(v, v.size()).orValue(0) + l.?cran.?__package__.optMap(v, v.size()).orValue(0) + l.?cran.?repo.optMap(v, v.size()).orValue(0) + (has(l.maven) && has(l.maven.exclusions) ? l.maven.exclusions.map(e, e.size()).sum() : 0)).sum() : 0) + (has(self.accessControlList) ? self.accessControlList.map(a, a.?userName.optMap(v, v.size()).orValue(0) + a.?groupName.optMap(v, v.size()).orValue(0) + a.?servicePrincipalName.optMap(v, v.size()).orValue(0)).sum() : 0) <= 262144",message="the spec is larger than 256 KiB in all: shorten sparkConf, sparkEnvVars and libraries; what is long belongs in files that initScripts or a requirements.txt read"
// +kubebuilder:validation:XValidation:fieldPath=".policyName",reason=FieldValueForbidden,rule="!has(self.policyID) || !has(self.policyName)",message="choose policyID or policyName, not both: remove one of them"
// +kubebuilder:validation:XValidation:fieldPath=".instancePoolName",reason=FieldValueForbidden,rule="!has(self.instancePoolID) || !has(self.instancePoolName)",message="choose instancePoolID or instancePoolName, not both: remove one of them"
// +kubebuilder:validation:XValidation:fieldPath=".driverInstancePoolName",reason=FieldValueForbidden,rule="!has(self.driverInstancePoolID) || !has(self.driverInstancePoolName)",message="choose driverInstancePoolID or driverInstancePoolName, not both: remove one of them"
// +kubebuilder:validation:XValidation:fieldPath=".policyRef",reason=FieldValueForbidden,rule="!has(self.policyRef) || (!has(self.policyID) && !has(self.policyName))",message="choose one of policyID, policyName and policyRef: remove the others"
// +kubebuilder:validation:XValidation:fieldPath=".instancePoolRef",reason=FieldValueForbidden,rule="!has(self.instancePoolRef) || (!has(self.instancePoolID) && !has(self.instancePoolName))",message="choose one of instancePoolID, instancePoolName and instancePoolRef: remove the others"
// +kubebuilder:validation:XValidation:fieldPath=".driverInstancePoolRef",reason=FieldValueForbidden,rule="!has(self.driverInstancePoolRef) || (!has(self.driverInstancePoolID) && !has(self.driverInstancePoolName))",message="choose one of driverInstancePoolID, driverInstancePoolName and driverInstancePoolRef: remove the others"
// +kubebuilder:validation:XValidation:fieldPath=".sparkVersionSelector",reason=FieldValueForbidden,rule="!has(self.sparkVersion) || !has(self.sparkVersionSelector)",message="choose sparkVersion or sparkVersionSelector, not both: remove one of them"
// +kubebuilder:validation:XValidation:fieldPath=".nodeTypeSelector",reason=FieldValueForbidden,rule="!has(self.nodeTypeID) || !has(self.nodeTypeSelector)",message="choose nodeTypeID or nodeTypeSelector, not both: remove one of them"
// +kubebuilder:validation:XValidation:fieldPath=".driverNodeTypeSelector",reason=FieldValueForbidden,rule="!has(self.driverNodeTypeID) || !has(self.driverNodeTypeSelector)",message="choose driverNodeTypeID or driverNodeTypeSelector, not both: remove one of them"
type DatabricksClusterSpec struct {
	OperatorSpec  `json:",inline"`
	ReferenceSpec `json:",inline"`
	ClusterSpec   `json:",inline"`
}

// DatabricksClusterList is a list of DatabricksCluster.
//
// +kubebuilder:object:root=true
type DatabricksClusterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []DatabricksCluster `json:"items"`
}
