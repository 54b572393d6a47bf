package v1alpha1

import (
	"crypto/sha256"
	"encoding/hex"
)

const (
	// FinalizerCluster keeps an object until its cluster was dealt with as the
	// deletion policy says. It is persisted before anything is created.
	FinalizerCluster = GroupName + "/cluster"

	// AnnotationRequest asks once for something that is not desired state. Its
	// value is "<verb>@<any token>"; a new token is a new request, and the answer
	// is in status.request.
	AnnotationRequest = GroupName + "/request"

	// AnnotationTakeOver adopts a cluster whose owner tag names another object or
	// operator. Its value is that object's UID or that operator's id.
	AnnotationTakeOver = GroupName + "/take-over"

	// LabelCluster names the object in status.selector, which the scale
	// subresource must show non-empty. Nothing in Kubernetes carries it: the
	// workers are not pods.
	LabelCluster = GroupName + "/cluster"

	// OwnerTagKey is the custom tag that marks a cluster as one object's own. Its
	// value is "<operator id>-<object UID>"; users may not set it.
	OwnerTagKey = "databricks-operator-owner"
)

// SelectorFor returns the label selector of status.selector for an object's name. A
// label value has at most 63 characters, so a longer name is cut and ends in a hash
// of the whole.
func SelectorFor(name string) string {
	const longest, hashed = 63, 8
	value := name
	if len(name) > longest {
		sum := sha256.Sum256([]byte(name))
		hash := hex.EncodeToString(sum[:])[:hashed]
		value = name[:longest-hashed-1] + "-" + hash
	}
	return LabelCluster + "=" + value
}

// The verbs of AnnotationRequest.
const (
	// RequestStart starts a cluster that is down. Refused under runPolicy Terminated.
	RequestStart = "start"
	// RequestTerminate stops a cluster and keeps it. Refused under runPolicy Running.
	RequestTerminate = "terminate"
	// RequestRestart restarts a running cluster, pending changes first.
	RequestRestart = "restart"
	// RequestReconcile looks at the workspace now and forgets every backoff.
	RequestReconcile = "reconcile"
)
