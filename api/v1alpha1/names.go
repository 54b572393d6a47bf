package v1alpha1

import (
	"crypto/sha256"
	"encoding/hex"
)

const (
	// FinalizerCluster keeps an object until the deletion policy has been applied to
	// its cluster. It is persisted before a cluster is created.
	FinalizerCluster = GroupName + "/cluster"

	// FinalizerPolicy is FinalizerCluster for policies.
	FinalizerPolicy = GroupName + "/policy"
	// FinalizerPool is FinalizerCluster for instance pools.
	FinalizerPool = GroupName + "/instance-pool"

	// AnnotationRequest is a one-off request. Its value is "<verb>@<any token>"; a new
	// token is a new request. status.request has the result.
	AnnotationRequest = GroupName + "/request"

	// MaxRequestLength is the maximum length of that value, in characters.
	MaxRequestLength = 256

	// AnnotationTakeOver adopts a cluster whose owner tag names another object or
	// operator. Its value is that object's UID or that operator's id.
	AnnotationTakeOver = GroupName + "/take-over"

	// LabelUse is the label of a Secret that permits the objects of its namespace to send
	// a value of it to a workspace. It is UseRegistry or UseLogAnalytics. A Secret with
	// the credential of a workspace needs no label: its token is sent only to the host in
	// the same Secret.
	LabelUse = GroupName + "/use"

	// LabelCluster is the label in status.selector, which the scale subresource requires
	// to be non-empty. No Kubernetes object has the label, because workers are not pods.
	LabelCluster = GroupName + "/cluster"

	// LabelPool is LabelCluster for instance pools.
	LabelPool = GroupName + "/instance-pool"

	// OwnerTagKey is the custom tag that names the object which owns a cluster. Its
	// value is "<operator id>-<object UID>-<digest of its name>"; users may not set it.
	OwnerTagKey = "databricks-operator-owner"

	// PoolOwnerTagKey is OwnerTagKey for instance pools. It is another name, because
	// Databricks refuses a cluster with a tag of the same name as one of its pool.
	PoolOwnerTagKey = "databricks-operator-pool-owner"
)

// The values of LabelUse.
const (
	// UseRegistry permits dockerImage.basicAuthSecretRef.
	UseRegistry = "registry"
	// UseLogAnalytics permits
	// azureAttributes.logAnalyticsInfo.logAnalyticsPrimaryKeySecretRef.
	UseLogAnalytics = "log-analytics"
)

// SelectorFor returns the label selector of status.selector for an object's name. A
// label value has at most 63 characters, so a longer name is truncated and gets a hash
// of the whole name as its suffix.
func SelectorFor(name string) string { return selector(LabelCluster, name) }

// PoolSelectorFor is SelectorFor for the name of a DatabricksInstancePool.
func PoolSelectorFor(name string) string { return selector(LabelPool, name) }

func selector(label, name string) string {
	const longest, hashed = 63, 8
	value := name
	if len(name) > longest {
		sum := sha256.Sum256([]byte(name))
		hash := hex.EncodeToString(sum[:])[:hashed]
		value = name[:longest-hashed-1] + "-" + hash
	}
	return label + "=" + value
}

// The verbs of AnnotationRequest.
const (
	// RequestStart starts a cluster that is down. Refused under runPolicy Terminated.
	RequestStart = "start"
	// RequestTerminate stops a cluster and keeps it. Refused under runPolicy Running.
	RequestTerminate = "terminate"
	// RequestRestart restarts a running cluster, pending changes first.
	RequestRestart = "restart"
	// RequestReconcile reads the workspace now and resets every backoff.
	RequestReconcile = "reconcile"
)
